// Limits of a route: how many requests of one key in a time (GCRA), and how many at once. Keys are bounded: the oldest are forgotten.

import type { Clock } from '../../src/runtime/index.ts';
import type { RateLimit, RequestKey } from './options-record.ts';
import type { RequestFacts } from './request-facts.ts';

/** Keys held for each limit; clients choose some of them. */
const mostKeys = 20_000;
/** Of a key made of what a client sends. */
const mostKeyLength = 256;

export type KeyOf = (facts: RequestFacts) => string;

function keyReader(key: RequestKey): KeyOf {
  switch (key.by) {
    case 'host':
      return ({ request }) => request.host;
    case 'client':
      return ({ client }) => client;
    case 'header': {
      const name = key.name.toLowerCase();
      return ({ request }) => (request.fields.get(name) ?? '').slice(0, mostKeyLength);
    }
  }
}

/** Seconds until the request may come again; 0: now. */
export type Rate = (facts: RequestFacts) => number;

/** `shares`: among how many workers the rates are divided. */
export function rateLimiter(limit: RateLimit, shares: number, clock: Clock): Rate {
  const keyOf = keyReader(limit.key);
  const rates = limit.rates
    .filter(({ average, periodMs }) => average > 0 && periodMs > 0)
    .map(({ periodMs, average, burst }) => ({
      intervalMs: (periodMs / average) * shares,
      burst: Math.max(1, Math.ceil(burst / shares)),
      /** For each key, when its bucket is empty again ("theoretical arrival time"). */
      free: new Map<string, number>(),
    }));
  return (facts) => {
    const now = clock.monotonic();
    const key = keyOf(facts);
    let waitMs = 0;
    for (const { free, intervalMs, burst } of rates)
      waitMs = Math.max(waitMs, Math.max(free.get(key) ?? 0, now) + intervalMs - burst * intervalMs - now);
    if (waitMs > 0) return Math.max(1, Math.ceil(waitMs / 1000));
    for (const { free, intervalMs } of rates) {
      const until = Math.max(free.get(key) ?? 0, now) + intervalMs;
      free.delete(key);
      free.set(key, until);
      forgetOldest(free);
    }
    return 0;
  };
}

/** Requests under way. */
export interface InFlight {
  /** Null: too many of this key already. Otherwise what to call at the request's end, once. */
  enter(facts: RequestFacts): (() => void) | null;
}

export function inFlightLimiter(rule: { readonly amount: number; readonly key: RequestKey }, shares: number): InFlight {
  const keyOf = keyReader(rule.key);
  const most = Math.max(1, Math.ceil(rule.amount / shares));
  const counts = new Map<string, number>();
  return {
    enter(facts) {
      const key = keyOf(facts);
      const now = counts.get(key) ?? 0;
      if (now >= most) return null;
      counts.set(key, now + 1);
      return () => {
        const left = (counts.get(key) ?? 1) - 1;
        if (left > 0) counts.set(key, left);
        else counts.delete(key);
      };
    },
  };
}

function forgetOldest(keys: Map<string, unknown>): void {
  if (keys.size <= mostKeys) return;
  for (const oldest of keys.keys()) {
    keys.delete(oldest);
    return;
  }
}
