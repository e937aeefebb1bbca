// Probes against real sockets.

import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer, type AddressInfo, type Server } from 'node:net';
import t, { type Test } from 'tap';
import { createProbe } from '../../../lb/health/probe.ts';
import { systemClock } from '../../../src/runtime/index.ts';

const probe = createProbe(systemClock);

async function portOf(t: Test, server: Server | HttpServer | Http2Server | UdpSocket): Promise<number> {
  if ('bind' in server) server.bind(0, '127.0.0.1');
  else server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const at = (port: number) => ({ ip: '127.0.0.1', port });

t.test('tcp: an open port passes and is let go, a closed one fails', async (t) => {
  const server = createServer((socket) => void socket.on('error', () => undefined).resume());
  const port = await portOf(t, server);
  const [result, [socket]] = await Promise.all([
    probe(at(port), { kind: 'tcp', intervalMs: 1000 }),
    once(server, 'connection') as Promise<[{ once(event: 'close', done: () => void): void; destroyed: boolean }]>,
  ]);
  t.equal(result, null);
  if (!socket.destroyed) await new Promise<void>((resolve) => socket.once('close', resolve));
  t.equal(await probe(at(await closedPort()), { kind: 'tcp', intervalMs: 1000 }), 'the connection was refused');
});

t.test('http: the status decides; method, path, host and fields go along', async (t) => {
  const seen: string[] = [];
  const server = createHttpServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.host} ${String(request.headers['x-a'])}`);
    response.statusCode = Number(request.url?.slice(1));
    response.end();
  });
  const port = await portOf(t, server);
  const http = { kind: 'http', intervalMs: 1000 } as const;
  t.equal(await probe(at(port), { ...http, path: '/204', host: 'shop.example', headers: { 'x-a': 'b' } }), null);
  t.equal(await probe(at(port), { ...http, path: '/302', method: 'HEAD' }), null);
  t.equal(await probe(at(port), { ...http, path: '/404' }), 'it answered 404');
  t.equal(await probe(at(port), { ...http, path: '/404', expectedStatus: [[404, 404]] }), null);
  t.strictSame(seen.slice(0, 2), ['GET /204 shop.example b', `HEAD /302 127.0.0.1:${port} undefined`]);
  t.match(await probe(at(port), { ...http, path: '/a b' }), /path/, 'a path that cannot be written is a failure');
});

t.test('http by HTTP/2: for backends that understand nothing else', async (t) => {
  const seen: string[] = [];
  const server = createHttp2Server();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const { ':method': method, ':path': path = '', ':authority': host, 'x-a': field } = headers;
    seen.push(`${method} ${path} ${host} ${String(field)}`);
    stream.on('error', () => undefined);
    stream.respond({ ':status': Number(path.slice(1)) }, { endStream: true });
  });
  const port = await portOf(t, server);
  const http2 = { kind: 'http', http2: true, intervalMs: 1000, timeoutMs: 10_000 } as const;
  const headers = { 'X-A': 'b', Connection: 'close' };
  t.equal(await probe(at(port), { ...http2, path: '/204', host: 'shop.example', headers }), null);
  t.equal(await probe(at(port), { ...http2, path: '/302', method: 'HEAD' }), null);
  t.equal(await probe(at(port), { ...http2, path: '/404' }), 'it answered 404');
  t.strictSame(seen.slice(0, 2), ['GET /204 shop.example b', `HEAD /302 127.0.0.1:${port} undefined`]);
  t.type(await probe(at(port), { ...http2, headers: { 'a b': 'c' } }), 'string', 'a field that cannot be written');
  t.type(await probe(at(port), { kind: 'http', intervalMs: 10_000 }), 'string', 'it does not understand HTTP/1');
  t.equal(await probe(at(await closedPort()), http2), 'the connection was refused');
  const old = await portOf(
    t,
    createHttpServer((_, response) => void response.end()),
  );
  t.type(await probe(at(old), http2), 'string', 'HTTP/1 is no answer');
});

t.test('http: silence and noise fail', async (t) => {
  const silent = await portOf(
    t,
    createServer((socket) => void socket.on('error', () => undefined)),
  );
  const http = { kind: 'http', intervalMs: 1000, timeoutMs: 50 } as const;
  t.equal(await probe(at(silent), http), 'no answer within 50 ms');
  const noisy = await portOf(
    t,
    createServer((socket) => void socket.on('error', () => undefined).end('hello\r\n\r\n')),
  );
  t.type(await probe(at(noisy), { ...http, timeoutMs: 5000 }), 'string');
  const deaf = await portOf(
    t,
    createServer((socket) => void socket.on('error', () => undefined).destroy()),
  );
  t.type(await probe(at(deaf), { ...http, timeoutMs: 5000 }), 'string');
});

t.test('udp: a closed port is reported, silence is fine', async (t) => {
  const open = await portOf(t, createSocket('udp4'));
  const udp = { kind: 'udp', intervalMs: 1000, timeoutMs: 100 } as const;
  t.equal(await probe(at(open), udp), null);
  const gone = createSocket('udp4');
  gone.bind(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address();
  gone.close();
  await once(gone, 'close');
  t.equal(await probe(at(port), { ...udp, timeoutMs: 5000 }), 'the connection was refused');
});
