// What a backend sees of a request and a client of its answer: heads, bodies, framing, order.

import t from 'tap';
import { answering, get, openBackend, openScene, until } from './scene.ts';

/** Fields of a head as a backend or client sees it, names in lower case. */
const fieldsOf = (head: string): Record<string, string> =>
  Object.fromEntries(
    head
      .split('\r\n')
      .slice(1)
      .filter((line) => line !== '')
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );

t.test('the request is rebuilt', async (t) => {
  const backend = await openBackend(t, answering('hi'));
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  client.send(
    get(
      '/a/../b?c=%zz',
      'X-Kept: 1',
      'X-Custom: 2',
      'Connection: keep-alive, X-Custom, Host, Authorization',
      'Keep-Alive: 5',
      'Proxy-Authorization: x',
      'TE: gzip',
      'Upgrade: h2c',
      'HTTP2-Settings: x',
      'Proxy: x',
      'X_Forwarded_For: 6.6.6.6',
      'X-Forwarded-For: 6.6.6.6',
      'X-Forwarded-Proto: https',
      'Forwarded: for=6.6.6.6',
      'X-Real-Ip: 6.6.6.6',
      'X-Original-Url: /admin',
      'X-Envoy-Internal: true',
      'Client-Cert: x',
      'X-Marathon-App-Id: /secret',
      'X-Request-Id: forged',
      'Authorization: Bearer b',
      'x-kept: 3',
    ),
  );
  await client.expect(/hi$/);
  const head = backend.heads[0] ?? '';
  t.match(
    head,
    /^GET \/b\?c=%zz HTTP\/1\.1\r\nHost: a\.example\r\nX-Kept: 1\r\nAuthorization: Bearer b\r\nx-kept: 3\r\n/,
  );
  const { 'x-request-id': id, ...fields } = fieldsOf(head);
  t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.strictSame(fields, {
    host: 'a.example',
    'x-kept': '3',
    authorization: 'Bearer b',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-port': String(scene.port),
    'x-forwarded-host': 'a.example',
    'x-real-ip': '127.0.0.1',
  });
});

t.test('a trusted peer is believed', async (t) => {
  const backend = await openBackend(t, answering('hi'));
  const scene = await openScene(t, [backend.port], { trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] });
  const client = await scene.client();
  const said = [
    'X-Forwarded-For: 6.6.6.6, 192.0.2.1',
    'X-Forwarded-For: 10.1.1.1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Port: nine',
  ];
  client.send(
    get(
      '/',
      ...said,
      'X-Forwarded-Host: pub.example',
      'X-Forwarded-Prefix: /p',
      'Forwarded: for=x',
      'X-Request-Id: abc',
    ),
  );
  await client.expect(/hi$/);
  t.match(client.received, /\r\nX-Request-Id: abc\r\n/);
  const fields = fieldsOf(backend.heads[0] ?? '');
  t.match(fields, {
    'x-forwarded-for': '6.6.6.6, 192.0.2.1, 10.1.1.1, 127.0.0.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-port': String(scene.port),
    'x-forwarded-host': 'pub.example',
    'x-forwarded-prefix': '/p',
    'x-real-ip': '192.0.2.1',
    'x-request-id': 'abc',
  });
  t.notOk('forwarded' in fields);
});

t.test('absolute-form: the target names the host', async (t) => {
  const backend = await openBackend(t, answering('hi'));
  const client = await (await openScene(t, [backend.port])).client();
  client.send('GET http://A.example:80/x?y HTTP/1.1\r\nHost: b.example\r\n\r\n');
  await client.expect(/hi$/);
  t.match(backend.heads[0], /^GET \/x\?y HTTP\/1\.1\r\nHost: A\.example:80\r\n/);
});

t.test('the answer is rebuilt', async (t) => {
  const fields =
    'Content-Length: 2\r\nSet-Cookie: a\r\nKeep-Alive: timeout=9\r\nConnection: X-Hop\r\nX-Hop: 1\r\nSet-Cookie: b\r\nDate: now\r\n';
  const backend = await openBackend(t, (socket) => void socket.write(`HTTP/1.1 201 Made it\r\n${fields}\r\nhi`));
  const client = await (await openScene(t, [backend.port])).client();
  client.send(get('/'));
  await client.expect(/hi$/);
  t.match(
    client.received,
    /^HTTP\/1\.1 201 Made it\r\nContent-Length: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nDate: now\r\nX-Request-Id: [-0-9a-f]{36}\r\n\r\nhi$/,
  );
});

