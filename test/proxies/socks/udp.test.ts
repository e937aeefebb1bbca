// UDP ASSOCIATE: who may send, what is dropped and counted, and that an association ends with its connection.

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { talk, type Talk } from '../access/scene.ts';
import { bytes, greeting, openSocks, place, request, until, type Scene } from './scene.ts';

const udp = { commands: ['udp'] } as const;

async function udpSocket(t: Test, address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return socket;
}

/** Sends back what it gets, in capitals; `from`: who sent it last. */
async function udpEcho(t: Test): Promise<{ readonly port: number; readonly socket: Socket; from(): RemoteInfo }> {
  const socket = await udpSocket(t);
  let last: RemoteInfo | null = null;
  socket.on('message', (message, from) => {
    last = from;
    socket.send(message.toString().toUpperCase(), from.port, from.address);
  });
  return {
    port: socket.address().port,
    socket,
    from() {
      if (last === null) throw new Error('nobody sent anything');
      return last;
    },
  };
}

async function associate(t: Test, { port }: Scene): Promise<{ control: Talk; relay: number; client: Socket }> {
  const control = await talk(port);
  t.teardown(() => control.socket.destroy());
  control.write(bytes(greeting, request(3, '0.0.0.0', 0)));
  const reply = (await control.read(12)).subarray(2);
  t.strictSame([...reply.subarray(0, 8)], [5, 0, 0, 1, 127, 0, 0, 1], 'a real address, never 0.0.0.0');
  return { control, relay: reply.readUInt16BE(8), client: await udpSocket(t) };
}

const wrapped = (host: string, port: number, text: string | Buffer, frag = 0): Buffer =>
  Buffer.concat([bytes([0, 0, frag], place(host, port)), Buffer.from(text)]);

async function exchange(client: Socket, relay: number, message: Buffer): Promise<Buffer> {
  client.send(message, relay, '127.0.0.1');
  return ((await once(client, 'message')) as [Buffer])[0];
}

t.test('by address and by name, there and back', async (t) => {
  const echo = await udpEcho(t);
  const scene = await openSocks(t, udp);
  const { control, relay, client } = await associate(t, scene);
  for (const host of ['127.0.0.1', 'echo.own', 'ECHO.own.']) {
    t.strictSame(
      await exchange(client, relay, wrapped(host, echo.port, 'ping')),
      wrapped('127.0.0.1', echo.port, 'PING'),
      host,
    );
  }
  control.end();
  await control.rest();
  await until(() => scene.ended({ verdict: 'allow', reason: 'finished' }) === 1);
  t.equal(scene.datagrams('passed'), 6);
});

t.test('dies with its connection', async (t) => {
  const echo = await udpEcho(t);
  const scene = await openSocks(t, udp);
  const { control, relay, client } = await associate(t, scene);
  await exchange(client, relay, wrapped('127.0.0.1', echo.port, 'a'));
  control.socket.resetAndDestroy();
  await until(() => scene.ended({ verdict: 'allow' }) === 1);
  const probe = createSocket('udp4');
  probe.bind(relay, '127.0.0.1');
  await once(probe, 'listening');
  t.pass('the port is free again');
  probe.close();
});

t.test('an association counts once for its rule, and one that is kept out may send later', async (t) => {
  const echo = await udpEcho(t);
  const rules = [{ allow: { to: ['cluster'] }, limits: { connections: 1 } }];
  const scene = await openSocks(t, { ...udp, rules });
  const first = await associate(t, scene);
  for (const host of ['127.0.0.1', 'echo.own'])
    await exchange(first.client, first.relay, wrapped(host, echo.port, 'a'));
  const second = await associate(t, scene);
  second.client.send(wrapped('127.0.0.1', echo.port, 'kept out'), second.relay, '127.0.0.1');
  await until(() => scene.datagrams('denied') === 1);
  first.control.end();
  await until(() => scene.ended({ verdict: 'allow' }) === 1);
  t.match(await exchange(second.client, second.relay, wrapped('127.0.0.1', echo.port, 'later')), /LATER$/);
});

