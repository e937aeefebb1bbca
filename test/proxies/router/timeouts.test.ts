// Waits that end: slow heads, slow bodies, silent backends, idle connections. The test owns the clock.

import t from 'tap';
import { manualClock } from '../../runtime/manual-clock.ts';
import { answering, get, openBackend, openScene, until } from './scene.ts';

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
