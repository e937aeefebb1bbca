// WebSockets over streams (RFC 8441): a handshake of HTTP/1 to backends.

import { once } from 'node:events';
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import t from 'tap';
import { answering, openBackend, openScene, until, type Behaviour } from '../router/scene.ts';
import { answerOf, openClient } from './node-client.ts';

const h2c = { h2c: true };

/** Switches, then echoes; ends its side when the other does. */
const echo: Behaviour = (socket) => {
  socket.removeAllListeners('data');
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\nhello',
  );
  socket.on('data', (bytes) => socket.write(bytes));
};

t.test('a WebSocket over one stream', async (t) => {
  const backend = await openBackend(t, echo);
  const scene = await openScene(t, [backend.port], h2c);
  const session = await openClient(t, scene);
  t.equal(session.remoteSettings.enableConnectProtocol, true);
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':authority': 'a.example',
    ':scheme': 'http',
    ':path': '/ws',
    'sec-websocket-version': '13',
  });
  const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  t.equal(head[':status'], 200);
  t.notOk('sec-websocket-accept' in head);
  t.match(
    backend.heads[0],
    /^GET \/ws HTTP\/1\.1\r\n[^]*\r\nsec-websocket-key: \S{24}\r\n[^]*Connection: Upgrade\r\nUpgrade: websocket\r\n/,
  );
  let received = '';
  stream.on('data', (part: Buffer) => (received += part.toString('latin1')));
  stream.write('x'.repeat(200_000));
  await until(() => received.length === 200_005);
  stream.end('bye');
  await once(stream, 'end');
  t.ok(received.endsWith('bye'));
  await until(() => backend.sockets.size === 0);
});

t.test('a WebSocket that its client or its backend breaks off', async (t) => {
  const backend = await openBackend(t, echo);
  const session = await openClient(t, await openScene(t, [backend.port], h2c));
  const begin = (): ClientHttp2Stream =>
    session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':authority': 'a.example',
      ':scheme': 'http',
      ':path': '/',
    });
  const first = begin();
  first.on('error', () => undefined);
  await once(first, 'response');
  first.close(8);
  await until(() => backend.sockets.size === 0);
  const second = begin();
  second.on('error', () => undefined).resume();
  await once(second, 'response');
  const closed = new Promise((resolve) => second.on('close', resolve));
  for (const socket of backend.sockets) socket.resetAndDestroy();
  await closed;
  t.not(second.rstCode, 0);
});

t.test('a WebSocket that the backend does not want, and one that is answered as if it were there', async (t) => {
  const backend = await openBackend(t, (socket, head) => {
    if (head.startsWith('GET /no')) socket.write('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno');
    else answering('what?')(socket, head, '');
  });
  const session = await openClient(t, await openScene(t, [backend.port], h2c));
  const statusOf = async (path: string): Promise<unknown> => {
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':authority': 'a.example',
      ':scheme': 'http',
      ':path': path,
    });
    return (await answerOf(stream)).headers[':status'];
  };
  t.equal(await statusOf('/no'), 403);
  t.equal(await statusOf('/ok'), 502);
});
