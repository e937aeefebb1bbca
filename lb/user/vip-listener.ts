// One address and port of a VIP: a listening socket that is opened, retried while it cannot be, and closed without losing what waits in
// its accept queue.
//
// States: closed → opening → open → closing → closed; opening → failed (retry timer) → opening.

import { createServer, type Server, type Socket } from 'node:net';
import { codeOf, createBackoff, type Clock, type Random, type Timer } from '../../src/runtime/index.ts';

export interface VipListenerOptions {
  readonly ip: string;
  readonly port: number;
  /** Several workers share the port. */
  readonly reusePort: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly onConnection: (socket: Socket) => void;
  /** After each attempt; `code` is the system's, null: it is open now. */
  readonly onAttempt: (code: string | null) => void;
}

export interface VipListener {
  /** Resolves after the first attempt, whatever came of it; others follow with back-off. */
  open(): Promise<void>;
  /** Takes what is waiting, then stops accepting. Open connections go on. */
  close(): Promise<void>;
  readonly isOpen: boolean;
}

const backlog = 4096;
const firstRetryMs = 2000;
const mostRetryMs = 60_000;
/** Turns of the event loop without a new connection that say that the queue is empty (node26.md §A1.3). */
const quietTurns = 4;

export function createVipListener(options: VipListenerOptions): VipListener {
  const backoff = createBackoff({ firstMs: firstRetryMs, mostMs: mostRetryMs, random: options.random });
  let server: Server | null = null;
  let retry: Timer | null = null;
  let isClosed = false;
  let accepted = 0;

  async function attempt(): Promise<void> {
    retry = null;
    const next = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      accepted++;
      options.onConnection(socket);
    });
    const code = await listening(next, options);
    if (isClosed) {
      next.close();
    } else if (code === null) {
      server = next;
      options.onAttempt(null);
    } else {
      options.onAttempt(code);
      retry = options.clock.after(backoff.next(), () => void attempt());
    }
  }

  async function drainQueue(): Promise<void> {
    for (let quiet = 0; quiet < quietTurns;) {
      const seen = accepted;
      await new Promise((resolve) => void setImmediate(resolve));
      quiet = accepted === seen ? quiet + 1 : 0;
    }
  }

  return {
    open: attempt,
    async close() {
      isClosed = true;
      retry?.cancel();
      if (server === null) return;
      await drainQueue();
      server.close();
      server = null;
    },
    get isOpen() {
      return server !== null;
    },
  };
}

/** Null, or the code of what went wrong. Never rejects. */
function listening(server: Server, options: VipListenerOptions): Promise<string | null> {
  return new Promise((resolve) => {
    // Later errors are those of single accepts (EMFILE): the listener goes on.
    server.on('error', (error) => resolve(codeOf(error) === '' ? 'unknown' : codeOf(error)));
    const { ip, port, reusePort } = options;
    server.listen({ host: ip, port, backlog, exclusive: true, reusePort }, () => resolve(null));
  });
}
