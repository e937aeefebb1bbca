// What systemd hears of the daemon, by a real unix datagram socket: ready, reloading with its instant, a refused reload, alive, stopping.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needs } from '../needs.ts';
import { eventually } from './cluster.ts';
import { serveWeb, startPassed } from './passed-daemon.ts';

t.setTimeout(200_000);

/** Node has no unix datagrams. Not taking the descriptor of a BARRIER closes it, which is what its sender waits for. */
const receiver = `
import socket, sys
inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
inbox.bind(sys.argv[1])
while True: print(inbox.recv(65536).decode())
`;

t.test('notices', { skip: needs('systemd-notify', 'python3') }, async (t) => {
  const directory = t.testdir();
  const path = join(directory, 'notify');
  const socket = spawn('python3', ['-uc', receiver, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => socket.kill());
  let heard = '';
  socket.stdout.on('data', (part: Buffer) => (heard += part.toString()));
  await eventually('receiver', 20_000, () => Promise.resolve(existsSync(path)), Boolean);
  const hears = (what: RegExp): Promise<string> =>
    eventually(
      `notice ${what.source} in ${heard}`,
      45_000,
      () => Promise.resolve(heard),
      (all) => what.test(all),
    );
  const url = await serveWeb((end) => void t.teardown(end));
  const config = `
router: { http: ["127.0.0.1:0"], groups: ["*"], routes: [{ host: shop.example, to: ["${url}"] }] }
admin: { listen: "127.0.0.1:0" }
workers: 1
`;
  const daemon = startPassed(directory, config, { env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '2000000' } });
  t.teardown(() => daemon.stop());
  const { pid } = daemon.child;
  await hears(new RegExp(`READY=1\\n+MAINPID=${pid}\\n+STATUS=serves; generation 1\\n`));
  t.equal((await daemon.listeners())['router.http']?.length, 1, 'and it is ready');
  await hears(/WATCHDOG=1/);

  const before = process.hrtime.bigint() / 1000n;
  daemon.child.kill('SIGHUP');
  const reloading = await hears(/RELOADING=1\n+MONOTONIC_USEC=\d+/);
  const instant = BigInt(/MONOTONIC_USEC=(\d+)/.exec(reloading)?.[1] ?? '0');
  t.ok(instant >= before && instant <= process.hrtime.bigint() / 1000n, 'by the clock that systemd has');
  await hears(/READY=1\n+MAINPID=\d+\n+STATUS=serves; generation 2\n/);

  const file = join(directory, 'isthmus.yaml');
  const good = readFileSync(file, 'utf8');
  writeFileSync(file, 'router: 1\n');
  daemon.child.kill('SIGHUP');
  await hears(/READY=1\n+MAINPID=\d+\n+STATUS=reload refused/);
  writeFileSync(file, good);
  daemon.child.kill('SIGUSR2');
  await hears(/STATUS=starts new processes[^]*READY=1\n+MAINPID=\d+\n+STATUS=serves; generation 3\n/);

  daemon.child.kill('SIGTERM');
  await once(daemon.child, 'exit');
  await hears(/STOPPING=1/);
});
