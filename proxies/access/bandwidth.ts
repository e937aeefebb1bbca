// Bandwidth: token buckets of a connection, its user and its listener. Who has read more than is there stops reading until a tick of 20 ms
// finds all of its buckets filled again.

import type { Clock, Shaper, Timer } from '../../src/runtime/index.ts';

export interface Bucket {
  /** Bytes that may still be read; below zero: a debt. */
  tokens: number;
  filledAt: number;
  readonly perSecond: number;
}

export interface Bandwidth {
  bucket(perSecond: number): Bucket;
  /** Bytes read count against each of `buckets`; null where there are none. */
  shaper(buckets: readonly Bucket[]): Shaper | null;
}

const tickMs = 20;
/** A pause is made good within this time. */
const burstSeconds = 0.1;

interface Waiting {
  readonly buckets: readonly Bucket[];
  readonly resume: () => void;
}

/** Full. */
export const createBucket = (perSecond: number, clock: Clock): Bucket => ({
  tokens: perSecond * burstSeconds,
  filledAt: clock.monotonic(),
  perSecond,
});

export function createBandwidth(clock: Clock): Bandwidth {
  let waiting: Waiting[] = [];
  let timer: Timer | null = null;

  function fill(bucket: Bucket): void {
    const now = clock.monotonic();
    const most = bucket.perSecond * burstSeconds;
    bucket.tokens = Math.min(most, bucket.tokens + ((now - bucket.filledAt) / 1000) * bucket.perSecond);
    bucket.filledAt = now;
  }

  const isFilled = (bucket: Bucket): boolean => {
    fill(bucket);
    return bucket.tokens > 0;
  };

  function tick(): void {
    timer = null;
    const before = waiting;
    waiting = [];
    // What one reads comes later than this turn: those that share a bucket may overdraw it together, and pay for it together.
    for (const one of before) {
      if (one.buckets.every(isFilled)) one.resume();
      else waiting.push(one);
    }
    if (waiting.length > 0) timer ??= clock.after(tickMs, tick);
  }

  return {
    bucket: (perSecond) => createBucket(perSecond, clock),
    shaper: (buckets) =>
      buckets.length === 0
        ? null
        : {
            take(bytes, resume) {
              let isSpent = false;
              for (const bucket of buckets) {
                bucket.tokens -= bytes;
                if (bucket.tokens <= 0 && !isFilled(bucket)) isSpent = true;
              }
              if (!isSpent) return true;
              waiting.push({ buckets, resume });
              timer ??= clock.after(tickMs, tick);
              return false;
            },
          },
  };
}
