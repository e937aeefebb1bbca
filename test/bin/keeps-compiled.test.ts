// What Node compiled is kept beside the program, where nobody may write who may not write the program; without it all works.

import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { needs } from '../needs.ts';

const root = dirname(dirname(import.meta.dirname));

/** Says where it may keep what is compiled, and does a little. */
const program = `
import { one } from './one.ts';
process.stdout.write((process.env['NODE_COMPILE_CACHE'] ?? 'nowhere') + ' ' + String(one));
`;

interface Place {
  readonly folder: string;
  readonly kept: string;
  run(env?: NodeJS.ProcessEnv): string;
}

function checkout(t: Test): Place {
  const folder = t.testdir({
    bin: {},
    src: { cli: { 'main.ts': program, 'one.ts': 'export const one: number = 1;\n' } },
    'package.json': '{"type":"module"}',
  });
  copyFileSync(join(root, 'bin/isthmus.js'), join(folder, 'bin/isthmus.js'));
  // The loosest there is.
  const script = `umask 0; exec "$0" "$1"`;
  const { NODE_COMPILE_CACHE: _, NODE_DISABLE_COMPILE_CACHE: __, ...bare } = process.env;
  return {
    folder,
    kept: join(folder, '.cache/compiled'),
    run(env = {}) {
      const args = ['-c', script, process.execPath, join(folder, 'bin/isthmus.js')];
      const { stdout, stderr } = spawnSync('sh', args, { encoding: 'utf8', env: { ...bare, ...env } });
      return stdout + stderr;
    },
  };
}

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));

t.test('beside the program, closed to others, and used by those that it starts', async (t) => {
  const { folder, kept, run } = checkout(t);
  t.equal(run(), `${kept} 1`);
  const files = filesOf(join(folder, '.cache'));
  t.ok(files.length > 3, 'something is there');
  for (const file of files) t.equal(statSync(file).mode & 0o022, 0, file);
  for (const file of filesOf(kept).filter((file) => statSync(file).isFile())) writeFileSync(file, 'half of wh');
  t.equal(run(), `${kept} 1`, 'what was torn is made anew');
});

t.test('another place by NODE_COMPILE_CACHE, or none', async (t) => {
  const { folder, run } = checkout(t);
  const elsewhere = join(folder, 'elsewhere');
  t.equal(run({ NODE_COMPILE_CACHE: elsewhere }), `${elsewhere} 1`);
  t.equal(run({ NODE_DISABLE_COMPILE_CACHE: '1' }), 'nowhere 1');
  t.notOk(readdirSync(folder).includes('.cache'));
});

t.test('nowhere that others may write to', async (t) => {
  const { folder, kept, run } = checkout(t);
  mkdirSync(kept, { recursive: true });
  for (const open of [kept, join(folder, '.cache')]) {
    chmodSync(open, 0o777);
    t.equal(run(), 'nowhere 1', open);
    chmodSync(open, 0o755);
  }
  t.equal(run(), `${kept} 1`);
});

t.test("nor in somebody else's folder", { skip: needs('root') }, async (t) => {
  const { folder, kept, run } = checkout(t);
  mkdirSync(kept, { recursive: true });
  chownSync(kept, 65534, 65534);
  t.equal(run(), 'nowhere 1', 'the cache is theirs');
  chownSync(kept, 0, 0);
  chownSync(folder, 65534, 65534);
  t.equal(run(), 'nowhere 1', 'the program is theirs');
  chownSync(folder, 0, 0);
});

t.test('where it cannot be made, nothing is missed', async (t) => {
  const { folder, run } = checkout(t);
  writeFileSync(join(folder, '.cache'), 'a file');
  t.equal(run(), 'nowhere 1');
});
