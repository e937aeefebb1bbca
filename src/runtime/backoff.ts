// Backoff with full jitter: the n-th wait is random between nothing and min(first · 2ⁿ, most).

import type { Random } from './random.ts';

export interface Backoff {
  /** The next wait in milliseconds. */
  next(): number;
  /** After a success that lasted. */
  reset(): void;
}

export function createBackoff(options: {
  readonly firstMs: number;
  readonly mostMs: number;
  readonly random: Random;
}): Backoff {
  let ceiling = options.firstMs;
  return {
    next() {
      const wait = options.random() * ceiling;
      ceiling = Math.min(ceiling * 2, options.mostMs);
      return wait;
    },
    reset() {
      ceiling = options.firstMs;
    },
  };
}
