// Clients and backends that cost more than they give, in small; `npm run bench -- router hostile` has them in full, with figures.

import { setImmediate as turn } from 'node:timers/promises';
import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { manualClock } from '../../runtime/manual-clock.ts';
import type { RawClient } from '../http1/raw-client.ts';
import { answering, get, openBackend, openScene, until } from './scene.ts';

const block = Buffer.alloc(100_000, 'x');
const most = 100_000_000;

/** How much is taken of an upload before it stands still or the connection ends. */
async function upload(client: RawClient, bytes = most): Promise<number> {
  client.send(`PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${bytes}\r\n\r\n`);
  const { socket } = client;
  let before = -1;
  while (before !== socket.bytesWritten - socket.writableLength && !socket.closed) {
    before = socket.bytesWritten - socket.writableLength;
    for (let i = 0; i < 100; i++) {
      if (socket.writable && socket.writableLength < block.length) socket.write(block);
      await turn();
    }
  }
  return before;
}

t.test('an upload to a backend that does not read stands still', async (t) => {
  const backend = await openBackend(t, (socket) => void socket.pause());
  const client = await (await openScene(t, [backend.port])).client();
  const taken = await upload(client);
  t.ok(taken < 50_000_000, `${taken} bytes were taken for a backend that reads none`);
  client.close();
  for (const socket of backend.sockets) socket.resume();
  await until(() => backend.sockets.size === 0);
});

t.test('an upload to a dead backend is refused, and little of it is read', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  const client = await (await openScene(t, [port])).client();
  const taken = await upload(client);
  t.match(client.received, /^HTTP\/1\.1 503 [^]*Connection: close/);
  t.ok(taken < 50_000_000, `${taken} bytes were taken for nobody`);
});

t.test('slow heads and idle connections beside normal traffic', async (t) => {
  const clock = manualClock();
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port], { clock });
  const many = (count: number): Promise<RawClient[]> =>
    Promise.all(Array.from({ length: count }, () => scene.client()));
  const [slow, idle, normal] = [await many(100), await many(200), await scene.client()];
  for (const client of slow) client.send('GET / HTTP/1.1\r\nX: ');
  for (let second = 0; second < 14; second++) {
    for (const client of slow) client.send('a');
    normal.send(get('/'));
    await normal.expect(/^HTTP\/1\.1 200 [^]*ok$/);
    clock.advance(1_000);
  }
  t.ok([...slow, ...idle].every(({ received, socket }) => received === '' && !socket.closed));
  clock.advance(2_000);
  for (const client of slow) t.match((await client.end()).text, /^HTTP\/1\.1 408 /);
  for (const client of idle) t.equal((await client.end()).text, '');
  normal.send(get('/'));
  t.ok(await normal.expect(/^HTTP\/1\.1 200 [^]*ok$/));
});
