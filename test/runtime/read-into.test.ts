// Reads of accepted sockets into buffers of our own, on the Node that this project is pinned to: elsewhere they may read as usual.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { readInto } from '../../src/runtime/read-into.ts';
import { intakeOf } from '../../src/runtime/tunnel-intake.ts';

async function accepted(t: Test): Promise<{ readonly client: Socket; readonly server: Socket }> {
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const client = connect((listener.address() as AddressInfo).port, '127.0.0.1');
  const [server] = (await once(listener, 'connection')) as [Socket];
  t.teardown(() => {
    client.destroy();
    server.destroy();
    listener.close();
  });
  return { client, server };
}

/** What comes next, by `readInto`. */
const read = (socket: Socket): Promise<string> =>
  new Promise((resolve, reject) => {
    const buffer = Buffer.alloc(64);
    const take = (bytes: number): boolean => {
      resolve(buffer.toString('latin1', 0, bytes));
      return false;
    };
    if (!readInto(socket, { buffer: () => buffer, take })) reject(new Error('it reads as usual'));
    socket.resume();
  });

t.test('an accepted socket reads into a buffer of ours', async (t) => {
  const { client, server } = await accepted(t);
  const bytes = read(server);
  client.write('first');
  t.equal(await bytes, 'first');
});

t.test('so does one that has read as usual, and one that somebody else read so', async (t) => {
  const { client, server } = await accepted(t);
  client.write('usual');
  const usual = once(server, 'data') as Promise<[Buffer]>;
  server.resume();
  const [chunk] = await usual;
  server.pause();
  t.equal(chunk.toString(), 'usual');
  const bytes = read(server);
  client.write('ours');
  t.equal(await bytes, 'ours');
  const others = read(server);
  client.write('another');
  t.equal(await others, 'another');
});

t.test('unread bytes stay where they are: such a socket is read by data', async (t) => {
  const { server } = await accepted(t);
  server.unshift(Buffer.from('unread'));
  t.equal(intakeOf(server), undefined);
});
