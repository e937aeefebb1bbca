// Reads of accepted sockets into the shared buffer: this Node has what that takes, and a socket can go back to `data`.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import t from 'tap';
import { sharedBuffer } from '../../../proxies/http1/index.ts';
import { readShared, readStreaming } from '../../../proxies/http1/shared-reads.ts';

t.test('into the shared buffer, then as data again, then the end', async (t) => {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  const reads: string[] = [];
  const told = Promise.withResolvers<void>();
  const isShared = readShared(socket, (count, buffer) => {
    t.equal(buffer, sharedBuffer);
    reads.push(buffer.toString('latin1', 0, count));
    told.resolve();
  });
  t.equal(isShared, true, 'a Node that hides it makes each small request a tenth dearer: look at shared-reads.ts');
  t.equal(
    readShared(socket, () => undefined),
    false,
    'once',
  );
  client.write('one');
  await told.promise;
  socket.pause();
  client.write('two');
  await new Promise((resolve) => setImmediate(resolve));
  t.strictSame(reads, ['one'], 'a paused socket is not read');
  readStreaming(socket);
  const data = once(socket, 'data');
  socket.resume();
  const [bytes] = (await data) as [Buffer];
  t.equal(bytes.toString(), 'two');
  t.not(bytes.buffer, sharedBuffer.buffer, 'what is kept is a copy');
  const ended = once(socket, 'end');
  client.end();
  await ended;
  socket.destroy();
  server.close();
  await once(server, 'close');
});
