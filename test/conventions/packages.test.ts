// What tests ask of the machine, `.ci/run` installs: there a skip is a failure.

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packages } from '../needs.ts';
import { toolNames } from '../storm/tools.ts';

const root = join(import.meta.dirname, '../..');
/** On every Debian machine. */
const essential = ['util-linux', 'bsdutils'];

t.test('every package that a test needs is installed by .ci/run', async (t) => {
  const list = /debian_packages=\(([^)]*)\)/.exec(readFileSync(join(root, '.ci/run'), 'utf8'))?.[1] ?? '';
  const installed = new Set([...list.trim().split(/\s+/), ...essential]);
  const wanted = new Map<string, string>();
  for (const name of toolNames) {
    const found = Object.entries(packages).find(([command]) => command === name)?.[1];
    t.ok(found, `the package of ${name} is known`);
    wanted.set(found ?? name, 'the storm');
  }
  for (const file of globSync('test/**/*.ts', { cwd: root })) {
    const calls = readFileSync(join(root, file), 'utf8').matchAll(/needs\(([^)]*)\)/g);
    for (const [, words = ''] of calls) {
      for (const [, command = ''] of words.matchAll(/'([\w-]+)'/g)) {
        const found = Object.entries(packages).find(([name]) => name === command)?.[1];
        if (found !== undefined) wanted.set(found, file);
      }
    }
  }
  t.ok(wanted.size > 15, `${wanted.size} packages are asked for`);
  for (const [name, file] of wanted) t.ok(installed.has(name), `${name}, for ${file}`);
});
