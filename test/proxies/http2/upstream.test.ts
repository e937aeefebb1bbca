// Backends that speak HTTP/2, as clients of both versions see them through the router.

import { once } from 'node:events';
import type { ClientHttp2Stream, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { request, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { testAuthority } from '../../certs/authority.ts';
import { openBackend, openScene, until, get, answering, type Scene } from '../router/scene.ts';
import { echoing, openHttp2Backend, openHttp2Scene } from './http2-backend.ts';
import { answerOf, openClient } from './node-client.ts';

t.setTimeout(60_000);

interface Answer {
  readonly message: IncomingMessage;
  readonly informational: readonly number[];
  readonly body: string;
}

/** By HTTP/1. */
function ask({ port }: Scene, method: string, path: string, body: string | null, more = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'a.example', ...more };
    const informational: number[] = [];
    const call = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (message) => {
      const parts: Buffer[] = [];
      message.on('data', (part: Buffer) => parts.push(part));
      message.on('end', () => resolve({ message, informational, body: Buffer.concat(parts).toString() }));
      message.on('error', reject);
    });
    call.on('information', ({ statusCode }) => informational.push(statusCode));
    call.on('error', reject);
    call.end(body ?? undefined);
  });
}

const post = { ':method': 'POST', ':authority': 'a.example' };

t.test('a client of HTTP/1', async (t) => {
  const backend = await openHttp2Backend(t, (stream, headers) => {
    stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
    stream.respond({ ':status': 200, 'x-mixed': 'Case', 'set-cookie': ['a=1', 'b=2'] }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }));
    if (headers[':method'] === 'HEAD') stream.end();
    else stream.pipe(stream);
  });
  const scene = await openHttp2Scene(t, [backend.port]);
  const { message, body, informational } = await ask(scene, 'POST', '/x?y', 'hello', { 'X-Own': '  v  ' });
  t.equal(message.statusCode, 200);
  t.equal(message.statusMessage, 'OK');
  t.equal(message.headers['x-mixed'], 'Case');
  t.strictSame(message.headers['set-cookie'], ['a=1', 'b=2']);
  t.equal(body, 'hello');
  t.equal(message.trailers['x-sum'], '7');
  t.strictSame(informational, [103]);
  const head = backend.heads[0] ?? {};
  t.match(head, {
    ':method': 'POST',
    ':path': '/x?y',
    ':scheme': 'http',
    ':authority': 'a.example',
    'x-forwarded-for': '127.0.0.1',
    'x-own': 'v',
  });
  for (const name of ['connection', 'host', 'transfer-encoding', 'upgrade']) t.notOk(name in head, name);
  const headed = await ask(scene, 'HEAD', '/', null);
  t.equal(headed.message.statusCode, 200);
  t.equal(headed.body, '');
  t.equal(backend.connections, 1, 'one connection carries all');
});

t.test('a client of HTTP/2, and one of HTTP/1.0', async (t) => {
  const backend = await openHttp2Backend(t, (stream, headers) => {
    stream.respond({ ':status': 200, 'x-te': headers['te'] ?? '' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }));
    stream.pipe(stream);
  });
  const scene = await openHttp2Scene(t, [backend.port]);
  const session = await openClient(t, scene);
  const stream = session.request({ ...post, te: 'trailers' });
  stream.end('hello');
  const { headers, body, trailers } = await answerOf(stream);
  t.equal(headers[':status'], 200);
  t.equal(headers['x-te'], 'trailers');
  t.equal(body.toString(), 'hello');
  t.equal(trailers['x-sum'], '7');
  const old = await scene.client();
  old.send('POST / HTTP/1.0\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi');
  t.match((await old.end()).text, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n\r\nhi$/);
});

t.test('large bodies both ways on many streams are whole', async (t) => {
  const size = 700_000;
  const backend = await openHttp2Backend(t, echoing);
  const session = await openClient(t, await openHttp2Scene(t, [backend.port]));
  const all = Array.from({ length: 8 }, (_, i) => {
    const stream = session.request(post);
    stream.end(Buffer.alloc(size, 65 + i));
    return answerOf(stream);
  });
  for (const [i, { body }] of (await Promise.all(all)).entries())
    t.ok(body.equals(Buffer.alloc(size, 65 + i)), `body ${i}`);
  t.equal(backend.connections, 1);
});

t.test('a client that does not read is not read for, and stops nobody else', async (t) => {
  let sent = 0;
  const backend = await openHttp2Backend(t, (stream, headers) => {
    stream.respond({ ':status': 200 });
    if (headers[':path'] !== '/endless') return void stream.end('ok');
    const more = (): void => {
      do sent += 65_536;
      while (!stream.destroyed && stream.write(Buffer.alloc(65_536)));
    };
    stream.on('drain', more);
    more();
  });
  const scene = await openHttp2Scene(t, [backend.port]);
  const session = await openClient(t, scene);
  const endless = session.request({ ':authority': 'a.example', ':path': '/endless' });
  endless.pause();
  await once(endless, 'response');
  let before = -1;
  // Until nothing moves any more: what each of the parts holds is bounded.
  for (let calm = 0; calm < 20; calm = before === sent ? calm + 1 : 0, before = sent) {
    const stream = session.request({ ':authority': 'a.example' });
    t.equal((await answerOf(stream)).body.toString(), 'ok');
  }
  t.ok(sent < 8 * 1024 * 1024, `${sent} octets sent`);
  t.equal(backend.connections, 1);
});

