// One address and port of a VIP: a socket that is opened, retried while it cannot be, and closed.
//
// States: closed → opening → open → closing → closed; opening → failed (retry timer) → opening.

import { createBackoff, type Backoff, type Clock, type Random, type Timer } from '../../src/runtime/index.ts';

/** A socket that is open. */
export interface OpenSocket {
  /** Takes what is waiting, then stops. What came before goes on. */
  finish(): Promise<void>;
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
  return new RetriedListener(options);
}

class RetriedListener implements VipListener {
  readonly #options: VipListenerOptions;
  #socket: OpenSocket | null = null;
  /** From the first failure on. */
  #backoff: Backoff | null = null;
  #retry: Timer | null = null;
  #isClosed = false;

  constructor(options: VipListenerOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#socket !== null;
  }

  async open(): Promise<void> {
    this.#retry = null;
    const opened = await this.#options.open();
    if (typeof opened === 'string') {
      if (!this.#isClosed) this.#tryAgain(opened);
    } else if (this.#isClosed) {
      await opened.finish();
    } else {
      this.#socket = opened;
      this.#options.onAttempt(null);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#retry?.cancel();
    const open = this.#socket;
    this.#socket = null;
    await open?.finish();
  }

  #tryAgain(code: string): void {
    const { clock, random, onAttempt } = this.#options;
    onAttempt(code);
    this.#backoff ??= createBackoff({ firstMs: firstRetryMs, mostMs: mostRetryMs, random });
    this.#retry = clock.after(this.#backoff.next(), () => void this.open());
  }
}
