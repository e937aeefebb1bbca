// Upgrades: WebSocket goes through as bytes, everything else stays HTTP.

import t from 'tap';
import { answering, get, openBackend, openScene, until, type Behaviour } from './scene.ts';

const handshake = get(
  '/ws',
  'Connection: keep-alive, Upgrade',
  'Upgrade: WebSocket',
  'Sec-WebSocket-Key: x',
  'Sec-WebSocket-Version: 13',
);

/** Switches, with a greeting in the same write, then echoes. */
const echo: Behaviour = (socket, _head, early) => {
  socket.removeAllListeners('data');
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\nhello',
  );
  if (early !== '') socket.write(early);
  socket.on('data', (bytes) => socket.write(bytes));
};

t.test('bytes go both ways, those sent ahead too; a half-close goes through', async (t) => {
  const backend = await openBackend(t, echo);
  const client = await (await openScene(t, [backend.port])).client();
  client.socket.allowHalfOpen = true;
  client.send(`${handshake}early`);
  const [head] = await client.expect(/^HTTP\/1\.1 101 [^]*\r\n\r\n/);
  t.match(head, /\r\nSec-WebSocket-Accept: y\r\n[^]*Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n$/);
  await client.expect(/^helloearly$/);
  t.match(backend.heads[0], /\r\nSec-WebSocket-Key: x\r\n[^]*Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n$/);
  client.send('x'.repeat(100_000));
  await until(() => client.received.length >= head.length + 'helloearly'.length + 100_000);
  client.socket.end('bye');
  await client.expect(/bye$/);
  t.equal((await client.end()).reset, false);
});

t.test('a backend that does not want to: its answer, and the connection stays HTTP', async (t) => {
  const backend = await openBackend(t, answering('no'));
  const client = await (await openScene(t, [backend.port])).client();
  client.send(handshake);
  await client.expect(/^HTTP\/1\.1 200 OK\r\n[^]*no$/);
  client.send(get('/'));
  t.ok(await client.expect(/^HTTP\/1\.1 200 OK\r\n[^]*no$/));
});

t.test('other upgrades, and handshakes that are none, are plain requests', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const client = await (await openScene(t, [backend.port])).client();
  const odd = [
    get('/', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: x'),
    get('/', 'Upgrade: websocket'),
    handshake.replace('GET', 'DELETE'),
    handshake.replace('\r\n\r\n', '\r\nContent-Length: 1\r\n\r\nx'),
  ];
  for (const text of odd) {
    client.send(text);
    await client.expect(/ 200 OK\r\n[^]*ok$/);
    t.notMatch(backend.heads.at(-1) ?? '', /upgrade|http2/i);
  }
});

t.test('a backend that switches to something else is refused', async (t) => {
  const backend = await openBackend(
    t,
    (socket) => void socket.write('HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n'),
  );
  const client = await (await openScene(t, [backend.port])).client();
  client.send(handshake);
  t.ok(await client.expect(/^HTTP\/1\.1 502 /));
});

t.test('a tunnel outlives its backend’s place in the table', async (t) => {
  const backend = await openBackend(t, echo);
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  client.send(handshake);
  await client.expect(/hello$/);
  scene.serve([], [backend.port]);
  client.send('draining');
  await client.expect(/draining$/);
  scene.serve([]);
  client.send('gone');
  await client.expect(/gone$/);
  t.equal(backend.sockets.size, 1);
});

t.test('a drain waits for tunnels until its deadline; stop cuts them', async (t) => {
  const backend = await openBackend(t, echo);
  const scene = await openScene(t, [backend.port]);
  const [first, second] = await Promise.all([scene.client(), scene.client()]);
  first.send(handshake);
  await first.expect(/hello$/);
  second.send(handshake);
  await second.expect(/hello$/);
  let drained = false;
  const drain = scene.router.drain(3_600_000).then(() => (drained = true));
  first.send('still');
  await first.expect(/still$/);
  first.socket.end();
  await until(() => backend.sockets.size === 1);
  t.equal(drained, false);
  second.socket.end();
  await drain;
  await scene.router.stop();
  t.equal(backend.sockets.size, 0);
});
