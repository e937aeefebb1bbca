// Keepalive for sockets that live on: most connections are over before a probe could be due, and are spared the four system calls.

import type { Socket } from 'node:net';
import type { Clock, Timer } from './clock.ts';

export interface KeepAlives {
  /** Has probes sent on `socket` once it is silent, if it is still there after a few seconds. */
  enter(socket: Socket): void;
  /** It has closed. */
  leave(socket: Socket): void;
}

/** Without a byte for this long a peer is asked whether it is there (specs/l4lb.md §7.15). */
const silenceMs = 15_000;
const sweepMs = 5_000;

export function createKeepAlives(clock: Clock): KeepAlives {
  let young = new Set<Socket>();
  let older = new Set<Socket>();
  let timer: Timer | null = null;

  const sweep = (): void => {
    for (const socket of older) socket.setKeepAlive(true, silenceMs);
    older = young;
    young = new Set();
    timer = older.size === 0 ? null : clock.after(sweepMs, sweep);
  };

  return {
    enter(socket) {
      young.add(socket);
      timer ??= clock.after(sweepMs, sweep);
    },
    leave(socket) {
      if (!young.delete(socket)) older.delete(socket);
      if (young.size + older.size > 0) return;
      timer?.cancel();
      timer = null;
    },
  };
}
