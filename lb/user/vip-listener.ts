// One address and port of a VIP: a socket that is opened, retried while it cannot be, and closed.
//
// States: closed → opening → open → closing → closed; opening → failed (retry timer) → opening.

import { createBackoff, type Clock, type Random, type Timer } from '../../src/runtime/index.ts';

/** A socket that is open. */
export interface OpenSocket {
  /** Takes what is waiting, then stops. What came before goes on. */
  close(): Promise<void>;
}

export interface VipListenerOptions {
  /** One attempt; the system's code where it failed. Never rejects. */
  readonly open: () => Promise<OpenSocket | string>;
  readonly clock: Clock;
  readonly random: Random;
  /** After each attempt; `code` is the system's, null: it is open now. */
  readonly onAttempt: (code: string | null) => void;
}

export interface VipListener {
  /** Resolves after the first attempt, whatever came of it; others follow with back-off. */
  open(): Promise<void>;
  close(): Promise<void>;
  readonly isOpen: boolean;
}

const firstRetryMs = 2000;
const mostRetryMs = 60_000;

export function createVipListener(options: VipListenerOptions): VipListener {
  const backoff = createBackoff({ firstMs: firstRetryMs, mostMs: mostRetryMs, random: options.random });
  let socket: OpenSocket | null = null;
  let retry: Timer | null = null;
  let isClosed = false;

  async function attempt(): Promise<void> {
    retry = null;
    const opened = await options.open();
    if (typeof opened === 'string') {
      if (isClosed) return;
      options.onAttempt(opened);
      retry = options.clock.after(backoff.next(), () => void attempt());
    } else if (isClosed) {
      await opened.close();
    } else {
      socket = opened;
      options.onAttempt(null);
    }
  }

  return {
    open: attempt,
    async close() {
      isClosed = true;
      retry?.cancel();
      const open = socket;
      socket = null;
      await open?.close();
    },
    get isOpen() {
      return socket !== null;
    },
  };
}
