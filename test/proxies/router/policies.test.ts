// What labels ask for is done: redirects, networks, passwords, limits, paths, fields, cookies, through the router over real sockets.

import t from 'tap';
import { createHash } from 'node:crypto';
import { answering, counted, get, openBackend, openScene, until } from './scene.ts';

t.test('to https, not again behind a proxy that ends TLS', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port]);
  scene.treat({ redirectToHttps: { code: 301, otherCode: 308, port: 8443 } });
  const client = await scene.client();
  client.send(get('/a?b=c', 'X-Forwarded-Proto: https').replace('a.example', 'a.example:80'));
  await client.expect(/^HTTP\/1\.1 301 [^]*Location: https:\/\/a\.example:8443\/a\?b=c\r\n[^]*\r\n\r\n/);
  client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n');
  await client.expect(/HTTP\/1\.1 308 [^]*\r\n\r\n/);
  t.equal(backend.heads.length, 0);

  const behind = await openScene(t, [backend.port], { trustedProxies: ['127.0.0.1'] });
  behind.treat({ redirectToHttps: { code: 301, otherCode: 301, port: null } });
  const trusted = await behind.client();
  trusted.send(get('/', 'X-Forwarded-Proto: https'));
  await trusted.expect(/^HTTP\/1\.1 200 /);
});

t.test('exactly the root, and by an expression', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port]);
  scene.treat({
    redirectRoot: { to: '/app', hosts: ['a.example'] },
    redirectUrl: { regex: '^http://a\\.example/old/(.*)', replacement: 'https://new.example/${1}', permanent: false },
  });
  const client = await scene.client();
  client.send(get('/?x'));
  await client.expect(/^HTTP\/1\.1 301 [^]*Location: \/app\r\n[^]*\r\n\r\n/);
  client.send(get('/old/page?x=1'));
  await client.expect(/HTTP\/1\.1 302 [^]*Location: https:\/\/new\.example\/page\?x=1\r\n[^]*\r\n\r\n/);
  client.send(get('/other'));
  await client.expect(/HTTP\/1\.1 200 /);
});

t.test('networks: the real client counts, and a forged field does not', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port]);
  scene.treat({ networks: { allowed: ['10.0.0.0/8'] } });
  const client = await scene.client();
  client.send(get('/', 'X-Forwarded-For: 10.1.1.1'));
  await client.expect(/^HTTP\/1\.1 403 [^]*\r\n\r\n[^]+\n/);
  t.equal(counted(scene.metrics, 'router_requests_total', { route: 'http:a.example/', code: '403' }), 1);

  const behind = await openScene(t, [backend.port], { trustedProxies: ['127.0.0.1'] });
  behind.treat({ networks: { allowed: ['10.0.0.0/8'] } });
  const trusted = await behind.client();
  trusted.send(get('/', 'X-Forwarded-For: 10.1.1.1'));
  await trusted.expect(/^HTTP\/1\.1 200 /);
});

