// How fast each client makes connections, where that is limited: a bucket of tokens for each, filled all the time.

import type { Clock } from '../../src/runtime/index.ts';
import type { VipRate } from '../vip-options.ts';
import { clientOf } from './client-count.ts';

export interface ClientRate {
  /** Takes a token of the client at `address`; false where it has none. */
  take(address: string): boolean;
}

interface Bucket {
  tokens: number;
  filledAt: number;
}

/** From this many clients on those with full buckets are forgotten, whenever their number has doubled. */
const fewClients = 1024;

export function createClientRate({ perSecond, burst }: VipRate, clock: Clock): ClientRate {
  const buckets = new Map<string, Bucket>();
  let most = fewClients;
  const fill = (bucket: Bucket, now: number): void => {
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.filledAt) / 1000) * perSecond);
    bucket.filledAt = now;
  };
  const forget = (now: number): void => {
    for (const [client, bucket] of buckets) {
      fill(bucket, now);
      if (bucket.tokens >= burst) buckets.delete(client);
    }
    most = Math.max(fewClients, buckets.size * 2);
  };
  return {
    take(address) {
      const now = clock.monotonic();
      const client = clientOf(address);
      let bucket = buckets.get(client);
      if (bucket === undefined) {
        if (buckets.size >= most) forget(now);
        buckets.set(client, (bucket = { tokens: burst, filledAt: now }));
      } else {
        fill(bucket, now);
      }
      if (bucket.tokens < 1) return false;
      bucket.tokens--;
      return true;
    },
  };
}
