// Response rate limiting: equal answers over UDP to one network, by the second. What is sent to a forged address stays small; a real
// client comes back over TCP, or shows a cookie.

import type { CidrMatcher } from '../src/runtime/index.ts';
import { canonicalAddress, rcode, type Query } from './wire/index.ts';

export interface RateLimit {
  /** Equal answers to one network (/24, /56) in a second. */
  readonly perSecond: number;
  /** Every n-th answer above that goes out truncated; 0: none. */
  readonly slip: number;
  readonly exempt: CidrMatcher;
}

export type RateVerdict = 'send' | 'truncate' | 'drop';

export interface RateLimiter {
  judge(query: Query, code: number, client: string): RateVerdict;
}

/** Beyond as many different answers in a second, those to a network count together. */
const mostCounted = 50_000;

/** `now` in monotonic milliseconds. */
export function createRateLimiter({ perSecond, slip, exempt }: RateLimit, now: () => number): RateLimiter {
  const counts = new Map<string, number>();
  let second = Math.floor(now() / 1000);
  return {
    judge(query, code, client) {
      if (exempt.has(client)) return 'send';
      const current = Math.floor(now() / 1000);
      if (current !== second) {
        second = current;
        counts.clear();
      }
      const network = networkOf(client);
      // Denials of random names are all the same to who is flooded with them.
      const subject = code === rcode.noError && counts.size < mostCounted ? `${query.type} ${query.key}` : `${code}`;
      const key = `${network} ${subject}`;
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      if (count <= perSecond) return 'send';
      return slip > 0 && (count - perSecond) % slip === 0 ? 'truncate' : 'drop';
    },
  };
}

function networkOf(client: string): string {
  if (!client.includes(':')) return client.slice(0, client.lastIndexOf('.'));
  const address = canonicalAddress(client.replace(/%.*$/, '')) ?? client;
  if (!address.includes(':')) return address.slice(0, address.lastIndexOf('.'));
  const [head = ''] = address.split('::');
  const groups = [...head.split(':').filter((group) => group !== ''), '0', '0', '0', '0'].slice(0, 4);
  return [...groups.slice(0, 3), (parseInt(groups[3] ?? '0', 16) >> 8).toString(16)].join(':');
}
