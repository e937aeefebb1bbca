// A client's TLS on an accepted connection: the handshake with a deadline, and who ends the stream when the connection is cut.

import type { Socket } from 'node:net';
import { resetSocket, type Clock } from '../../src/runtime/index.ts';

/** A TLS socket around `socket` that emits `secure` once, or `error`; null: there is no certificate yet. */
export type Secure = (socket: Socket) => Socket | null;

/** Streams by the connections that they stand on: the stream has the descriptor, so that cutting the connection alone cuts nothing. */
const streams = new WeakMap<Socket, Socket>();

/** Null, and both ended, where the handshake fails or takes longer than `withinMs`. */
export async function enterTls(socket: Socket, secure: Secure, withinMs: number, clock: Clock): Promise<Socket | null> {
  const stream = secure(socket);
  if (stream === null) {
    socket.destroy();
    return null;
  }
  streams.set(socket, stream);
  if (await handshake(stream, withinMs, clock)) return stream;
  stream.destroy();
  socket.destroy();
  return null;
}

/** Ends a connection at once: by a reset where it is plain and none of its FIN is on the way. */
export function cutConnection(socket: Socket): void {
  streams.get(socket)?.destroy();
  resetSocket(socket);
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
