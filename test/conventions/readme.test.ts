// Configurations that a README shows are ones that the daemon takes: every yaml block that starts with the line
// `# isthmus.yaml` goes through its parser.

import { globSync } from 'node:fs';
import t from 'tap';
import { parseConfig } from '../../src/daemon/index.ts';
import { readSource, root, topFolders } from './sources.ts';

interface Example {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

const readmes = globSync(['README.md', ...topFolders.map((folder) => `${folder}/README.md`)], { cwd: root }).sort();

t.test('every configuration shown in a README is valid', async (t) => {
  for (const { file, line, text } of readmes.flatMap((file) => examplesIn(file, readSource(file)))) {
    const { problems } = parseConfig(text, file);
    t.strictSame(problems, [], `${file}:${line}`);
  }
  t.ok(readmes.length > 0, 'there is a README');
});

t.test('examples are found by their first line', async (t) => {
  const text = ['text', '```yaml', '# isthmus.yaml', 'dns: {}', '```', '```yaml', 'other: 1', '```'].join('\n');
  t.strictSame(examplesIn('README.md', text), [{ file: 'README.md', line: 3, text: '# isthmus.yaml\ndns: {}\n' }]);
});

function examplesIn(file: string, text: string): Example[] {
  return [...text.matchAll(/^```yaml\n(# isthmus\.yaml.*\n[^]*?)^```/gm)].map((match) => ({
    file,
    line: text.slice(0, match.index).split('\n').length + 1,
    text: match[1] ?? '',
  }));
}