t.test('a client that leaves cancels its request at the backend', async (t) => {
  const streams: ServerHttp2Stream[] = [];
  const backend = await openHttp2Backend(t, (stream) => {
    streams.push(stream);
    stream.respond({ ':status': 200 });
    stream.write('begun');
  });
  const scene = await openHttp2Scene(t, [backend.port]);
  const session = await openClient(t, scene);
  const two = session.request({ ':authority': 'a.example' });
  await once(two, 'data');
  two.close(8);
  await until(() => streams[0]?.closed === true);
  t.equal(streams[0]?.rstCode, 8);
  const one = await scene.client();
  one.send(get('/'));
  await one.expect(/begun/);
  one.close();
  await until(() => streams[1]?.closed === true);
  t.equal(streams[1]?.rstCode, 8);
  t.equal(backend.sessions.length, 1, 'the connection stays');
});

t.test('the number of streams that a backend allows is kept to', async (t) => {
  const held: ServerHttp2Stream[] = [];
  const backend = await openHttp2Backend(t, (stream) => void held.push(stream), {
    settings: { maxConcurrentStreams: 2 },
  });
  const scene = await openHttp2Scene(t, [backend.port]);
  const session = await openClient(t, scene);
  const all = Array.from({ length: 5 }, () => answerOf(session.request({ ':authority': 'a.example' })));
  await until(() => held.length === 5);
  t.equal(backend.connections, 3);
  for (const stream of held) {
    stream.respond({ ':status': 200 });
    stream.end('ok');
  }
  for (const { body } of await Promise.all(all)) t.equal(body.toString(), 'ok');
});

t.test('a label bounds the requests at once', async (t) => {
  const held: ServerHttp2Stream[] = [];
  let most = 0;
  const backend = await openHttp2Backend(t, (stream) => {
    held.push(stream);
    most = Math.max(most, held.length);
    setImmediate(() => {
      stream.respond({ ':status': 200 });
      stream.end('ok');
      held.splice(held.indexOf(stream), 1);
    });
  });
  const session = await openClient(t, await openHttp2Scene(t, [backend.port], { connectionsPerBackend: 2 }));
  const all = Array.from({ length: 9 }, () => answerOf(session.request({ ':authority': 'a.example' })));
  for (const { body } of await Promise.all(all)) t.equal(body.toString(), 'ok');
  t.ok(most <= 2, `${most} at once`);
});

t.test('a backend that leaves finishes what it has, and gets the next on a new connection', async (t) => {
  const held: ServerHttp2Stream[] = [];
  const backend = await openHttp2Backend(t, (stream, headers) => {
    if (headers[':path'] === '/held') held.push(stream);
    else {
      stream.respond({ ':status': 200 });
      stream.end('ok');
    }
  });
  const scene = await openHttp2Scene(t, [backend.port]);
  const session = await openClient(t, scene);
  const first = answerOf(session.request({ ':authority': 'a.example', ':path': '/held' }));
  await until(() => held.length === 1);
  backend.sessions[0]?.close();
  for (let i = 0; i < 5; i++)
    t.equal((await answerOf(session.request({ ...post, ':path': `/${i}` }).end('x'))).headers[':status'], 200);
  held[0]?.respond({ ':status': 200 });
  held[0]?.end('late');
  t.equal((await first).body.toString(), 'late');
  await until(() => backend.sessions.length === 1);
  t.equal(backend.connections, 2);
});

t.test('what a backend refused is sent again, whatever the method', async (t) => {
  let refused = 0;
  const backend = await openHttp2Backend(t, (stream, headers) => {
    if (refused++ === 0) stream.close(7);
    else echoing(stream, headers);
  });
  const scene = await openHttp2Scene(t, [backend.port]);
  const { message, body } = await ask(scene, 'POST', '/', 'once more');
  t.equal(message.statusCode, 200);
  t.equal(body, 'once more');
  t.equal(backend.heads.length, 2);
});

t.test('by TLS, with a name that the certificate has', async (t) => {
  const ca = testAuthority();
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-h2up-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'ca.pem'), ca.certificate);
  const { certificate: cert, key } = ca.issue(['a.example']);
  const backend = await openHttp2Backend(t, echoing, { cert, key });
  const upstreamTls = { insecure: false, ca: join(folder, 'ca.pem') };
  const scene = await openHttp2Scene(t, [backend.port], { protocol: 'h2', upstreamTls });
  const { message, body } = await ask(scene, 'POST', '/t', 'by tls');
  t.equal(message.statusCode, 200);
  t.equal(body, 'by tls');
  t.equal(backend.heads[0]?.[':scheme'], 'https');
  const strange = await openHttp2Scene(t, [backend.port], { protocol: 'h2' });
  t.equal((await ask(strange, 'GET', '/', null)).message.statusCode, 503, 'not verified');
});

