// Reads of accepted sockets into the shared buffer: this Node has what that takes, and a socket can go back to `data`.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import t from 'tap';
import { sharedBuffer } from '../../../proxies/http1/index.ts';
import { readShared, readStreaming } from '../../../proxies/http1/shared-reads.ts';
import { testAuthority } from '../../certs/authority.ts';

interface Kind {
  readonly server: Server;
  readonly event: 'connection' | 'secureConnection';
  readonly dial: (port: number) => Socket;
}

const plain = (): Kind => ({
  server: createServer({ allowHalfOpen: true }),
  event: 'connection',
  dial: (port) => connect(port, '127.0.0.1'),
});

function secure(): Kind {
  const { certificate: cert, key } = testAuthority().issue(['one.test']);
  return {
    server: createTlsServer({ allowHalfOpen: true, cert, key }),
    event: 'secureConnection',
    dial: (port) => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }),
  };
}

for (const [name, make] of Object.entries({ plain, secure })) {
  t.test(`${name}: into the shared buffer, then as data again, then the end`, async (t) => {
    const { server, event, dial } = make();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, event) as Promise<[Socket]>;
    const client = dial((server.address() as AddressInfo).port);
    const reads: string[] = [];
    const told = Promise.withResolvers<void>();
    let isShared = false;
    // In the event: what comes with the end of a handshake is read in the same turn.
    server.once(event, (socket: Socket) => {
      isShared = readShared(socket, (count, buffer) => {
        t.equal(buffer, sharedBuffer);
        reads.push(buffer.toString('latin1', 0, count));
        told.resolve();
      });
    });
    client.write('one');
    const [socket] = await accepted;
    t.equal(isShared, true, 'a Node that hides it makes each small request a tenth dearer: look at shared-reads.ts');
    t.equal(
      readShared(socket, () => undefined),
      false,
      'once',
    );
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
    client.destroy();
    server.close();
    await once(server, 'close');
  });
}