const basic = (user: string, password: string): string =>
  `Authorization: Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
const hash = '$6$abcdefgh$msgktWxVAbjjh3X7lA5LaM7dS/ZfABJL6T4qcRsnjcOTj0kptUvZcrvrXIoO5fgPA9xz6UnF2To2Y7jGc/IZY/';

t.test('basic authentication', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port]);
  scene.treat({
    auth: {
      kind: 'basic',
      realm: 'a "b"',
      users: [{ name: 'eva', hash }],
      everywhere: true,
      userHeader: 'X-User',
      removeHeader: true,
    },
  });
  const client = await scene.client();
  client.send(get('/'));
  await client.expect(/^HTTP\/1\.1 401 [^]*WWW-Authenticate: Basic realm="a \\"b\\""\r\n[^]*\r\n\r\n[^]+\n/);
  for (const field of [
    basic('eva', 'falsch'),
    basic('adam', 'geheim'),
    'Authorization: Basic !',
    'Authorization: Bearer x',
  ]) {
    client.send(get('/', field));
    await client.expect(/HTTP\/1\.1 401 [^]*\r\n\r\n[^]+\n/);
  }
  t.equal(backend.heads.length, 0);
  for (const _ of [1, 2]) {
    client.send(
      `POST / HTTP/1.1\r\nHost: a.example\r\n${basic('eva', 'geheim')}\r\nX-User: root\r\nContent-Length: 2\r\n\r\nhi`,
    );
    await client.expect(/HTTP\/1\.1 200 [^]*ok/);
  }
  t.match(backend.heads[1], /\r\nX-User: eva\r\n/);
  t.notMatch(backend.heads[1], /Authorization|root/);
});

t.test('a client that leaves while its password is looked at', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port]);
  scene.treat({ auth: { kind: 'basic', realm: 'r', users: [{ name: 'eva', hash }], everywhere: true } });
  const client = await scene.client();
  client.send(get('/', basic('eva', 'geheim')));
  await until(() => counted(scene.metrics, 'router_active_connections', {}) === 1);
  client.socket.resetAndDestroy();
  const other = await scene.client();
  other.send(get('/', basic('eva', 'geheim')));
  await other.expect(/^HTTP\/1\.1 200 /);
  t.equal(backend.heads.length, 1);
});

t.test('digest authentication; a count counts once', async (t) => {
  const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
  const secret = md5('eva:r:geheim');
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port]);
  const users = [{ name: 'eva', realm: 'r', hash: secret }];
  scene.treat({ auth: { kind: 'digest', realm: 'r', users, everywhere: true } });
  const client = await scene.client();
  client.send(get('/x'));
  const [, nonce = ''] = await client.expect(/nonce="([^"]+)"[^]*\r\n\r\n[^]+\n/);
  const answer = (password: string): string => {
    const response = md5(`${md5(`eva:r:${password}`)}:${nonce}:00000001:c:auth:${md5('GET:/x')}`);
    return `Authorization: Digest username="eva", realm="r", nonce="${nonce}", uri="/x", qop=auth, nc=00000001, cnonce="c", response="${response}"`;
  };
  client.send(get('/x', answer('falsch')));
  await client.expect(/HTTP\/1\.1 401 [^]*\r\n\r\n[^]+\n/);
  // Another worker, and this one after a restart, knows it too.
  const other = await openScene(t, [backend.port]);
  other.treat({ auth: { kind: 'digest', realm: 'r', users, everywhere: true } });
  const elsewhere = await other.client();
  elsewhere.send(get('/x', answer('geheim')));
  await elsewhere.expect(/HTTP\/1\.1 200 [^]*ok/);
  client.send(get('/x', answer('geheim')));
  await client.expect(/HTTP\/1\.1 200 [^]*ok/);
  client.send(get('/x', answer('geheim')));
  await client.expect(/HTTP\/1\.1 401 [^]*stale=true/);
});

t.test('rates and requests at once', async (t) => {
  const backend = await openBackend(t, (socket, head) =>
    /\/slow/.test(head) ? undefined : answering('ok')(socket, '', ''),
  );
  const scene = await openScene(t, [backend.port]);
  scene.treat({ rateLimit: { key: { by: 'client' }, rates: [{ periodMs: 600_000, average: 1, burst: 2 }] } });
  const client = await scene.client();
  for (const status of [200, 200, 429]) {
    client.send(get('/'));
    await client.expect(new RegExp(`HTTP/1\\.1 ${status} [^]*\\r\\n\\r\\n[^]+`));
  }
  t.match(client.received, /Retry-After: 600\r\n/);

  scene.treat({ inFlight: { amount: 1, key: { by: 'host' } } });
  const slow = await scene.client();
  slow.send(get('/slow'));
  const other = await scene.client();
  let status = '200';
  while (status === '200') {
    other.send(get('/'));
    [, status = ''] = await other.expect(/HTTP\/1\.1 (\d+) [^]*\r\n\r\n[^]+/);
  }
  t.equal(status, '429');
  slow.close();
  while (status === '429') {
    other.send(get('/'));
    [, status = ''] = await other.expect(/HTTP\/1\.1 (\d+) [^]*\r\n\r\n[^]+/);
  }
  t.equal(status, '200', 'who leaves makes room');
});

t.test('paths, Location and Host', async (t) => {
  const backend = await openBackend(
    t,
    (socket) =>
      void socket.write(
        'HTTP/1.1 302 Found\r\nLocation: http://a.example:8080/login?x\r\nServer: inside\r\nContent-Length: 0\r\n\r\n',
      ),
  );
  const scene = await openScene(t, [backend.port]);
  scene.treat({
    path: [{ change: 'strip', prefixes: ['/app'], segment: true, ignoreCase: true, reports: true }],
    location: { to: '/app', hosts: ['a.example'], keepPath: true },
    host: { text: 'inside.example' },
  });
  const client = await scene.client();
  for (const [path, target] of [
    ['/App/x?y', '/x?y'],
    ['/app', '/'],
    ['/application', '/application'],
    ['/%61pp/x', '/x'],
  ] as const) {
    client.send(get(path));
    await client.expect(/HTTP\/1\.1 302 [^]*Location: \/app\/login\?x\r\n[^]*\r\n\r\n/);
    const head = backend.heads.at(-1) ?? '';
    t.match(head, `GET ${target} HTTP/1.1\r\nHost: inside.example\r\n`);
    t.equal(/X-Forwarded-Prefix: \/app/i.test(head), target !== '/application', path);
  }
});

t.test('fields of requests and answers', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port]);
  scene.treat({
    requestHeaders: [
      { change: 'set', name: 'X-Forwarded-Proto', value: 'https' },
      { change: 'delete', name: 'X-Secret', value: '' },
      { change: 'set', name: 'X-Client', value: '', variable: 'client-address' },
      { change: 'set', name: 'Content-Length', value: '5' },
      { change: 'set', name: 'X-Two', value: 'a\r\nX-Evil: 1' },
    ],
    responseHeaders: [{ change: 'delete', name: 'Date', value: '' }],
    securityHeaders: [{ change: 'set', name: 'X-Frame-Options', value: 'DENY' }],
    hsts: { maxAgeSeconds: 5, includeSubdomains: true, preload: false, always: true },
  });
  const client = await scene.client();
  client.send(get('/', 'X-Secret: 1', 'X-Client: forged'));
  const [answer] = await client.expect(/^HTTP\/1\.1 200 [^]*ok$/);
  t.notMatch(answer, 'Date: today');
  t.match(answer, 'X-Frame-Options: DENY\r\nStrict-Transport-Security: max-age=5; includeSubDomains\r\n');
  const [head = ''] = backend.heads;
  t.match(head, '\r\nX-Forwarded-Proto: https\r\nX-Client: 127.0.0.1\r\n');
  t.notMatch(head, /X-Secret|forged|Content-Length|Proto: http\r|\nX-Evil/);

  scene.serve([]);
  client.send(get('/'));
  await client.expect(
    /HTTP\/1\.1 503 [^]*Retry-After: \d+\r\n[^]*Proxy-Status: isthmus; error=destination_unavailable\r\n[^]*X-Frame-Options: DENY/,
  );
});

t.test('trace context: whole or not at all', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const client = await (await openScene(t, [backend.port])).client();
  const good = `traceparent: 00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  for (const field of [good, good.replace('aa', 'Aa'), `traceparent: 00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`]) {
    client.send(get('/', field, 'tracestate: x=1'));
    await client.expect(/HTTP\/1\.1 200 [^]*ok/);
  }
  t.match(backend.heads[0], `${good}\r\ntracestate: x=1\r\n`);
  t.notMatch(backend.heads.slice(1).join(), /trace/);
});

