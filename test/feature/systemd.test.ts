// The units of systemd/: without mistakes by systemd's own word, and as tight as they are said to be.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { needs } from '../needs.ts';

const units = fileURLToPath(new URL('../../systemd/', import.meta.url));

function analyze(...args: readonly string[]): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, '--no-pager'], { encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

t.test('units', { skip: needs('systemd-analyze') }, async (t) => {
  const directory = join(t.testdir(), 'system');
  mkdirSync(directory);
  const service = readFileSync(join(units, 'isthmus.service'), 'utf8');
  // Where the program is installed is a matter of the package.
  const here = service.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`);
  const [file, socket] = [join(directory, 'isthmus.service'), join(directory, 'isthmus.socket')];
  writeFileSync(file, here);
  writeFileSync(socket, readFileSync(join(units, 'isthmus.socket'), 'utf8'));
  t.same(analyze('verify', file, socket), { status: 0, said: '' }, 'verify has nothing to say');
  const broken = join(directory, 'broken.service');
  writeFileSync(broken, here.replace('KillMode=mixed', 'KillMode=blend'));
  t.match(analyze('verify', broken).said, /kill mode/i, 'and would have');

  const mostly = (path: string, tenths: number): void => {
    const { status, said } = analyze('security', '--offline=true', `--threshold=${tenths}`, path);
    t.equal(status, 0, `exposure of at most ${tenths / 10}: ${said.split('\n').findLast((line) => line !== '') ?? ''}`);
  };
  mostly(file, 35);
  const less = readFileSync(join(units, 'unprivileged.conf'), 'utf8');
  const unprivileged = join(directory, 'unprivileged.service');
  writeFileSync(unprivileged, here.replace(/^\[Install\]$/m, `${less}\n[Install]`));
  t.equal(analyze('verify', unprivileged).said.includes('unprivileged.service:'), false, 'verify of the drop-in');
  mostly(unprivileged, 20);
});
