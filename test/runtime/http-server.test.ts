// A server that stops resets nobody who has just connected.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import t from 'tap';
import { closeHttpServer } from '../../src/runtime/index.ts';

const call = 'GET / HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n';

async function connected(server: Server): Promise<Socket> {
  const accepted = once(server, 'connection');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await Promise.all([once(socket, 'connect'), accepted]);
  return socket;
}

async function listening(server: Server): Promise<Server> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

t.test('a request on a connection that was accepted before the stop is answered', async (t) => {
  const server = await listening(createServer((_, response) => response.end('here')));
  const socket = await connected(server);
  const closed = closeHttpServer(server);
  socket.write(call);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  t.match(answer.toString('latin1'), /^HTTP\/1\.1 200/);
  await closed;
  t.notOk(server.listening);
});

t.test('a connection that never asks is closed', async (t) => {
  const server = await listening(createServer());
  const socket = await connected(server);
  const ended = once(socket.resume(), 'end');
  await closeHttpServer(server);
  await ended;
  t.notOk(server.listening);
});

t.test('a server that never listened is stopped', async (t) => {
  const server = createServer();
  await closeHttpServer(server);
  t.notOk(server.listening);
});
