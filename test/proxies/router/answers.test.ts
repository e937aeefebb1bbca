// Answers on their way: compressed where asked, retried where labels say so, limited in time, with pages that somebody made.

import t from 'tap';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import forge from 'node-forge';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { request as httpRequest } from 'node:http';
import { backendKey } from '../../../src/cluster/index.ts';
import { acceptedCoding } from '../../../proxies/router/answer-coding.ts';
import { answering, counted, get, openBackend, openScene, type Behaviour } from './scene.ts';

const text = 'all work and no play '.repeat(20_000);
const texts: Behaviour = (socket, head) => {
  const chunked = head.includes('/chunked');
  socket.write(
    `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: "x"\r\n${chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${text.length}`}\r\n\r\n`,
  );
  socket.write(chunked ? `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n` : text);
};

function fetched(
  port: number,
  path: string,
  accept: string,
): Promise<{ readonly body: Buffer; readonly headers: NodeJS.Dict<string | string[]> }> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path, headers: { host: 'a.example', 'accept-encoding': accept } };
    httpRequest(options, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () => resolve({ body: Buffer.concat(parts), headers: answer.headers }));
    })
      .on('error', reject)
      .end();
  });
}

t.test('gzip and brotli where the route and the client want it', async (t) => {
  const backend = await openBackend(t, texts);
  const scene = await openScene(t, [backend.port]);
  t.equal((await fetched(scene.port, '/', 'gzip')).headers['content-encoding'], undefined);
  scene.treat({ compress: true });
  for (const path of ['/', '/chunked']) {
    const gzip = await fetched(scene.port, path, 'gzip, br;q=0.5');
    t.equal(gunzipSync(gzip.body).toString(), text);
    t.match(gzip.headers, { 'content-encoding': 'gzip', vary: 'Accept-Encoding', etag: 'W/"x"' });
    t.equal(gzip.headers['content-length'], undefined);
    t.equal(brotliDecompressSync((await fetched(scene.port, path, 'gzip, br')).body).toString(), text);
    t.equal((await fetched(scene.port, path, 'identity')).body.toString(), text);
  }
});

t.test('who takes what', (t) => {
  for (const [field, coding] of [
    ['gzip;q=0', null],
    ['*', 'br'],
    ['*;q=0', null],
    ['br;q=0, *', 'gzip'],
    ['', null],
    ['GZIP', 'gzip'],
  ] as const)
    t.equal(acceptedCoding(field), coding, field);
  t.end();
});

t.test('a client that does not read a compressed answer stops the backend', async (t) => {
  let sent = 0;
  const backend = await openBackend(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${1024 ** 3}\r\n\r\n`);
    const more = (): void => {
      // Noise, or it would all fit into what is under way.
      while (!socket.destroyed && socket.write(randomBytes(65_536))) sent += 65_536;
    };
    socket.on('drain', more);
    more();
  });
  const scene = await openScene(t, [backend.port]);
  scene.treat({ compress: true });
  const client = await scene.client();
  client.send(get('/', 'Accept-Encoding: br'));
  await client.expect(/\r\n\r\n/);
  client.socket.pause();
  let before = -1;
  for (let still = 0; still < 20;) {
    still = sent === before ? still + 1 : 0;
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  t.ok(sent < 64 * 1024 * 1024, `${sent} bytes`);
  client.socket.destroy();
});

t.test('another backend for statuses that labels name', async (t) => {
  const bad = await openBackend(t, (socket) => void socket.write('HTTP/1.1 502 No\r\nContent-Length: 2\r\n\r\nno'));
  const good = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [bad.port, good.port]);
  scene.call({ retries: { attempts: 1, on: [502] } });
  const client = await scene.client();
  for (let i = 0; i < 4; i++) {
    client.send(get('/'));
    await client.expect(/HTTP\/1\.1 200 [^]*ok/);
  }
  t.ok(bad.heads.length > 0);
  scene.serve([bad.port]);
  client.send(get('/'));
  await client.expect(/HTTP\/1\.1 502 [^]*no/);
  scene.serve([bad.port, good.port]);
  client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi');
  client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi');
  await client.expect(/HTTP\/1\.1 502 /);
});

