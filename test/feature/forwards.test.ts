// Forwards through the whole daemon: to a VIP, to an app's port, over a range; what cannot be bound; and sessions that outlive a reload.

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, eventually, startCluster, startDaemonOn, webApp } from './cluster.ts';
import type { RunningDaemon } from './daemon.ts';

t.setTimeout(110_000);

const any = 'from: any';
const app = `to: "app:/shop/web:http", ${any}`;
const vip = `to: ["vip:/shop-web:8080"], ${any}`;

for (const workers of [0, 2]) {
  t.test(`workers: ${workers}`, async (t) => {
    const test = await startCluster();
    t.teardown(() => test.close());
    await test.marathon.deploy(webApp());
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port: takenPort } = taken.address() as AddressInfo;
    t.teardown(() => taken.close());
    const echoes = await Promise.all([echoServer(t), echoServer(t)]);
    const daemon = await startDaemonOn(
      test,
      workers,
      `forwards:
  - { listen: "127.0.0.1:0", ${vip} }
  - { listen: "127.0.0.1:0", ${app} }
  - { listen: "127.0.0.1:${takenPort}", ${app} }
  - { listen: "127.0.0.1:0", to: "127.0.0.1:${echoes[0]}", ${any} }
  - { listen: "127.0.0.1:0", to: "app:/shop/nothing:http", ${any} }
`,
    );
    t.teardown(() => daemon.child.kill('SIGKILL'));
    t.match(daemon.ready.degraded, [/forwards/], 'the one that is taken');
    const addresses = daemon.ready.listeners['forwards'] ?? [];
    t.equal(addresses.length, 4);
    for (const address of addresses.slice(0, 2)) {
      const answer = await eventually(
        'forward',
        10_000,
        () => ask(address, 'any').catch(() => null),
        (got) => got !== null,
      );
      t.equal(answer?.status, 200, address);
    }
    await t.rejects(ask(addresses[3] ?? '', 'any'), 'an app that is not there');
    const metrics = await daemon.get('/metrics');
    t.match(metrics, new RegExp(`isthmus_forwards_up\\{listen="127.0.0.1:${takenPort}"[^}]*\\} 0\\n`));

    await test.marathon.scale('/shop/web', 1);
    t.equal((await ask(addresses[1] ?? '', 'any')).status, 200, 'whoever is left');
    if (workers > 0) await reloadKeeps(t, daemon, addresses[2] ?? '', echoes);
    t.equal(await daemon.stop(), 0);
  });
}

async function reloadKeeps(t: Test, daemon: RunningDaemon, address: string, echoes: readonly number[]): Promise<void> {
  const port = Number(address.split(':')[1]);
  const session = connect(port, '127.0.0.1');
  t.equal(await exchange(session, 'before'), 'before');
  const file = join(daemon.directory, 'isthmus.yaml');
  for (const generation of [2, 3]) {
    const [from, to] = generation === 2 ? echoes : [...echoes].reverse();
    writeFileSync(file, readFileSync(file, 'utf8').replace(`127.0.0.1:${from}`, `127.0.0.1:${to}`));
    daemon.child.kill('SIGHUP');
    await daemon.line((line) => line['msg'] === 'ready' && line['generation'] === generation);
    t.equal(await exchange(session, `after ${generation}`), `after ${generation}`, 'an open session goes on');
  }
  session.destroy();
}

async function exchange(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString();
}

async function echoServer(t: { teardown(action: () => unknown): void }): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}
