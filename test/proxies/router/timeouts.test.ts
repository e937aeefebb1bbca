// Waits that end: slow heads, slow bodies, silent backends, idle connections. The test owns the clock.

import t from 'tap';
import { manualClock } from '../../runtime/manual-clock.ts';
import { answering, counted, get, openBackend, openScene, until } from './scene.ts';

/** A turn in which sockets have told what they had. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

t.test('limits and timeouts of 0 are none', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const none = { headerBytes: 0, fields: 0, requestLineBytes: 0, bodyBytes: 0, connections: 0, perClient: 0 };
  const limits = { ...none, requestsPerConnection: 0, connectionsPerBackend: 0 };
  const waits = { headerMs: 0, bodyMs: 0, idleMs: 0, sendMs: 0, connectMs: 0, queueMs: 0, responseMs: 0, answerMs: 0 };
  const client = await (await openScene(t, [backend.port], { limits, timeouts: waits })).client();
  for (let i = 0; i < 2; i++) {
    client.send(get(`/${'x'.repeat(9000)}`));
    t.ok(await client.expect(/^HTTP\/1\.1 200 OK\r\n[^]*ok$/));
  }
});

t.test('a head that does not end: 408', async (t) => {
  const clock = manualClock();
  const client = await (await openScene(t, [], { clock })).client();
  client.send('GET / HTTP/1.1\r\nHost: a.exa');
  await settle();
  clock.advance(14_000);
  client.send('mple\r\n');
  await settle();
  t.equal(client.received, '');
  clock.advance(2_000);
  t.match((await client.end()).text, /^HTTP\/1\.1 408 Request Timeout\r\n[^]*Connection: close\r\n/);
});

t.test('a connection that sends nothing is closed without a word', async (t) => {
  const clock = manualClock();
  const client = await (await openScene(t, [], { clock })).client();
  await settle();
  clock.advance(16_000);
  t.equal((await client.end()).text, '');
});

t.test('a body that pauses: 408, and the backend is let go', async (t) => {
  const clock = manualClock();
  const backend = await openBackend(t, () => undefined);
  const client = await (await openScene(t, [backend.port], { clock })).client();
  client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\nhello');
  await until(() => backend.heads.length === 1);
  await settle();
  clock.advance(31_000);
  t.match((await client.end()).text, /^HTTP\/1\.1 408 /);
  await until(() => backend.sockets.size === 0);
});

t.test('a body below the least rate: 408 after 20 s, while pauses of ours do not count', async (t) => {
  const clock = manualClock();
  const backend = await openBackend(t, () => undefined);
  const limits = { bodyBytesPerSecond: 10 };
  const client = await (await openScene(t, [backend.port], { clock, limits })).client();
  client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000\r\n\r\nhello');
  await until(() => backend.heads.length === 1);
  for (let second = 0; second < 20; second += 4) {
    await settle();
    clock.advance(4_000);
    client.send('0123456789');
  }
  await settle();
  t.equal(client.received, '', 'nobody is judged in the first 20 s');
  clock.advance(1_000);
  client.send('x');
  t.match((await client.end()).text, /^HTTP\/1\.1 408 /);
  await until(() => backend.sockets.size === 0);
});

t.test('a whole request that takes too long: 504, or cut where the answer has begun', async (t) => {
  const clock = manualClock();
  const silent = await openBackend(t, () => undefined);
  const scene = await openScene(t, [silent.port], { clock, timeouts: { requestMs: 5_000 } });
  const first = await scene.client();
  first.send(get('/'));
  await until(() => silent.heads.length === 1);
  clock.advance(5_500);
  await first.expect(/^HTTP\/1\.1 504 Gateway Timeout\r\n/);
  await until(() => silent.sockets.size === 0);
  const endless = await openBackend(
    t,
    (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello'),
  );
  scene.serve([endless.port]);
  const second = await scene.client();
  second.send(get('/'));
  await second.expect(/hello$/);
  clock.advance(5_500);
  t.equal((await second.end()).reset, true);
  await until(() => endless.sockets.size === 0);
});

t.test('a client that has ended its side is answered while the answer goes on, else it is gone', async (t) => {
  const clock = manualClock();
  let waiting: (() => void) | null = null;
  const backend = await openBackend(t, (socket) => void (waiting = () => answering('ok')(socket, '', '')));
  const scene = await openScene(t, [backend.port], { clock });
  const client = await scene.client();
  client.socket.end(`${get('/1')}${get('/2')}`);
  for (const path of ['/1', '/2']) {
    await until(() => backend.heads.at(-1)?.startsWith(`GET ${path} `) === true && waiting !== null);
    await settle();
    (waiting as (() => void) | null)?.();
    waiting = null;
  }
  const { text, reset } = await client.end();
  t.match(text, /^HTTP\/1\.1 200 OK\r\n[^]*okHTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n\r\nok$/);
  t.equal(reset, false);
  const silent = await scene.client();
  silent.socket.end(get('/3'));
  await until(() => backend.heads.length === 3);
  await settle();
  clock.advance(1_000);
  t.equal((await silent.end()).text, '');
  await until(() => backend.sockets.size === 0);
  t.equal(counted(scene.metrics, 'router_requests_total', { code: '499' }), 1);
  const half = await scene.client();
  half.socket.end('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\nhello');
  t.equal((await half.end()).text, '', 'half a request is none');
});

t.test('a backend that does not answer: 504', async (t) => {
  const clock = manualClock();
  const backend = await openBackend(t, () => undefined);
  const client = await (await openScene(t, [backend.port], { clock })).client();
  client.send(get('/'));
  await until(() => backend.heads.length === 1);
  await settle();
  clock.advance(29_000);
  await settle();
  t.equal(client.received, '');
  clock.advance(2_000);
  await client.expect(/^HTTP\/1\.1 504 Gateway Timeout\r\n/);
  await until(() => backend.sockets.size === 0);
});

t.test('an answer that pauses is cut', async (t) => {
  const clock = manualClock();
  const backend = await openBackend(
    t,
    (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'),
  );
  const client = await (await openScene(t, [backend.port], { clock })).client();
  client.send(get('/'));
  await client.expect(/hello$/);
  clock.advance(31_000);
  t.equal((await client.end()).reset, true);
});

t.test('idle connections: the client’s after 15 s, the backend’s after 4 s or what it says', async (t) => {
  const clock = manualClock();
  let keepAlive = '';
  const backend = await openBackend(
    t,
    (socket) => void socket.write(`HTTP/1.1 200 OK\r\n${keepAlive}Content-Length: 2\r\n\r\nok`),
  );
  const client = await (await openScene(t, [backend.port], { clock })).client();
  client.send(get('/'));
  await client.expect(/ok$/);
  clock.advance(3_000);
  await settle();
  t.equal(backend.sockets.size, 1);
  clock.advance(2_000);
  await until(() => backend.sockets.size === 0);
  keepAlive = 'Keep-Alive: timeout=2\r\n';
  client.send(get('/'));
  await client.expect(/ok$/);
  clock.advance(1_500);
  await until(() => backend.sockets.size === 0);
  clock.advance(15_000);
  t.equal((await client.end()).reset, false);
});

t.test('a refused client that goes on sending is cut after a second', async (t) => {
  const clock = manualClock();
  const client = await (await openScene(t, [], { clock })).client();
  client.socket.allowHalfOpen = true;
  client.send('get / HTTP/1.1\r\n');
  await client.expect(/^HTTP\/1\.1 400 Bad Request\r\n/);
  client.send('x'.repeat(1000));
  await settle();
  t.equal(client.socket.closed, false);
  clock.advance(2_000);
  // Who has read the end of a stream learns of a reset by writing.
  await until(() => {
    client.send('more');
    return client.socket.closed;
  });
});

t.test('the number of connections to a backend can be limited; who waits too long gets 503', async (t) => {
  const clock = manualClock();
  const waiting: (() => void)[] = [];
  const backend = await openBackend(t, (socket) => void waiting.push(() => answering('ok')(socket, '', '')));
  const scene = await openScene(t, [backend.port], {
    clock,
    limits: { connectionsPerBackend: 1 },
    timeouts: { responseMs: 0 },
  });
  const clients = await Promise.all([scene.client(), scene.client(), scene.client()]);
  for (const client of clients) {
    client.send(get('/'));
    await settle();
  }
  await until(() => waiting.length === 1);
  t.equal(backend.connections, 1);
  waiting.shift()?.();
  await clients[0]?.expect(/ok$/);
  await until(() => waiting.length === 1);
  clock.advance(31_000);
  await clients[2]?.expect(/^HTTP\/1\.1 503 /);
  waiting.shift()?.();
  await clients[1]?.expect(/ok$/);
  t.equal(backend.connections, 1);
});
