// isthmus check: a table or JSON of every problem, and the exit code.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { runIsthmus } from './run-isthmus.ts';

const folder = mkdtempSync(join(tmpdir(), 'isthmus-check-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const good = file('good.yaml', 'cluster: [{ mesos: { masters: ["http://10.0.0.11:5050"] } }]\n');
const bad = file(
  'bad.yaml',
  'cluster: [{ mesos: { masters: ["http://10.0.0.11:5050"] } }]\ndns: { listn: x }\nworkers: many\n',
);
const later = file('later.yaml', 'cluster: [{ file: { path: later.json } }]\n');

t.test('a good file is fine', async (t) => {
  t.strictSame(await runIsthmus(['check', '--config', good]), { code: 0, stdout: `${good} is fine\n`, stderr: '' });
  t.match(await runIsthmus(['check', '--config', good, '--json']), { code: 0, stdout: '[]\n' });
});

t.test('a bad one gives an aligned table of every problem', async (t) => {
  const { code, stdout, stderr } = await runIsthmus(['check', '--config', bad]);
  t.equal(code, 2);
  t.equal(
    stdout,
    [
      'LINE  PATH       PROBLEM                         REMEDY',
      '2     dns.listn  there is no key "listn" here    did you mean "listen"?',
      '3     workers    "many" is no number of workers  write auto, or a number from 0 to 256',
      '',
    ].join('\n'),
  );
  t.equal(stderr, `isthmus: ${bad} has 2 errors\n`);
});

t.test('as JSON for programs', async (t) => {
  const { code, stdout } = await runIsthmus(['check', '--config', bad, '--json']);
  t.equal(code, 2);
  t.match(JSON.parse(stdout), [
    { line: 2, column: 8, path: 'dns.listn', message: String, remedy: 'did you mean "listen"?', severity: 'error' },
    { line: 3, path: 'workers' },
  ]);
});

t.test('warnings alone are told and exit 0', async (t) => {
  t.match(await runIsthmus(['check', '--config', later]), {
    code: 0,
    stdout: /^1 +cluster\[0\]\.file\.path +warning: names .*later\.json, which does not exist yet/m,
    stderr: /usable, with 1 warning/,
  });
});

t.test('a file that cannot be read is a wrong configuration', async (t) => {
  t.match(await runIsthmus(['check', '--config', join(folder, 'nothing.yaml')]), {
    code: 2,
    stdout: '',
    stderr: /cannot read .*nothing\.yaml/,
  });
});

t.test('run refuses a bad file with the same words', async (t) => {
  t.match(await runIsthmus(['run', '--config', bad]), { code: 2, stdout: '', stderr: /did you mean "listen"/ });
  t.match(await runIsthmus(['run', '--config', join(folder, 'nothing.yaml')]), { code: 2, stderr: /nothing\.yaml/ });
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
