// Counts what costs us more than the client that sends it: each kind has a bucket that holds a burst and refills with time.

/** What a client may do often, but not without end. */
export type Flood = 'reset' | 'control' | 'window' | 'empty';

interface Allowance {
  readonly burst: number;
  readonly perSecond: number;
}

/** A client that answers each DATA frame with two window updates earns those back (`sent`). */
const allowances: Readonly<Record<Exclude<Flood, 'reset'>, Allowance>> = {
  control: { burst: 1_000, perSecond: 100 },
  window: { burst: 10_000, perSecond: 1_000 },
  empty: { burst: 100, perSecond: 10 },
};

/** Peers that forward what others do. */
const trustedFactor = 10;

/** GOAWAY's debug text, and a metric's label. */
export const floodReasons: Readonly<Record<Flood, string>> = {
  reset: 'reset-flood',
  control: 'control-flood',
  window: 'window-update-flood',
  empty: 'empty-data-flood',
};

export class FloodGuard {
  readonly #left: Record<Flood, number>;
  readonly #allowances: Readonly<Record<Flood, Allowance>>;
  readonly #factor: number;
  #since: number;

  /** `now` in milliseconds of any clock, which all calls share. */
  constructor(resets: Allowance, isTrusted: boolean, now: number) {
    this.#allowances = { ...allowances, reset: resets };
    this.#factor = isTrusted ? trustedFactor : 1;
    this.#since = now;
    const full = (kind: Flood): number => this.#allowances[kind].burst * this.#factor;
    this.#left = { reset: full('reset'), control: full('control'), window: full('window'), empty: full('empty') };
  }

  /** False: too often. */
  allows(kind: Flood, now: number): boolean {
    if (now > this.#since) this.#refill((now - this.#since) / 1000);
    this.#since = now;
    return --this.#left[kind] >= 0;
  }

  /** A DATA frame went out, which earns the answers to it: gRPC measures the line by a PING for each round of them. */
  sent(): void {
    this.#left.window += 2;
    this.#left.control++;
  }

  #refill(seconds: number): void {
    for (const kind of ['reset', 'control', 'window', 'empty'] as const) {
      const { burst, perSecond } = this.#allowances[kind];
      this.#left[kind] = Math.min(burst * this.#factor, this.#left[kind] + perSecond * this.#factor * seconds);
    }
  }
}
