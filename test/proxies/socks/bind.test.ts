// BIND: both replies, the one peer that is meant, strangers, and the end of waiting.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { talk, type Talk } from '../access/scene.ts';
import { bytes, greeting, openSocks, portBytes, request, until, type Scene } from './scene.ts';

const both = { commands: ['connect', 'bind'] } as const;
const waitsMs = { timeouts: { bindMs: 100 } };

/** A client that waits on a port, which the first reply has named. */
async function bind(t: Test, { port }: Scene, host: string, dstPort = 21): Promise<{ client: Talk; bound: number }> {
  const client = await talk(port);
  t.teardown(() => client.socket.destroy());
  client.write(bytes(greeting, request(2, host, dstPort)));
  const reply = (await client.read(12)).subarray(2);
  t.strictSame([...reply.subarray(0, 8)], [5, 0, 0, 1, 127, 0, 0, 1], 'a real address, never 0.0.0.0');
  return { client, bound: reply.readUInt16BE(8) };
}

const from = (port: number, localAddress: string): Socket =>
  connect({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true });

t.test('the peer comes, is named, and both talk with half-close', async (t) => {
  const scene = await openSocks(t, both);
  const { client, bound } = await bind(t, scene, '127.0.0.2');
  client.write('early');
  const peer = from(bound, '127.0.0.2');
  let heard = '';
  peer.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  await once(peer, 'connect');
  const second = await client.read(10);
  t.strictSame([...second], [5, 0, 0, 1, 127, 0, 0, 2, ...portBytes(peer.localPort ?? 0)]);
  client.end(' late');
  await once(peer, 'end');
  t.equal(heard, 'early late');
  peer.end('report');
  t.equal((await client.rest()).toString(), 'report');
  await until(() => scene.ended({ verdict: 'allow', reason: 'finished' }) === 1);
});

t.test('strangers are turned away and change nothing', async (t) => {
  const scene = await openSocks(t, both);
  const { client, bound } = await bind(t, scene, '127.0.0.2');
  const stranger = from(bound, '127.0.0.3');
  const [error] = (await once(stranger, 'error')) as [NodeJS.ErrnoException];
  t.equal(error.code, 'ECONNRESET');
  const peer = from(bound, '127.0.0.2');
  t.equal((await client.read(10))[7], 2);
  const late = from(bound, '127.0.0.2');
  const [refused] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  t.match(refused.code, /ECONNREFUSED|ECONNRESET/, 'one peer, no more');
  peer.destroy();
});

t.test('a client that names nobody has each peer judged', async (t) => {
  const rules = [{ deny: { to: ['127.0.0.3'] } }, { allow: { to: ['cluster'], commands: ['bind'] } }] as const;
  const scene = await openSocks(t, { ...both, rules });
  const { client, bound } = await bind(t, scene, '0.0.0.0');
  const [error] = (await once(from(bound, '127.0.0.3'), 'error')) as [NodeJS.ErrnoException];
  t.equal(error.code, 'ECONNRESET');
  const peer = from(bound, '127.0.0.2');
  t.equal((await client.read(10))[7], 2);
  peer.destroy();
});

t.test('rules, and commands that are off', async (t) => {
  const rows = [
    [both, [{ allow: { commands: ['connect'] } }], '127.0.0.2', 2],
    [both, [{ allow: { commands: ['connect'] } }], '0.0.0.0', 2],
    [both, [{ allow: { to: ['cluster'] } }], '8.8.8.8', 2],
    [both, [{ allow: { to: ['nowhere.example'] } }], 'nowhere.example', 4],
    [both, [{ allow: { to: ['cluster'] } }], '127.1', 1],
    [{ commands: ['connect'] }, [{ allow: { to: ['cluster'] } }], '127.0.0.2', 7],
  ] as const;
  for (const [options, rules, host, reply] of rows) {
    const { port } = await openSocks(t, { ...options, rules });
    const client = await talk(port);
    const name = host === '127.1' ? [5, 2, 0, 3, 5, ...Buffer.from('127.1'), 0, 21] : request(2, host, 21);
    client.write(bytes(greeting, name));
    t.strictSame([...(await client.rest())].slice(2), [5, reply, 0, 1, 0, 0, 0, 0, 0, 0], `${host} ${reply}`);
  }
});

t.test('nobody comes: the second reply says so, and the port is closed', async (t) => {
  const scene = await openSocks(t, { ...both, ...waitsMs });
  const { client, bound } = await bind(t, scene, '127.0.0.2');
  t.strictSame([...(await client.rest())].slice(0, 2), [5, 4]);
  const [error] = (await once(from(bound, '127.0.0.2'), 'error')) as [NodeJS.ErrnoException];
  t.equal(error.code, 'ECONNREFUSED');
  t.equal(scene.ended({ verdict: 'deny', reason: 'connect-timeout' }), 1);
});

t.test('the client goes away: so does the port', async (t) => {
  const scene = await openSocks(t, both);
  const { client, bound } = await bind(t, scene, '127.0.0.2');
  client.socket.resetAndDestroy();
  await until(() => scene.ended({ verdict: 'deny', reason: 'aborted' }) === 1);
  const [error] = (await once(from(bound, '127.0.0.2'), 'error')) as [NodeJS.ErrnoException];
  t.equal(error.code, 'ECONNREFUSED');
});

t.test('ports of a range; a range in use is a limit', async (t) => {
  const probe = await openSocks(t);
  const range = { first: probe.port, last: probe.port };
  const full = await openSocks(t, { ...both, portRange: range });
  const client = await talk(full.port);
  client.write(bytes(greeting, request(2, '127.0.0.2', 21)));
  t.equal((await client.rest())[3], 1);
  await probe.socks.stop();
  const { bound } = await bind(t, full, '127.0.0.2');
  t.equal(bound, range.first);
});

t.test('an advertised address is told, also where it is not this machine’s', async (t) => {
  const { port } = await openSocks(t, { ...both, advertise: '192.0.2.7' });
  const client = await talk(port);
  client.write(bytes(greeting, request(2, '127.0.0.2', 21)));
  const reply = (await client.read(12)).subarray(2);
  t.strictSame([...reply.subarray(4, 8)], [192, 0, 2, 7]);
  const peer = from(reply.readUInt16BE(8), '127.0.0.2');
  t.equal((await client.read(10))[7], 2);
  peer.destroy();
  client.socket.destroy();
});

t.test('SOCKS4 has both replies too', async (t) => {
  const { port } = await openSocks(t, { ...both, versions: [4] });
  const client = await talk(port);
  client.write(bytes([4, 2, 0, 21, 127, 0, 0, 2, 0]));
  const reply = await client.read(8);
  t.strictSame([reply[0], reply[1], ...reply.subarray(4)], [0, 90, 127, 0, 0, 1]);
  const peer = from(reply.readUInt16BE(2), '127.0.0.2');
  const second = await client.read(8);
  t.strictSame([second[1], ...second.subarray(4)], [90, 127, 0, 0, 2]);
  peer.end('x');
  client.end();
  t.equal((await client.rest()).toString(), 'x');
});