t.test('the path as it came', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  const ask = async (target: string): Promise<string> => {
    client.send(get(target));
    await client.expect(/ 200 [^]*ok/);
    return backend.heads.at(-1)?.split(' ')[1] ?? '';
  };
  t.equal(await ask('/a/../b/%2e/c?d=/../'), '/b/c?d=/../');
  scene.treat({ rawPath: true });
  t.equal(await ask('/a/../b/%2e/c?d=/../'), '/a/../b/%2e/c?d=/../');
  t.equal(await ask('http://a.example/x/../y?z'), '/x/../y?z');
  scene.treat({ rawPath: true, path: [{ change: 'add', prefix: '/p' }] });
  t.equal(await ask('/a/../b'), '/p/b', 'what is changed is changed in the resolved path');
});

t.test('networks before the redirect, where that is asked for', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  const redirectToHttps = { code: 301, otherCode: 308, port: null };
  for (const [first, status] of [
    [true, 403],
    [false, 301],
  ] as const) {
    scene.treat({ redirectToHttps, networks: { allowed: ['10.0.0.0/8'], first } });
    client.send(get('/'));
    await client.expect(new RegExp(`HTTP/1\\.1 ${status} [^]*\\r\\n\\r\\n`));
  }
});

t.test('bodies have a limit', async (t) => {
  const backend = await openBackend(t, (socket, head) => {
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n';
    if (/\/chunked/.test(head)) socket.write(`${chunked}6\r\n world\r\n0\r\n\r\n`);
    else answering(/\/long/.test(head) ? 'hello world' : 'hello')(socket, head, '');
  });
  const scene = await openScene(t, [backend.port]);
  const memory = { requestMemoryBytes: 0, responseMemoryBytes: 0 };
  scene.treat({ buffering: { requestBytes: 5, responseBytes: 0, ...memory } });
  const post = (fields: string, body: string): string => get('/', fields).replace('GET', 'POST').replace(/$/, body);
  const ask = async (text: string, expected: RegExp): Promise<void> => {
    const client = await scene.client();
    client.send(text);
    await client.expect(expected);
  };
  await ask(post('Content-Length: 5', 'hello'), / 200 [^]*hello/);
  await ask(post('Content-Length: 6', 'hello!'), / 413 /);
  t.equal(backend.heads.length, 1, 'a backend does not hear of it');
  await ask(post('Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'), / 200 [^]*hello/);
  await ask(post('Transfer-Encoding: chunked', '6\r\nhello!\r\n'), / 413 /);
  await ask(get('/long'), / 200 [^]*hello world/);

  scene.treat({ buffering: { requestBytes: 0, responseBytes: 5, ...memory } });
  await ask(get('/'), / 200 [^]*hello/);
  await ask(get('/long'), / 500 /);
  await ask(post('Content-Length: 6', 'hello!'), / 200 [^]*hello/);
  const client = await scene.client();
  client.send(get('/chunked'));
  t.notMatch((await client.end()).text, /0\r\n\r\n$/, 'an answer that is not whole does not end as one');
});
