// The front's limits: connections, clients, requests a connection, bytes of a body.

import { Socket } from 'node:net';
import t, { type Test } from 'tap';
import {
  createHttp1Front,
  errorAnswer,
  type Http1Front,
  type Http1FrontOptions,
} from '../../../proxies/http1/index.ts';
import { bindTcp, compileCidrs, systemClock } from '../../../src/runtime/index.ts';
import { rawClient, type RawClient } from './raw-client.ts';

interface Opened {
  readonly front: Http1Front;
  client(): Promise<RawClient>;
}

/** A front that answers each request with its path. */
async function openFront(test: Test, options: Partial<Http1FrontOptions>): Promise<Opened> {
  const front = createHttp1Front({
    clock: systemClock,
    onExchange: (exchange) =>
      exchange.respond({ status: 200, fields: [], contentType: 'text/plain', body: exchange.request.matchPath }),
    onRefused: (status, request) => errorAnswer({ status, detail: 'no', requestId: '' }, request?.fields ?? null),
    ...options,
  });
  const listener = bindTcp('127.0.0.1', 0);
  const server = front.createServer();
  await listener.attach(server);
  test.teardown(() => {
    front.destroy();
    server.close();
  });
  return { front, client: () => rawClient(listener.port) };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a.example\r\n\r\n`;

t.test('many pipelined requests are answered in order, without recursion', async (t) => {
  const client = await (await openFront(t, {})).client();
  client.send(Array.from({ length: 5000 }, (_, i) => get(`/${i}`)).join(''));
  await client.expect(/\/4999$/);
  const paths = [...client.received.matchAll(/\r\n\r\n\/(\d+)/g)].map(([, n]) => Number(n));
  t.strictSame(
    paths,
    Array.from({ length: 5000 }, (_, i) => i),
  );
  client.close();
});

t.test('requests of one connection', async (t) => {
  const client = await (await openFront(t, { limits: { requestsPerConnection: 2 } })).client();
  client.send(get('/1') + get('/2') + get('/3'));
  const { text, reset } = await client.end();
  t.equal(reset, false);
  t.match(text, /\/1HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n\r\n\/2$/);
});

t.test('connections', async (t) => {
  const { front, client } = await openFront(t, { limits: { connections: 1 } });
  const first = await client();
  first.send(get('/1'));
  await first.expect(/\/1$/);
  const second = await client();
  t.equal((await second.end()).text, '');
  t.equal(front.connections, 1);
  first.close();
});

t.test('connections of one client; trusted peers and loopback are not counted', async (t) => {
  const { front } = await openFront(t, { limits: { perClient: 2 }, trusted: compileCidrs(['192.0.2.9/32']).matcher });
  const accept = (ip: string): boolean => {
    const socket = new Socket();
    Object.defineProperties(socket, { remoteAddress: { value: ip }, localAddress: { value: '192.0.2.1' } });
    front.accept(socket, false);
    return !socket.destroyed;
  };
  const results = (ip: string): boolean[] => [accept(ip), accept(ip), accept(ip)];
  t.strictSame(results('192.0.2.7'), [true, true, false]);
  t.strictSame([accept('2001:db8::1'), accept('2001:db8::2'), accept('2001:db8::3')], [true, true, false], 'one /64');
  t.ok(accept('2001:db8:0:1::1'));
  t.strictSame(results('::ffff:192.0.2.8'), [true, true, false]);
  t.strictSame(results('192.0.2.9'), [true, true, true]);
  t.strictSame(results('127.0.0.1'), [true, true, true]);
});

t.test('bytes of a body', async (t) => {
  const { client } = await openFront(t, { limits: { bodyBytes: 4 } });
  const known = await client();
  known.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\n');
  t.match((await known.end()).text, /^HTTP\/1\.1 413 /);
  const chunked = await client();
  chunked.send('POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n');
  t.match((await chunked.end()).text, /^HTTP\/1\.1 413 /);
  const fits = await client();
  fits.send('POST /ok HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nhell');
  await fits.expect(/\/ok$/);
  fits.close();
});

t.test('empty lines before a request', async (t) => {
  const client = await (await openFront(t, {})).client();
  client.send('\r\n\r\n');
  client.send(`\r`);
  client.send(`\n${get('/a')}\r\n${get('/b')}`);
  t.ok(await client.expect(/\/a[^]*\/b$/));
  client.close();
});