t.test('what is dropped is counted by its reason', async (t) => {
  const echo = await udpEcho(t);
  const rules = [{ deny: { to: ['127.0.0.9'] } }, { allow: { to: ['cluster', 'slow.example'] } }];
  const scene = await openSocks(t, { ...udp, rules, limits: { udpPeers: 4 } });
  const { relay, client } = await associate(t, scene);
  const stranger = await udpSocket(t);
  await exchange(client, relay, wrapped('127.0.0.1', echo.port, 'first'));
  const rows: readonly (readonly [string, () => void])[] = [
    ['stranger', () => stranger.send(wrapped('127.0.0.1', echo.port, 'x'), relay, '127.0.0.1')],
    ['fragment', () => client.send(wrapped('127.0.0.1', echo.port, 'x', 1), relay, '127.0.0.1')],
    ['malformed', () => client.send(Buffer.from([0, 0, 0, 1, 127]), relay, '127.0.0.1')],
    ['malformed', () => client.send(wrapped('0x7f.1', echo.port, 'x'), relay, '127.0.0.1')],
    ['denied', () => client.send(wrapped('8.8.8.8', 53, 'x'), relay, '127.0.0.1')],
    ['denied', () => client.send(wrapped('127.0.0.9', echo.port, 'x'), relay, '127.0.0.1')],
    ['unresolved', () => client.send(wrapped('slow.example', 53, 'x'), relay, '127.0.0.1')],
    ['peers', () => client.send(wrapped('127.0.0.1', 9, 'x'), relay, '127.0.0.1')],
    ['stranger', () => stranger.send('x', echo.from().port, '127.0.0.1')],
  ];
  const expected: Record<string, number> = {};
  for (const [outcome, send] of rows) {
    send();
    const count = (expected[outcome] = (expected[outcome] ?? 0) + 1);
    await until(() => scene.datagrams(outcome) === count);
    t.pass(outcome);
  }
  t.equal(scene.datagrams('passed'), 2, 'nothing of this went anywhere');
  t.strictSame(scene.base.resolver.sent, ['slow.example']);
});

t.test('the largest datagram passes, and an answer that has no room for its head is dropped', async (t) => {
  const big = await udpSocket(t);
  big.on('message', (message, from) => big.send(Buffer.alloc(message.length + 1), from.port, from.address));
  const scene = await openSocks(t, udp);
  const { relay, client } = await associate(t, scene);
  const room = 65_507 - 10;
  const { port } = big.address();
  t.equal((await exchange(client, relay, wrapped('127.0.0.1', port, Buffer.alloc(room - 1)))).length, 65_507);
  client.send(wrapped('127.0.0.1', port, Buffer.alloc(room)), relay, '127.0.0.1');
  await until(() => scene.datagrams('length') === 1);
  t.equal(scene.datagrams('passed'), 3);
});

t.test('datagrams a second', async (t) => {
  const echo = await udpEcho(t);
  const scene = await openSocks(t, { ...udp, limits: { udpDatagramsPerSecond: 2 } });
  const { relay, client } = await associate(t, scene);
  for (let i = 0; i < 8; i++) client.send(wrapped('127.0.0.1', echo.port, 'x'), relay, '127.0.0.1');
  await until(() => scene.datagrams('rate') >= 6);
  t.ok(scene.datagrams('passed') <= 3);
});

t.test('idle', async (t) => {
  const scene = await openSocks(t, { ...udp, timeouts: { udpMs: 50 } });
  const { control } = await associate(t, scene);
  await control.rest();
  t.equal(scene.ended({ verdict: 'allow', reason: 'idle' }), 1);
});

t.test('rules that change hold for destinations that were decided', async (t) => {
  const echo = await udpEcho(t);
  const scene = await openSocks(t, udp);
  const { relay, client } = await associate(t, scene);
  await exchange(client, relay, wrapped('127.0.0.1', echo.port, 'a'));
  scene.socks.reconfigure({ users: null, rules: [{ deny: {} }], commands: ['udp'] });
  client.send(wrapped('127.0.0.1', echo.port, 'b'), relay, '127.0.0.1');
  await until(() => scene.datagrams('denied') === 1);
  t.equal(scene.datagrams('passed'), 2);
});

t.test('no rule allows UDP: no association', async (t) => {
  const { port } = await openSocks(t, { ...udp, rules: [{ allow: { commands: ['connect'] } }] });
  const control = await talk(port);
  control.write(bytes(greeting, request(3, '0.0.0.0', 0)));
  t.equal((await control.rest())[3], 2);
});

t.test('what has to go through a parent does not go', async (t) => {
  const parents = { dc: [{ scheme: 'http', host: '127.0.0.1', port: 9, user: null, password: null } as const] };
  const rules = [{ allow: { to: ['cluster', 'www.example'] }, via: 'dc' }];
  const scene = await openSocks(t, { ...udp, rules, parents });
  const { relay, client } = await associate(t, scene);
  client.send(wrapped('127.0.0.1', 53, 'x'), relay, '127.0.0.1');
  await until(() => scene.datagrams('denied') === 1);
  client.send(wrapped('www.example', 53, 'x'), relay, '127.0.0.1');
  await until(() => scene.datagrams('denied') === 2);
  t.equal(scene.datagrams('passed'), 0);
});
