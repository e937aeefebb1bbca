// Backends that refuse, die, lie or fall silent, and clients that leave: who is asked next, what the client gets, what is undone.

import t from 'tap';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { manualClock } from '../../runtime/manual-clock.ts';
import { answering, counted, get, openBackend, openScene, until, type Behaviour } from './scene.ts';

const dies: Behaviour = (socket) => void socket.resetAndDestroy();

/** A port where nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

t.test('refused connections: another backend, for every method', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [await deadPort(), await deadPort(), backend.port]);
  const client = await scene.client();
  for (let i = 0; i < 6; i++) {
    client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi');
    await client.expect(/^HTTP\/1\.1 200 OK\r\n[^]*ok$/);
  }
  t.equal(backend.heads.length, 6);
  t.ok(counted(scene.metrics, 'router_upstream_failures_total', { reason: 'connect' }) > 0);
});

t.test('many at once that a gone backend refuses all get to the other one', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [await deadPort(), backend.port]);
  const clients = await Promise.all(Array.from({ length: 60 }, () => scene.client()));
  for (const client of clients) client.send(get('/'));
  await Promise.all(clients.map((client) => client.expect(/^HTTP\/1\.1 200 OK\r\n[^]*ok$/)));
  t.equal(backend.heads.length, 60, 'no budget holds them back: nothing had been sent');
});

t.test('three are asked at most, each once', async (t) => {
  const ports = await Promise.all([deadPort(), deadPort(), deadPort(), deadPort()]);
  const scene = await openScene(t, ports);
  const client = await scene.client();
  client.send(get('/'));
  await client.expect(/^HTTP\/1\.1 503 Service Unavailable\r\n[^]*Retry-After[^]*\n$/);
  t.equal(counted(scene.metrics, 'router_upstream_failures_total', { reason: 'connect' }), 3);
});

t.test('dead before any answer: another backend, if the request may be repeated', async (t) => {
  const bad = await openBackend(t, dies);
  const good = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [bad.port, good.port]);
  const client = await scene.client();
  for (let i = 0; i < 4; i++) {
    client.send(get('/'));
    await client.expect(/ 200 OK\r\n[^]*ok$/);
    client.send('PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi');
    await client.expect(/ 200 OK\r\n[^]*ok$/);
  }
  t.ok(bad.heads.length > 0);
  scene.serve([bad.port]);
  client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi');
  const before = bad.heads.length;
  await client.expect(/HTTP\/1\.1 502 Bad Gateway\r\n[^]*\n$/);
  t.equal(bad.heads.length, before + 1, 'a POST is sent once');
  client.send(get('/'));
  await client.expect(/HTTP\/1\.1 502 Bad Gateway\r\n[^]*\n$/);
});

t.test('a kept connection that the backend closed under the request: the same backend again, freshly', async (t) => {
  let closing = false;
  const backend = await openBackend(t, (socket) => {
    if (closing) socket.resetAndDestroy();
    else answering('ok')(socket, '', '');
    closing = !closing;
  });
  const client = await (await openScene(t, [backend.port])).client();
  // The second request meets the first's connection, which dies; its repetition is answered on a new one.
  for (const _ of [1, 2]) {
    client.send(get('/'));
    await client.expect(/ 200 OK\r\n[^]*ok$/);
  }
  t.equal(backend.heads.length, 3);
  t.equal(backend.connections, 2);
});

t.test('what may not be sent twice takes no connection that lay idle for long', async (t) => {
  const clock = manualClock();
  const backend = await openBackend(t, answering('ok'));
  const client = await (await openScene(t, [backend.port], { clock })).client();
  const post = 'POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi';
  for (const [request, connections, waitMs] of [
    [post, 1, 500],
    [post, 1, 2_000],
    [get('/'), 1, 2_000],
    [post, 2, 0],
  ] as const) {
    client.send(request);
    await client.expect(/ 200 OK\r\n[^]*ok$/);
    t.equal(backend.connections, connections);
    clock.advance(waitMs);
  }
});

t.test('a body that is no longer here cannot be repeated', async (t) => {
  let heads = 0;
  const backend = await openBackend(t, (socket) => {
    heads++;
    socket.on('data', (bytes) => bytes.includes('END') && socket.resetAndDestroy());
  });
  const client = await (await openScene(t, [backend.port])).client();
  client.send(`PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100003\r\n\r\n${'x'.repeat(100_000)}`);
  await until(() => heads === 1);
  client.send('END');
  await client.expect(/^HTTP\/1\.1 502 /);
  t.equal(heads, 1);
});

const broken: Readonly<Record<string, string>> = {
  'no HTTP': '220 mail.example ESMTP\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi',
  'length and chunks': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'folded field': 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n',
  '101 unasked': 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
};

t.test('answers that are none are 502', async (t) => {
  for (const [what, text] of Object.entries(broken)) {
    const backend = await openBackend(t, (socket) => void socket.write(text));
    const client = await (await openScene(t, [backend.port])).client();
    client.send(get('/'));
    await t.resolves(client.expect(/^HTTP\/1\.1 502 Bad Gateway\r\n/), what);
    await until(() => backend.sockets.size === 0);
  }
});

t.test('dead in the middle of an answer: the client is cut off, never ended cleanly', async (t) => {
  const starts = {
    length: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello',
    chunked: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    'bad chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n',
  };
  for (const [what, text] of Object.entries(starts)) {
    for (const version of ['1.1', '1.0']) {
      const backend = await openBackend(t, (socket) => void socket.write(text));
      const scene = await openScene(t, [backend.port]);
      const client = await scene.client();
      client.send(get('/').replace('1.1', version));
      if (what !== 'bad chunk') await client.expect(/hello/);
      for (const socket of backend.sockets) socket.end();
      const { text: received, reset } = await client.end();
      t.notMatch(received, /0\r\n\r\n$/, what);
      t.ok(reset, `${what} for HTTP/${version}`);
    }
  }
});

t.test('more than the answer said is never the answer to somebody else', async (t) => {
  const backend = await openBackend(
    t,
    (socket) =>
      void socket.write(
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad',
      ),
  );
  const client = await (await openScene(t, [backend.port])).client();
  for (const _ of [1, 2]) {
    client.send(get('/'));
    await client.expect(/^HTTP\/1\.1 200 OK\r\n[^]*ok$/);
  }
  t.notMatch(client.received, /bad/);
  t.equal(backend.connections, 2);
});

t.test('bytes on an idle connection end it', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const client = await (await openScene(t, [backend.port])).client();
  client.send(get('/'));
  await client.expect(/ok$/);
  for (const socket of backend.sockets) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad');
  await until(() => backend.sockets.size === 0);
  client.send(get('/'));
  await client.expect(/^HTTP\/1\.1 200 OK\r\n[^]*ok$/);
  t.equal(backend.connections, 2);
});

t.test('a client that leaves: its request ends at the backend at once', async (t) => {
  for (const reset of [true, false]) {
    const backend = await openBackend(
      t,
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'),
    );
    const scene = await openScene(t, [backend.port]);
    const client = await scene.client();
    client.send(get('/'));
    await client.expect(/hello$/);
    if (reset) client.socket.resetAndDestroy();
    else client.close();
    await until(() => backend.sockets.size === 0);
    t.equal(counted(scene.metrics, 'router_requests_total', { code: '499' }), 1);
  }
});

t.test('an answer that overtakes its request closes both connections', async (t) => {
  const backend = await openBackend(
    t,
    (socket) => void socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno'),
  );
  const client = await (await openScene(t, [backend.port])).client();
  client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000\r\n\r\nhello');
  await client.expect(/^HTTP\/1\.1 413 Too Large\r\n[^]*Connection: close\r\n\r\nno$/);
  client.send('more');
  client.socket.end();
  t.equal((await client.end()).reset, false);
  await until(() => backend.sockets.size === 0);
});
