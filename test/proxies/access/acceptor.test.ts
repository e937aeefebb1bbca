// What an acceptor leaves behind when it stops: nothing, in whichever state its connections are.

import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import { noChallenges, openFallback } from '../../../certs/index.ts';
import { createAcceptor, createTerminator, enterTls } from '../../../proxies/access/index.ts';
import { bindTcp, silentLogger, systemClock } from '../../../src/runtime/index.ts';

interface Scene {
  readonly port: number;
  readonly accepted: Promise<Socket>;
  stop(): Promise<void>;
}

async function open(t: Test): Promise<Scene> {
  const listener = bindTcp('127.0.0.1', 0);
  const { promise: accepted, resolve: onConnection } = Promise.withResolvers<Socket>();
  const acceptor = createAcceptor({ listeners: [listener], clock: systemClock, log: silentLogger, onConnection });
  await acceptor.start();
  t.teardown(() => acceptor.stop());
  return { port: listener.port, accepted, stop: () => acceptor.stop() };
}

const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));
const quiet = (socket: Socket): Socket => socket.on('error', () => undefined);

for (const [state, prepare] of [
  ['idle', () => undefined],
  ['with words and FIN on their way', (socket: Socket) => void socket.end('bye')],
  ['with more than the client takes', (socket: Socket) => void socket.write(Buffer.alloc(8_000_000))],
] as const) {
  t.test(`a plain connection ${state}`, async (t) => {
    const scene = await open(t);
    const client = quiet(connect({ port: scene.port, host: '127.0.0.1', allowHalfOpen: true }));
    const gone = closed(client);
    const socket = await scene.accepted;
    prepare(socket);
    await scene.stop();
    t.ok(socket.destroyed);
    client.resume().end();
    await gone;
  });
}

async function openTls(t: Test): Promise<Scene & { readonly stream: Promise<Socket | null>; readonly client: Socket }> {
  const terminator = createTerminator({ clock: systemClock, log: silentLogger });
  const { chain, key } = await openFallback(null, systemClock);
  const fallback = { id: 'a', names: [], keyType: 'ec', notBefore: 0, notAfter: Infinity, chain, key } as const;
  terminator.take({ certificates: [], fallback, ticketKeys: '', challenges: noChallenges });
  const scene = await open(t);
  const client = quiet(connect({ port: scene.port, host: '127.0.0.1' }));
  t.teardown(() => client.destroy());
  const socket = await scene.accepted;
  const stream = enterTls(socket, (plain, name) => terminator.secure(plain, name), 60_000, systemClock);
  return { ...scene, stream, client };
}

t.test('a stream of TLS ends with the connection under it', async (t) => {
  const { client, stream, accepted, stop } = await openTls(t);
  quiet(connectTls({ socket: client, servername: 'a.example', rejectUnauthorized: false }));
  const outer = await stream;
  if (outer === null) throw new Error('no handshake');
  quiet(outer);
  await stop();
  t.ok(outer.destroyed);
  t.ok((await accepted).destroyed);
});

t.test('a handshake that has not come to its end', async (t) => {
  const { client, stream, stop } = await openTls(t);
  client.write(Buffer.from('16030100c8010000c4', 'hex'));
  await stop();
  t.equal(await stream, null);
});