t.test('a backend that speaks HTTP/1 alone is unreachable, and was asked nothing', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openHttp2Scene(t, [backend.port], { timeouts: { connectMs: 100 } });
  t.equal((await ask(scene, 'POST', '/', 'x')).message.statusCode, 503);
  t.strictSame(backend.heads, []);
});

t.test('a backend that goes away in the middle cuts its clients', async (t) => {
  const backend = await openHttp2Backend(t, (stream) => {
    stream.respond({ ':status': 200 });
    stream.write('begun');
  });
  const scene = await openHttp2Scene(t, [backend.port]);
  const session = await openClient(t, scene);
  const stream: ClientHttp2Stream = session.request({ ':authority': 'a.example' });
  stream.on('error', () => undefined);
  await once(stream, 'data');
  backend.sessions[0]?.destroy();
  await until(() => stream.closed);
  t.equal(stream.rstCode, 2, 'INTERNAL_ERROR, no clean end');
});

t.test('what did not come in time is cancelled', async (t) => {
  const streams: ServerHttp2Stream[] = [];
  const backend = await openHttp2Backend(t, (stream) => void streams.push(stream));
  const scene = await openHttp2Scene(t, [backend.port], { timeouts: { responseMs: 50 } });
  t.equal((await ask(scene, 'GET', '/', null)).message.statusCode, 504);
  await until(() => streams[0]?.closed === true);
  t.equal(streams[0]?.rstCode, 8);
});

const handshake =
  'GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

async function talk(t: Test, scene: Scene): Promise<void> {
  const client = await scene.client();
  client.send(handshake);
  await client.expect(/^HTTP\/1\.1 101 [^]*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n[^]*\r\n\r\n/i);
  client.send('over the stream');
  await client.expect(/over the stream/);
  client.socket.end();
  t.notOk((await client.end()).reset);
}

t.test('a WebSocket over a stream, where the backend allows it', async (t) => {
  const backend = await openHttp2Backend(t, echoing, { settings: { enableConnectProtocol: true } });
  const scene = await openHttp2Scene(t, [backend.port]);
  await talk(t, scene);
  const head: IncomingHttpHeaders = backend.heads[0] ?? {};
  t.match(head, { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/ws', 'sec-websocket-version': '13' });
  t.notOk('sec-websocket-key' in head);
  const session = await openClient(t, scene);
  const stream = session.request({ ...post, ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/2' });
  const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  t.equal(answer[':status'], 200);
  stream.end('both by streams');
  let text = '';
  stream.on('data', (part: Buffer) => (text += part.toString()));
  await until(() => text === 'both by streams');
});
t.test('a WebSocket by HTTP/1, where the backend knows no other way', async (t) => {
  const http1 = await openBackend(t, (socket) => {
    socket.removeAllListeners('data');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
    );
    socket.on('data', (bytes: Buffer) => socket.write(bytes));
  });
  const http2 = await openHttp2Backend(t, echoing);
  // One port for both, told apart by the first octets.
  const both = createServer((socket) => {
    socket
      .on('error', () => undefined)
      .once('data', (bytes: Buffer) => {
        const other = connect(bytes.toString('latin1', 0, 3) === 'PRI' ? http2.port : http1.port, '127.0.0.1');
        other.on('error', () => undefined).write(bytes);
        socket.pipe(other).pipe(socket);
      });
  }).listen(0, '127.0.0.1');
  await once(both, 'listening');
  t.teardown(() => void both.close());
  const scene = await openHttp2Scene(t, [(both.address() as AddressInfo).port]);
  await talk(t, scene);
  t.match(http1.heads[0], /^GET \/ws HTTP\/1\.1\r\n/);
  t.equal((await ask(scene, 'POST', '/', 'x')).body, 'x', 'and a request by HTTP/2');
  await talk(t, scene);
});

t.test('a stream of gRPC may be silent, another body may not', async (t) => {
  const backend = await openHttp2Backend(t, echoing);
  const scene = await openScene(t, [backend.port], { h2c: true, timeouts: { bodyMs: 50 } });
  scene.call({ protocol: 'h2c', timeouts: { answerMs: 50 } });
  const session = await openClient(t, scene);
  const quiet = session.request({ ...post, 'content-type': 'application/grpc' });
  const other = session.request({ ...post, 'content-type': 'text/plain' });
  other.on('error', () => undefined).resume();
  quiet.write('begun');
  await once(quiet, 'data');
  other.write('begun');
  await until(() => other.closed);
  t.notOk(quiet.closed);
  const more = once(quiet, 'data');
  quiet.write('more');
  t.equal(String((await more)[0]), 'more');
  quiet.close();
});
