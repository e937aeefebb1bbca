// What one listener takes before SOCKS begins: PROXY headers, TLS, HTTP; and who is kept out.

import { once } from 'node:events';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { createTerminator } from '../../../proxies/access/index.ts';
import { createEgressFunction } from '../../../proxies/egress/index.ts';
import { noChallenges, openFallback } from '../../../certs/index.ts';
import { silentLogger, systemClock } from '../../../src/runtime/index.ts';
import { allowCluster, basics, keepLines, loopbackCluster, serveEcho, serveLate, talk } from '../access/scene.ts';
import { bytes, greeting, names, openSocks, request, until } from './scene.ts';

async function echo(t: Test): Promise<number> {
  const target = await serveEcho();
  t.teardown(() => target.close());
  return target.port;
}

const v2 = (client: string): Buffer =>
  Buffer.from([
    ...Buffer.from('0d0a0d0a000d0a515549540a', 'hex'),
    ...[0x21, 0x11, 0, 12],
    ...client.split('.').map(Number),
    ...[127, 0, 0, 1, 0x30, 0x39, 4, 0x38],
  ]);

t.test('PROXY headers of listed peers say who the client is', async (t) => {
  const target = await echo(t);
  const kept = keepLines();
  const rules = [{ allow: { from: ['10.1.2.3'], to: ['cluster'] } }];
  const { port } = await openSocks(t, { rules, proxyProtocol: ['127.0.0.0/8'], log: kept.log });
  const ask = [...greeting, ...request(1, '127.0.0.1', target)];
  for (const [header, reply] of [
    [Buffer.from('PROXY TCP4 10.1.2.3 127.0.0.1 12345 1080\r\n'), 0],
    [Buffer.from('PROXY TCP4 10.1.2.4 127.0.0.1 12345 1080\r\n'), 2],
    [v2('10.1.2.3'), 0],
    [v2('10.1.2.4'), 2],
  ] as const) {
    const client = await talk(port);
    client.end(Buffer.concat([header, bytes(ask), Buffer.from('payload')]));
    const all = await client.rest();
    t.strictSame([...all.subarray(0, 4)], [5, 0, 5, reply], header.toString('latin1'));
    if (reply === 0) t.equal(all.subarray(12).toString(), 'payload');
  }
  t.ok(kept.lines.some((line) => line['client'] === '10.1.2.3' && line['verdict'] === 'allow'));
});

t.test('a listed peer without a good header is nobody', async (t) => {
  const { port, ended } = await openSocks(t, { proxyProtocol: ['127.0.0.1'], timeouts: { headerMs: 200 } });
  for (const start of [bytes(greeting), Buffer.from('PROXY TCP4 127.1 x 1 2\r\n'), Buffer.from('PROXY ')]) {
    const client = await talk(port);
    client.write(start);
    t.equal((await client.rest().catch(() => Buffer.alloc(0))).length, 0);
    client.socket.destroy();
  }
  t.equal(ended({ reason: 'malformed' }), 3);
});

t.test('byte by byte, header and all', async (t) => {
  const target = await echo(t);
  const { port } = await openSocks(t, { proxyProtocol: ['127.0.0.1'] });
  const client = await talk(port);
  for (const byte of Buffer.concat([v2('127.0.0.1'), bytes(greeting, request(1, '127.0.0.1', target))])) {
    client.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal((await client.read(12))[3], 0);
  client.end('x');
  t.equal((await client.rest()).toString(), 'x');
});

async function openTls(port: number): Promise<TLSSocket> {
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    servername: 'a.example',
    rejectUnauthorized: false,
    ...{ allowHalfOpen: true },
  });
  await once(socket, 'secureConnect');
  return socket;
}

async function readAll(socket: TLSSocket): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('latin1');
}

async function terminator(): Promise<ReturnType<typeof createTerminator>> {
  const made = createTerminator({ clock: systemClock, log: silentLogger });
  const { chain, key } = await openFallback(null, systemClock);
  const fallback = { id: 'a', names: [], keyType: 'ec', notBefore: 0, notAfter: Infinity, chain, key } as const;
  made.take({ certificates: [], fallback, ticketKeys: '', challenges: noChallenges });
  return made;
}

