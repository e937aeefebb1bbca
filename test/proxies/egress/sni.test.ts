// requireSniMatch: what a ClientHello says, however it is cut, and tunnels that may not begin.

import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { readHelloName } from '../../../proxies/egress/client-hello.ts';
import { counted, serve, serveEcho, talk } from '../access/scene.ts';
import { open } from './scene.ts';

/** The first bytes of a real client. */
async function helloFor(servername: string): Promise<Buffer> {
  let onBytes = (_bytes: Buffer): void => undefined;
  const bytes = new Promise<Buffer>((resolve) => (onBytes = resolve));
  const target = await serve((socket) => socket.once('data', onBytes));
  const client = connectTls({ port: target.port, servername, rejectUnauthorized: false }).on('error', () => undefined);
  const hello = await bytes;
  client.destroy();
  await target.close();
  return hello;
}

/** The same message in records of `size` octets. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.of(22, 3, 1, part.length >> 8, part.length & 255), part);
  }
  return Buffer.concat(records);
}

t.test('names, at every cut and over many records', async (t) => {
  const hello = await helloFor('Web.Own');
  t.strictSame(readHelloName(hello), { kind: 'hello', name: 'web.own' });
  for (let length = 0; length < hello.length; length++)
    t.equal(readHelloName(hello.subarray(0, length)).kind, 'more', `${length} octets`);
  for (const size of [1, 3, 4, 5, 100]) {
    const cut = inRecords(hello, size);
    t.strictSame(readHelloName(cut), { kind: 'hello', name: 'web.own' }, `records of ${size}`);
    t.equal(readHelloName(cut.subarray(0, -1)).kind, 'more');
  }
  t.strictSame(readHelloName(await helloFor('')), { kind: 'hello', name: null });
});

t.test('what is no hello that could be believed', async (t) => {
  const hello = await helloFor('web.own');
  const at = hello.indexOf('web.own');
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const copy = Buffer.from(hello);
    change(copy);
    return copy;
  };
  const rows: readonly (readonly [string, Buffer])[] = [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['an alert', Buffer.of(21, 3, 1, 0, 2, 1, 0)],
    ['SSL 2', Buffer.of(0x80, 0x2e, 1, 0, 2)],
    ['another version', changed((bytes) => void (bytes[1] = 2))],
    ['another message', changed((bytes) => void (bytes[5] = 2))],
    ['an empty record', Buffer.of(22, 3, 1, 0, 0)],
    ['a hello of 16 MiB', changed((bytes) => void (bytes[6] = 255))],
    ['NUL in the name', changed((bytes) => void (bytes[at + 3] = 0))],
    ['a trailing dot', changed((bytes) => void (bytes[at + 6] = 0x2e))],
    ['two names', changed((bytes) => bytes.writeUInt16BE(3, at - 2))],
    ['a name of another kind', changed((bytes) => void (bytes[at - 3] = 1))],
    ['an extension past the end', changed((bytes) => bytes.writeUInt16BE(60_000, at - 7))],
  ];
  for (const [what, bytes] of rows) t.equal(readHelloName(bytes).kind, 'none', what);
});

t.test('a tunnel begins with the name of its CONNECT, or not at all', async (t) => {
  let reached = 0;
  const echo = await serveEcho();
  echo.server.on('connection', (socket) => socket.once('data', () => reached++));
  t.teardown(() => echo.close());
  const { port, base } = await open(t, { requireSniMatch: true });
  const tunnel = async (target: string, bytes: Buffer, ahead = false): Promise<Buffer> => {
    const client = await talk(port);
    const head = Buffer.from(`CONNECT ${target}:${echo.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    client.write(ahead ? Buffer.concat([head, bytes]) : head);
    await client.read('HTTP/1.1 200 Connection established\r\n\r\n'.length);
    if (ahead) client.end();
    else client.end(bytes);
    return client.rest();
  };
  const [own, other, none] = await Promise.all(['web.own', 'other.example', ''].map(helloFor));
  if (own === undefined || other === undefined || none === undefined) throw new Error('no hello');
  t.same(await tunnel('web.own', own), own, 'what was looked at goes on');
  t.same(await tunnel('WEB.own', inRecords(own, 50), true), inRecords(own, 50), 'ahead of its turn');
  t.same(await tunnel('127.0.0.1', none), none, 'an address has no name');
  const before = reached;
  for (const [target, bytes] of [
    ['web.own', other],
    ['web.own', none],
    ['127.0.0.1', own],
    ['web.own', Buffer.from('SSH-2.0-x\r\n')],
    ['web.own', own.subarray(0, 50)],
  ] as const)
    await t.rejects(tunnel(target, bytes), `${target} ${bytes.toString('latin1', 0, 4)}`);
  t.equal(reached, before, 'nothing of those reached the target');
  t.equal(counted(base.metrics, 'egress_sessions_total', { verdict: 'deny', reason: 'denied' }), 5);
  t.equal(counted(base.metrics, 'egress_sessions_active', {}), 0);
});
