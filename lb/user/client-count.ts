// How many connections each client has, where that is limited. Loopback is never counted: many clients stand behind it.

import { parseIPv6 } from '../../src/cluster/index.ts';
import { isLoopback } from '../../src/runtime/index.ts';

export interface ClientCount {
  /** Counts a connection of the client at `address`; false, uncounted, where it has all that it may have. */
  enter(address: string): boolean;
  /** Once for each `enter` that was true. */
  leave(address: string): void;
}

/** `most`: connections of one IPv4 address or one IPv6 /64; 0: no limit. */
export function createClientCount(most: number): ClientCount {
  const counts = new Map<string, number>();
  return {
    enter(address) {
      if (most === 0 || isLoopback(address)) return true;
      const key = clientOf(address);
      const now = (counts.get(key) ?? 0) + 1;
      if (now > most) return false;
      counts.set(key, now);
      return true;
    },
    leave(address) {
      const key = most === 0 || isLoopback(address) ? '' : clientOf(address);
      const now = counts.get(key);
      if (now === undefined) return;
      if (now > 1) counts.set(key, now - 1);
      else counts.delete(key);
    },
  };
}

function clientOf(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  return parseIPv6(plain)?.slice(0, 4).join(':') ?? plain;
}
