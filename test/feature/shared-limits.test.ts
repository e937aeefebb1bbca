// What a limit of the configuration means with several workers: their parts add up to it, and so do their metrics.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import t from 'tap';
import { ask, eventually, startCluster, webApp } from './cluster.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(120_000);

t.test('connections are limited, and requests counted, over all workers', async (t) => {
  const test = await startCluster();
  t.teardown(() => test.close());
  await test.marathon.deploy(webApp());
  const daemon = await startDaemon(`
cluster: [{ mesos: { masters: ["${test.masters.url(0)}"] } }, { marathon: { urls: ["${test.marathon.url}"] } }]
router: { http: ["127.0.0.1:0"], groups: [external], limits: { connections: 8 } }
admin: { listen: "127.0.0.1:0" }
workers: 2
`);
  t.teardown(() => daemon.stop());
  const router = daemon.address('router.http');
  const requests = 30;
  for (let i = 0; i < requests; i++) t.equal((await ask(router, 'shop.example')).status, 200);
  const total = async (): Promise<number> =>
    [...(await daemon.get('/metrics')).matchAll(/^isthmus_router_requests_total\{[^}]*\} (\d+)$/gm)].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  t.equal(await eventually('requests', 20_000, total, (sum) => sum >= requests), requests);

  // Streams, each of which keeps its connection.
  const streams: Socket[] = [];
  t.teardown(() => streams.forEach((socket) => socket.destroy()));
  let served = 0;
  for (let i = 0; i < 24; i++) {
    const socket = connect(Number(router.split(':')[1]), '127.0.0.1');
    socket.on('error', () => undefined);
    streams.push(socket);
    socket.write('GET /sse HTTP/1.1\r\nHost: shop.example\r\n\r\n');
    const ended = once(socket, 'close').then(
      () => [Buffer.of()],
      () => [Buffer.of()],
    );
    // A refusal may come as a reset.
    const first = Promise.race([once(socket, 'data'), ended]).catch(() => [Buffer.of()]);
    const [bytes] = (await first) as [Buffer];
    if (bytes.toString('latin1').startsWith('HTTP/1.1 200')) served++;
  }
  t.ok(served >= 4 && served <= 8, `${served} of 24 at a time: no more than 8, nor fewer than one worker's part`);
});

t.test('so are those of one rule of the SOCKS proxy', async (t) => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const state = JSON.stringify({ leader: 'master@10.0.0.1:5050', slaves: [], frameworks: [] });
  const daemon = await startDaemon(`
cluster: [{ file: { path: "${t.testdir({ 'state.json': state })}/state.json" } }]
socks:
  listen: ["127.0.0.1:0"]
  rules: [{ allow: { to: ["127.0.0.1"], ports: [${port}] }, unsafe: true, limits: { connections: 4 } }]
admin: { listen: "127.0.0.1:0" }
workers: 2
`);
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await daemon.stop();
  });
  let served = 0;
  const replies = new Set<number>();
  for (let i = 0; i < 16; i++) {
    const socket = connect(Number(daemon.address('socks').split(':')[1]), '127.0.0.1');
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.write(Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]));
    let said = Buffer.alloc(0);
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      said = Buffer.concat([said, chunk as Buffer]);
      if (said.length >= 12) break;
    }
    replies.add(said[3] ?? -1);
    if (said[3] === 0) served++;
  }
  t.ok(served >= 2 && served <= 4, `${served} of 16 at a time: no more than 4, nor fewer than one worker's part`);
  t.strictSame([...replies].sort(), [0, 1]);
});
