// The supervisor is killed: the others serve on and say so, and a daemon that is started in its place takes the addresses over.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { firstBytes, socksTunnel } from '../storm/clients.ts';
import { isAlive, processesOf } from '../storm/processes.ts';
import { ask, askForever, eventually, startCluster, startDaemonOn, webApp } from './cluster.ts';
import { isthmus } from './daemon.ts';

t.setTimeout(180_000);

const call = 'GET / HTTP/1.1\r\nHost: any\r\n\r\n';
const vipName = 'shop-web.marathon.l4lb.thisdcos.directory:8080';

t.test('workers and control outlive the supervisor, and its successor waits for them', async (t) => {
  const test = await startCluster();
  t.teardown(() => test.close());
  await test.marathon.deploy(webApp());
  const daemon = await startDaemonOn(test, 2);
  const orphans = processesOf(daemon.child.pid ?? 0).filter(({ role }) => role !== 'supervisor');
  t.teardown(() => orphans.filter(({ pid }) => isAlive(pid)).forEach(({ pid }) => process.kill(pid, 'SIGKILL')));
  // The successor wants the very ports that the kernel chose.
  const file = join(daemon.directory, 'isthmus.yaml');
  const wanted = ['dns', 'dns.http', 'router.http', 'socks', 'httpProxy', 'admin'].map((key) => daemon.address(key));
  writeFileSync(
    file,
    wanted.reduce((text, address) => text.replace('127.0.0.1:0', address), readFileSync(file, 'utf8')),
  );
  const tunnel = await socksTunnel(daemon.port('socks'), vipName);
  t.teardown(() => tunnel.destroy());

  daemon.child.kill('SIGKILL');
  await once(daemon.child, 'exit');
  const loop = askForever(() => ask(daemon.address('router.http'), 'shop.example'));
  const metrics = (): Promise<string> => daemon.get('/metrics');
  await eventually('metric', 20_000, metrics, (text) => /^isthmus_daemon_orphans(\{[^}]*\})? 3$/m.test(text));
  await eventually(
    'requests',
    20_000,
    () => Promise.resolve(loop.count()),
    (count) => count > 20,
  );
  t.same(await loop.stop(), [], 'requests are served without a supervisor');

  const successor = spawn(process.execPath, [isthmus, 'run', '--config', file], {
    stdio: ['pipe', 'inherit', 'pipe'],
    env: { ...process.env, ISTHMUS_END_WITH_STDIN: '1' },
  });
  t.teardown(() => successor.kill('SIGKILL'));
  const lines: string[] = [];
  createInterface({ input: successor.stderr }).on('line', (line) => lines.push(line));
  const ready = await eventually(
    'its ready line',
    60_000,
    () => Promise.resolve(lines.find((line) => line.includes('"msg":"ready"'))),
    (line) => line !== undefined,
  );
  t.match(lines.join('\n'), /whose supervisor died serve still/);
  t.notMatch(ready, /EADDRINUSE/, 'nothing is missing');
  for (const address of wanted) t.match(ready, address);
  t.equal((await ask(daemon.address('router.http'), 'shop.example')).status, 200);
  tunnel.write(call);
  t.match((await firstBytes(tunnel)).toString('latin1'), /^HTTP\/1\.1 200/, 'a tunnel of the former daemon goes on');
  tunnel.destroy();
  await eventually(
    'orphans',
    45_000,
    () => Promise.resolve(orphans.filter(({ pid }) => isAlive(pid))),
    (left) => left.length === 0,
  );
  successor.kill('SIGTERM');
  t.same(await once(successor, 'exit'), [0, null]);
});
