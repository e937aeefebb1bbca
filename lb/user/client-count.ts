// How many connections each client has, where that is limited.

import { parseIPv6 } from '../../src/cluster/index.ts';
import { isLoopback } from '../../src/runtime/index.ts';

export interface ClientCount {
  /** Counts a connection of the client at `address`; false, uncounted, where it has all that it may have. */
  enter(address: string): boolean;
  /** Once for each `enter` that was true. */
  leave(address: string): void;
}

/**
 * `most`: connections of one IPv4 address or one IPv6 /64; 0: no limit. `spares`: addresses that are not counted; by default loopback,
 * which many clients stand behind.
 */
export function createClientCount(most: number, spares: (address: string) => boolean = isLoopback): ClientCount {
  const counts = new Map<string, number>();
  const isFree = (address: string): boolean => most === 0 || spares(address);
  return {
    enter(address) {
      if (isFree(address)) return true;
      const key = clientOf(address);
      const now = (counts.get(key) ?? 0) + 1;
      if (now > most) return false;
      counts.set(key, now);
      return true;
    },
    leave(address) {
      const key = isFree(address) ? '' : clientOf(address);
      const now = counts.get(key);
      if (now === undefined) return;
      if (now > 1) counts.set(key, now - 1);
      else counts.delete(key);
    },
  };
}

/** What stands for one client: its IPv4 address, or the /64 of its IPv6 address. */
export function clientOf(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  return parseIPv6(plain)?.slice(0, 4).join(':') ?? plain;
}