t.test('answers without a body keep the connection', async (t) => {
  const backend = await openBackend(t, (socket, head) => {
    const [, status = '200'] = /\/(\d+)/.exec(head) ?? [];
    const length = status === '204' ? '' : 'Content-Length: 50\r\n';
    socket.write(`HTTP/1.1 ${status} Said\r\n${length}\r\n`);
  });
  const client = await (await openScene(t, [backend.port])).client();
  client.send(get('/304'));
  await client.expect(/^HTTP\/1\.1 304 Said\r\nContent-Length: 50\r\n.*\r\n\r\n$/s);
  client.send(get('/204'));
  await client.expect(/^HTTP\/1\.1 204 Said\r\n(?!Content).*\r\n\r\n$/s);
  client.send(get('/200').replace('GET', 'HEAD'));
  await client.expect(/^HTTP\/1\.1 200 Said\r\nContent-Length: 50\r\n.*\r\n\r\n$/s);
  t.equal(backend.connections, 1, 'one connection to the backend for all of them');
});

t.test('chunked answers: in pieces, with extensions and trailers', async (t) => {
  const wire =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: x\r\n\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\nAuthorization: no\r\n\r\n';
  const backend = await openBackend(t, (socket) => void trickle(socket, wire, 7));
  const client = await (await openScene(t, [backend.port])).client();
  client.send(get('/'));
  await client.expect(/\r\n0\r\n[^]*\r\n\r\n$/);
  const [head, body] = split(client.received);
  t.match(head, /\r\nTransfer-Encoding: chunked$/);
  t.equal(body, '5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n');
});

t.test('an answer that ends with the connection is chunked for the client', async (t) => {
  const backend = await openBackend(t, (socket) => void socket.end('HTTP/1.1 200 OK\r\nDate: x\r\n\r\nhello'));
  const client = await (await openScene(t, [backend.port])).client();
  client.send(get('/'));
  await client.expect(/0\r\n\r\n$/);
  t.equal(split(client.received)[1], '5\r\nhello\r\n0\r\n\r\n');
});

t.test('HTTP/1.0: no chunks, and the connection ends the body', async (t) => {
  const wire = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n';
  const backend = await openBackend(t, (socket) => void socket.write(wire));
  const client = await (await openScene(t, [backend.port])).client();
  client.send('GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n');
  const [head, body] = split((await client.end()).text);
  t.match(head, /^HTTP\/1\.1 200 OK\r\nDate: x\r\n.*\r\nConnection: close$/s);
  t.equal(body, 'hello');
  t.match(backend.heads[0], /^GET \/ HTTP\/1\.1\r\n/);
});