t.test('time for one try, and for all', async (t) => {
  const silent = await openBackend(t, () => undefined);
  const good = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [silent.port, good.port]);
  scene.call({ timeouts: { perTryMs: 50 }, retries: { attempts: 2, on: ['timeout'] } });
  const client = await scene.client();
  for (let i = 0; i < 3; i++) {
    client.send(get('/'));
    await client.expect(/HTTP\/1\.1 200 [^]*ok/);
  }
  scene.call({ timeouts: { perTryMs: 50 } });
  scene.serve([silent.port]);
  client.send(get('/'));
  await client.expect(/HTTP\/1\.1 504 [^]*Proxy-Status: isthmus; error=http_response_timeout\r\n[^]*\r\n\r\n[^]+\n/);
  scene.call({ timeouts: { totalMs: 50 } });
  client.send(get('/'));
  await client.expect(/HTTP\/1\.1 504 /);
  t.equal(counted(scene.metrics, 'router_backend_active', { backend: `127.0.0.1:${silent.port}` }), 0);
});

t.test('pages of the configuration and of labels', async (t) => {
  const directory = t.testdir({});
  mkdirSync(join(directory, 'a.example'));
  writeFileSync(join(directory, '404.html'), '<h1>nobody</h1>');
  writeFileSync(join(directory, 'a.example', '503.html'), '<h1>a is away</h1>');
  writeFileSync(join(directory, '500.http'), 'HTTP/1.0 403 No\r\nContent-Type: text/x\r\n\r\nkeep out');
  const scene = await openScene(t, [], { errorPages: directory, noRoute: 404 });
  const client = await scene.client();
  client.send(get('/').replace('a.example', 'other.example'));
  await client.expect(/HTTP\/1\.1 404 [^]*text\/html[^]*<h1>nobody<\/h1>/);
  client.send(get('/'));
  await client.expect(/HTTP\/1\.1 503 [^]*Retry-After[^]*<h1>a is away<\/h1>/);
  client.send(get('/', 'Accept: application/json'));
  await client.expect(/HTTP\/1\.1 503 [^]*\{"status":503/);
  scene.treat({ networks: { allowed: [] }, errorFiles: { 403: join(directory, '500.http') } });
  client.send(get('/'));
  await client.expect(/HTTP\/1\.1 403 [^]*Content-Type: text\/x\r\n[^]*keep out/);
});

t.test('pages that another service makes, the status kept', async (t) => {
  const failing = await openBackend(t, (socket) => void socket.write('HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno'));
  const pages = await openBackend(t, (socket, head) => {
    const path = head.split(' ')[1] ?? '';
    socket.end(`HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
  });
  const scene = await openScene(t, [failing.port]);
  const backend = { key: backendKey('127.0.0.1', pages.port), ip: '127.0.0.1', port: pages.port } as const;
  const up = { ...backend, task: null, weight: 1, state: 'up', zone: null } as const;
  await scene.apply([['set:pages', { kind: 'set', id: 'pages', backends: [up], lastResort: false }]]);
  scene.treat({ errorPages: [{ statuses: [[500, 599]], set: 'pages', query: '/e/{status}.html' }] });
  const client = await scene.client();
  client.send(get('/'));
  await client.expect(/HTTP\/1\.1 500 [^]*Content-Type: text\/x\r\n[^]*\/e\/500\.html$/);
  scene.serve([]);
  client.send(get('/'));
  await client.expect(/HTTP\/1\.1 503 [^]*\/e\/503\.html$/);
  await scene.apply([], ['set:pages']);
  client.send(get('/'));
  await client.expect(/HTTP\/1\.1 503 [^]*cannot be reached/);
});

t.test('pages of a service that speaks HTTP/2 alone', async (t) => {
  const failing = await openBackend(t, (socket) => void socket.write('HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno'));
  const server = createHttp2Server((request, answer) => {
    answer.setHeader('content-type', 'text/x');
    answer.end(`${request.httpVersion} ${request.authority} ${request.url}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const scene = await openScene(t, [failing.port]);
  const backend = { key: backendKey('127.0.0.1', port), ip: '127.0.0.1', port } as const;
  const up = { ...backend, task: null, weight: 1, state: 'up', zone: null } as const;
  await scene.apply([
    ['set:pages', { kind: 'set', id: 'pages', backends: [up], lastResort: false }],
    ['service:pages', { kind: 'service', id: 'pages', name: 'pages', appIds: [], mode: 'http', protocol: 'h2c' }],
  ]);
  scene.treat({ errorPages: [{ statuses: [[500, 599]], set: 'pages', query: 'e {status}\r\nX: y' }] });
  const client = await scene.client();
  for (let i = 0; i < 2; i++) {
    client.send(get('/'));
    await client.expect(/HTTP\/1\.1 500 [^]*Content-Type: text\/x\r\n[^]*2\.0 a\.example \/e%20500%0D%0AX:%20y$/);
  }
});

t.test('a page is asked for anew where its service closes a kept connection', async (t) => {
  const failing = await openBackend(t, (socket) => void socket.write('HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno'));
  const pages = await openBackend(t, (socket) => {
    // Said to be kept, and closed with the next request, as a backend does whose patience has just ended.
    if (pages.connections > 1 || pages.heads.length === 1)
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage');
    else socket.destroy();
  });
  const scene = await openScene(t, [failing.port]);
  const backend = { key: backendKey('127.0.0.1', pages.port), ip: '127.0.0.1', port: pages.port } as const;
  const up = { ...backend, task: null, weight: 1, state: 'up', zone: null } as const;
  await scene.apply([['set:pages', { kind: 'set', id: 'pages', backends: [up], lastResort: false }]]);
  scene.treat({ errorPages: [{ statuses: [[500, 599]], set: 'pages', query: '/' }] });
  const client = await scene.client();
  for (let i = 0; i < 2; i++) {
    client.send(get('/'));
    await client.expect(/HTTP\/1\.1 500 [^]*page$/);
  }
  t.equal(pages.heads.length, 3);
});

t.test('backends over TLS: verified unless labels say otherwise', async (t) => {
  const keys = forge.pki.rsa.generateKeyPair(2048);
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = keys.publicKey;
  certificate.serialNumber = '01';
  certificate.validity.notBefore = new Date(Date.now() - 86_400_000);
  certificate.validity.notAfter = new Date(Date.now() + 86_400_000);
  const name = [{ name: 'commonName', value: 'a.example' }];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true },
    { name: 'subjectAltName', altNames: [{ type: 2, value: 'a.example' }] },
  ]);
  certificate.sign(keys.privateKey, forge.md.sha256.create());
  const cert = forge.pki.certificateToPem(certificate);
  const server = createTlsServer(
    { cert, key: forge.pki.privateKeyToPem(keys.privateKey) },
    (_, answer) => void answer.end('ok'),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void (server.closeAllConnections(), server.close()));
  const { port } = server.address() as AddressInfo;
  const ca = join(t.testdir({ 'ca.pem': cert }), 'ca.pem');
  const scene = await openScene(t, [port]);
  const client = await scene.client();
  for (const [upstreamTls, status] of [
    [undefined, 503],
    [{ insecure: false, ca }, 200],
    [{ insecure: false, ca, serverName: 'b.example' }, 503],
    [{ insecure: false, ca: `${ca}.none` }, 503],
    [{ insecure: true }, 200],
  ] as const) {
    scene.call({ protocol: 'https', ...(upstreamTls === undefined ? {} : { upstreamTls }) });
    client.send(get('/'));
    await client.expect(new RegExp(`HTTP/1\\.1 ${status} [^]*\\r\\n\\r\\n[^]+`));
  }
});
