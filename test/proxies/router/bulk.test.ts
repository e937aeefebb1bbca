// Large bodies both ways, with readers that pause: nothing is lost, repeated or held without bound.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { get, openBackend, openScene, until } from './scene.ts';

const payload = randomBytes(5_000_000);
const hashOf = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');
const wanted = hashOf(payload);

/** Answers with the payload by length or in chunks; to a POST with the hash of what came. */
async function openBulkBackend(t: Test): Promise<number> {
  const server = createServer((incoming, response) => {
    if (incoming.method === 'POST') void readAll(incoming).then((bytes) => response.end(hashOf(bytes)));
    else if (incoming.url === '/length') response.setHeader('Content-Length', payload.length).end(payload);
    else {
      for (let at = 0; at < payload.length; at += 70_001) response.write(payload.subarray(at, at + 70_001));
      response.end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

t.test('answers', async (t) => {
  const scene = await openScene(t, [await openBulkBackend(t)]);
  for (const path of ['/length', '/chunks']) {
    const asked = request({ port: scene.port, path, headers: { Host: 'a.example' } });
    asked.end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    t.equal(hashOf(await readAll(answer, true)), wanted, path);
  }
});

t.test('requests', async (t) => {
  const scene = await openScene(t, [await openBulkBackend(t)]);
  for (const chunked of [true, false]) {
    const headers = { Host: 'a.example', ...(chunked ? {} : { 'Content-Length': payload.length }) };
    const asked = request({ port: scene.port, method: 'POST', headers });
    for (let at = 0; at < payload.length; at += 333_333) asked.write(payload.subarray(at, at + 333_333));
    asked.end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    t.equal((await readAll(answer)).toString(), wanted, chunked ? 'chunked' : 'by length');
  }
});

t.test('a client that does not read stops its backend', async (t) => {
  let written = 0;
  let stalled = false;
  const backend = await openBackend(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n');
    const more = (): void => {
      while (written < 100_000_000 && !socket.destroyed) {
        written += 100_000;
        if (!socket.write(payload.subarray(0, 100_000))) {
          stalled = true;
          return;
        }
      }
    };
    socket.on('drain', more);
    more();
  });
  const client = await (await openScene(t, [backend.port])).client();
  client.socket.pause();
  client.send(get('/'));
  await until(() => stalled);
  let before = -1;
  while (before !== written) {
    before = written;
    for (let i = 0; i < 200; i++) await turn();
  }
  t.ok(written < 50_000_000, `${written} bytes were taken for a client that reads none`);
});

/** All of a body; `slowly`: a turn of the loop for each piece. */
async function readAll(body: IncomingMessage, slowly = false): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of body) {
    pieces.push(piece as Buffer);
    if (slowly) await turn();
  }
  return Buffer.concat(pieces);
}
