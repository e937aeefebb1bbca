// Connected sockets and servers on loopback for tests.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface SocketPair {
  readonly client: Socket;
  readonly server: Socket;
}

/** Two ends of one connection, both half-open capable; `dial` makes the client end. */
export async function socketPair(dial: (port: number) => Socket = dialPlain): Promise<SocketPair> {
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const port = await listen(listener);
  const accepted = once(listener, 'connection');
  const client = dial(port);
  const [server] = (await accepted) as [Socket];
  if (client.connecting) await once(client, 'connect');
  listener.close();
  return { client, server };
}

export const dialPlain = (port: number): Socket => connect({ host: '127.0.0.1', port, allowHalfOpen: true });

export async function listen(server: Server, host = '127.0.0.1', port = 0): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Everything until FIN; rejects on an error. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).resume();
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** The code of the error that a socket ends with; '' if it closes without. */
export function closeCode(socket: Socket): Promise<string> {
  socket.resume();
  return new Promise((resolve) => {
    let code = '';
    socket.once('error', (error: NodeJS.ErrnoException) => (code = error.code ?? 'error'));
    socket.once('close', () => resolve(code));
  });
}

export function turns(count: number): Promise<void> {
  return new Promise((resolve) => {
    const next = (left: number): void => void (left === 0 ? resolve() : setImmediate(next, left - 1));
    next(count);
  });
}