t.test('1xx: early hints go on, a 100 and a 102 end here, HTTP/1.0 gets none', async (t) => {
  const backend = await openBackend(t, (socket) => {
    socket.write(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n',
    );
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi');
  });
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  client.send(get('/'));
  await client.expect(/hi$/);
  t.match(client.received, /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/x>\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  const old = await scene.client();
  old.send('GET / HTTP/1.0\r\nHost: a.example\r\n\r\n');
  t.match((await old.end()).text, /^HTTP\/1\.1 200 OK\r\n/);
});

t.test('request bodies: with a length, chunked with trailers, cut at every byte', async (t) => {
  const bodies: string[] = [];
  const backend = await openBackend(t, (socket, head, first) => {
    let body = first;
    const look = (): void => {
      if (head.includes('chunked') ? !body.endsWith('\r\n\r\n') : body.length < 5) return;
      bodies.push(body);
      answering('ok')(socket, '', '');
      socket.off('data', more);
    };
    const more = (bytes: Buffer): void => {
      body += bytes.toString('latin1');
      look();
    };
    socket.on('data', more);
    look();
  });
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  const length = 'POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello';
  const chunked =
    'PUT / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n';
  for (const text of [length, chunked]) {
    const from = text.indexOf('\r\n\r\n');
    for (let at = from; at < text.length; at++) {
      client.send(text.slice(0, at));
      await until(() => client.socket.writableLength === 0);
      await new Promise((resolve) => setImmediate(resolve));
      client.send(text.slice(at));
      await client.expect(/ok$/);
    }
  }
  const plain = new Set(bodies.filter((body) => !body.includes('\r\n')));
  t.strictSame([...plain], ['hello']);
  const inChunks = bodies.filter((body) => body.includes('\r\n'));
  t.equal(inChunks.length, chunked.length - chunked.indexOf('\r\n\r\n'));
  for (const body of inChunks) {
    t.match(body, /0\r\nX-Sum: 5\r\n\r\n$/);
    t.equal(body.replace(/[0-9a-f]+\r\n|X-Sum.*\r\n|\r\n/g, ''), 'hello');
  }
});

t.test('broken framing of a body reaches no backend when it comes with the head', async (t) => {
  const backend = await openBackend(t, answering('hi'));
  const client = await (await openScene(t, [backend.port])).client();
  client.send('POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nX\r\n0\r\n\r\n');
  t.match((await client.end()).text, /^HTTP\/1\.1 400 Bad Request\r\n.*Connection: close\r\n/s);
  t.equal(backend.connections, 0);
});

t.test('pipelined requests are answered in their order, one at a time', async (t) => {
  const waiting: (() => void)[] = [];
  const backend = await openBackend(t, (socket, head) => {
    const [, path = ''] = /^GET (\S+)/.exec(head) ?? [];
    waiting.push(() => answering(path)(socket, '', ''));
  });
  const client = await (await openScene(t, [backend.port])).client();
  client.send(get('/1') + get('/2') + get('/3').slice(0, 9));
  await until(() => waiting.length === 1);
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(backend.heads.length, 1, 'the second waits for the first');
  waiting.shift()?.();
  await client.expect(/\/1$/);
  await until(() => waiting.length === 1);
  client.send(get('/3').slice(9));
  waiting.shift()?.();
  await client.expect(/\/2$/);
  await until(() => waiting.length === 1);
  waiting.shift()?.();
  await client.expect(/\/3$/);
});

t.test('Expect: 100-continue is answered once a backend is there', async (t) => {
  const backend = await openBackend(t, (socket) => void socket.once('data', () => answering('ok')(socket, '', '')));
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
  await client.expect(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
  t.notMatch(backend.heads[0] ?? '', /expect/i);
  client.send('hello');
  await client.expect(/ok$/);
  scene.serve([]);
  client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
  await client.expect(/^HTTP\/1\.1 503 Service Unavailable\r\n[^]*Connection: close/);
});

t.test('answered here: OPTIONS *, CONNECT, TRACE, no route', async (t) => {
  const scene = await openScene(t, [], { noRoute: 404 });
  const client = await scene.client();
  client.send('OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n');
  t.ok(await client.expect(/^HTTP\/1\.1 200 OK\r\n[^]*Allow: GET, [^]*\r\n\r\n$/));
  for (const line of ['CONNECT a.example:443', 'TRACE /']) {
    const refused = await scene.client();
    // What follows a CONNECT is no HTTP, even if it looks so.
    refused.send(`${line} HTTP/1.1\r\nHost: a.example\r\n\r\n${get('/')}`);
    const { text, reset } = await refused.end();
    t.match(
      text,
      /^HTTP\/1\.1 405 Method Not Allowed\r\n[^]*Allow: GET, [^]*Connection: close\r\n\r\n405 [^]*\n$/,
      line,
    );
    t.notMatch(text, /HTTP[^]*HTTP/);
    t.equal(reset, false);
  }
  client.send(get('/').replace('a.example', 'b.example'));
  t.ok(
    await client.expect(/HTTP\/1\.1 404 Not Found\r\n[^]*text\/plain[^]*Nothing is published[^]*request id: \S+\n$/),
  );
  client.send(get('/', 'Accept: application/json, text/html').replace('a.example', 'b.example'));
  t.ok(await client.expect(/application\/json[^]*"status":404,[^]*"requestId":"[^"]+"\}\n$/));
  client.send(get('/', 'Accept: text/html').replace('a.example', 'b.example'));
  t.ok(await client.expect(/text\/html[^]*<h1>404 Not Found<\/h1>[^]*<\/html>\n$/));
  client.send(get('/'));
  t.ok(await client.expect(/^HTTP\/1\.1 503 Service Unavailable\r\n[^]*Retry-After: 5\r\n/));
});

const split = (text: string): readonly [string, string] => [
  text.slice(0, text.indexOf('\r\n\r\n')),
  text.slice(text.indexOf('\r\n\r\n') + 4),
];

/** Writes `text` in pieces of `size`, a turn of the loop apart. */
async function trickle(socket: NodeJS.WritableStream, text: string, size: number): Promise<void> {
  for (let at = 0; at < text.length; at += size) {
    socket.write(text.slice(at, at + size));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

t.test('Max-Forwards of OPTIONS', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  const ask = (method: string, left: string): void =>
    client.send(get('/', `Max-Forwards: ${left}`).replace('GET', method));
  ask('OPTIONS', '0');
  await client.expect(/ 200 OK\r\n[^]*Allow: GET/);
  t.equal(backend.heads.length, 0, 'we answer');
  ask('OPTIONS', '7');
  await client.expect(/ 200 [^]*ok/);
  t.match(backend.heads[0], /\r\nMax-Forwards: 6\r\n/);
  t.notMatch(backend.heads[0], /Max-Forwards: 7/);
  ask('GET', '0');
  await client.expect(/ 200 [^]*ok/);
  t.match(backend.heads[1], /\r\nMax-Forwards: 0\r\n/, 'it is about no other method');
});
