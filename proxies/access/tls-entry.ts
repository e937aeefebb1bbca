// A client's TLS on an accepted connection: the handshake with a deadline, and who ends the stream when the connection is cut.

import type { Socket } from 'node:net';
import { resetSocket, type Clock } from '../../src/runtime/index.ts';
import { mostHelloBytes, parseClientHello, peek, type ClientHello } from '../tls/index.ts';

/**
 * A TLS socket around `socket`, whose ClientHello waits in it, that emits `secure` once, or `error`; null: there is no certificate yet.
 * `serverName` null: the client names none.
 */
export type Secure = (socket: Socket, serverName: string | null) => Socket | null;

/** Streams by the connections that they stand on: the stream has the descriptor, so that cutting the connection alone cuts nothing. */
const streams = new WeakMap<Socket, Socket>();

/** Null, and both ended, where the handshake fails or takes longer than `withinMs`. */
export async function enterTls(socket: Socket, secure: Secure, withinMs: number, clock: Clock): Promise<Socket | null> {
  const deadline = clock.monotonic() + withinMs;
  const hello = await clientHello(socket, withinMs, clock);
  // A connection that was cut meanwhile is nobody's any more.
  const stream = hello === null || socket.destroyed ? null : secure(socket, hello.serverName);
  if (stream === null) {
    socket.destroy();
    return null;
  }
  streams.set(socket, stream);
  if (await handshake(stream, Math.max(1, deadline - clock.monotonic()), clock)) return stream;
  stream.destroy();
  socket.destroy();
  return null;
}

/** Ends a connection at once: by a reset where it is plain and none of its FIN is on the way. */
export function cutConnection(socket: Socket): void {
  streams.get(socket)?.destroy();
  resetSocket(socket);
}

/** Read before the handshake, as it decides on the certificates: what is given to Node in the middle of one is a single certificate. */
function clientHello(socket: Socket, withinMs: number, clock: Clock): Promise<ClientHello | null> {
  return new Promise((resolve) => {
    peek<ClientHello>(
      socket,
      { clock, withinMs, mostBytes: mostHelloBytes + 1024 },
      (bytes) => {
        const hello = parseClientHello(bytes);
        if (hello === 'more') return 'more';
        return { found: 'refused' in hello ? null : hello, eaten: 0 };
      },
      resolve,
    );
  });
}

function handshake(stream: Socket, withinMs: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (secured: boolean): void => {
      deadline.cancel();
      stream.off('secure', onSecure).off('close', onClose);
      resolve(secured);
    };
    const onSecure = (): void => settle(true);
    const onClose = (): void => settle(false);
    const deadline = clock.after(withinMs, onClose);
    stream.on('error', onClose);
    stream.once('secure', onSecure).once('close', onClose);
  });
}
