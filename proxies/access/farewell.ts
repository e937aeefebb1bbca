// The last words to a client: what is written, then FIN, and an end even where the client never closes.

import type { Socket } from 'node:net';
import type { Clock } from '../../src/runtime/index.ts';

const lingerMs = 1_000;

/**
 * Writes `bytes`, sends FIN, and reads and drops what still comes for a second: closing with unread data would be a reset, which can
 * overtake the words.
 */
export function sayFarewell(socket: Socket, bytes: string | Uint8Array, clock: Clock): void {
  if (socket.destroyed) return;
  const deadline = clock.after(lingerMs, () => socket.destroy());
  socket.once('close', () => deadline.cancel());
  socket.removeAllListeners('data');
  socket.resume();
  socket.end(bytes, 'latin1');
}