t.test('TLS: whole conversation inside it, with half-close', async (t) => {
  const late = await serveLate();
  t.teardown(() => late.close());
  const { secure } = await terminator();
  const { port, ended } = await openSocks(t, { secure, tlsOnly: true });
  const socket = await openTls(port);
  socket.write(bytes(greeting, request(1, '127.0.0.1', late.port)));
  socket.end('report');
  t.equal((await readAll(socket)).slice(12), 'late report');
  await until(() => ended({ reason: 'finished' }) === 1);
});

t.test('TLS only: clear clients and broken handshakes get nothing', async (t) => {
  const { secure } = await terminator();
  const { port, ended } = await openSocks(t, { secure, tlsOnly: true, timeouts: { headerMs: 300 } });
  for (const start of [bytes(greeting), Buffer.from([0x16, 3, 1, 0, 4, 1, 0, 0, 0]), Buffer.from([0x16])]) {
    const client = await talk(port);
    client.write(start);
    const words = await client.rest().catch(() => Buffer.alloc(0));
    t.not(words[0], 5);
    client.socket.destroy();
  }
  t.equal(ended({ reason: 'malformed' }), 3);
});

t.test('TLS without a certificate is not spoken', async (t) => {
  const { port } = await openSocks(t, { secure: () => null, tlsOnly: true });
  const client = await talk(port);
  client.write(Buffer.from([0x16, 3, 1]));
  t.equal((await client.rest().catch(() => Buffer.alloc(0))).length, 0);
  client.socket.destroy();
});

t.test('mixed: SOCKS5, SOCKS4, HTTP and TLS on one port', async (t) => {
  const target = await echo(t);
  const base = basics(names);
  const egress = createEgressFunction({
    ...base,
    rules: [{ allow: { to: ['cluster'], ports: [target] } }],
    users: null,
    owners: loopbackCluster,
  });
  await egress.start();
  t.teardown(() => egress.stop());
  const { secure } = await terminator();
  const { port, ended } = await openSocks(t, {
    versions: [4, 5],
    rules: allowCluster,
    secure,
    http: (socket, listener, client) => egress.take(socket, listener, client),
  });
  const connect = `CONNECT 127.0.0.1:${target} HTTP/1.1\r\nHost: 127.0.0.1:${target}\r\n\r\n`;
  const five = await talk(port);
  five.end(Buffer.concat([bytes(greeting, request(1, '127.0.0.1', target)), Buffer.from('five')]));
  t.equal((await five.rest()).subarray(12).toString(), 'five');
  const four = await talk(port);
  four.end(Buffer.concat([bytes([4, 1, target >> 8, target & 255, 127, 0, 0, 1, 0]), Buffer.from('four')]));
  t.equal((await four.rest()).subarray(8).toString(), 'four');
  const http = await talk(port);
  http.write(connect);
  t.match((await http.read(12)).toString(), 'HTTP/1.1 200');
  http.end('http');
  t.match((await http.rest()).toString(), /\r\n\r\nhttp$/);
  const tls = await openTls(port);
  tls.write(connect);
  tls.end('https');
  t.match(await readAll(tls), /^HTTP\/1\.1 200[^]*\r\n\r\nhttps$/);
  const tlsFive = await openTls(port);
  tlsFive.write(bytes(greeting, request(1, '127.0.0.1', target)));
  tlsFive.end('tls five');
  t.equal((await readAll(tlsFive)).slice(12), 'tls five');
  await until(() => ended({ reason: 'finished' }) === 3);
  await egress.drain(1_000);
});

t.test('connections are given back, whatever came of them', async (t) => {
  const { secure } = await terminator();
  const { port, socks } = await openSocks(t, { secure, tlsOnly: true, limits: { connections: 1 } });
  for (let i = 0; i < 3; i++) {
    const socket = await openTls(port);
    socket.end(bytes([5, 0]));
    t.equal(await readAll(socket), '\x05\xff');
    await once(socket, 'close').catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await socks.drain(1_000);
});
