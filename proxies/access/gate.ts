// The gate at a listener: how many connections, in all and of one client, and how many new ones a second. Refusals cost next to nothing.

import { isLoopback, type Clock } from '../../src/runtime/index.ts';
import type { AccessLimits } from './settings.ts';

export interface Gate {
  /** Lets a client in (null), or says why not. Each entry is followed by one `leave`, a refusal by none. */
  enter(client: string): 'limit' | 'rate' | null;
  leave(client: string): void;
  readonly active: number;
}

interface Guest {
  connections: number;
  tokens: number;
  filledAt: number;
}

/** Above this many remembered clients those that have left and are forgiven are swept out. */
const manyGuests = 20_000;

export function createGate(limits: AccessLimits, clock: Clock): Gate {
  const guests = new Map<string, Guest>();
  let active = 0;

  function sweep(): void {
    for (const [client, guest] of guests) {
      if (guest.connections === 0 && refilled(guest, limits, clock.monotonic()) >= limits.burstPerClient)
        guests.delete(client);
    }
  }

  function guestOf(client: string): Guest {
    let guest = guests.get(client);
    if (guest !== undefined) return guest;
    if (guests.size >= manyGuests) sweep();
    guest = { connections: 0, tokens: limits.burstPerClient, filledAt: clock.monotonic() };
    guests.set(client, guest);
    return guest;
  }

  return {
    enter(client) {
      if (active >= limits.connections) return 'limit';
      if (!isLoopback(client)) {
        const guest = guestOf(client);
        if (guest.connections >= limits.perClient) return 'limit';
        const now = clock.monotonic();
        guest.tokens = refilled(guest, limits, now);
        guest.filledAt = now;
        if (guest.tokens < 1) return 'rate';
        guest.tokens--;
        guest.connections++;
      }
      active++;
      return null;
    },
    leave(client) {
      active--;
      const guest = guests.get(client);
      if (guest !== undefined && !isLoopback(client)) guest.connections--;
    },
    get active() {
      return active;
    },
  };
}

function refilled(guest: Guest, limits: AccessLimits, now: number): number {
  if (limits.newPerClient === Infinity) return limits.burstPerClient;
  return Math.min(limits.burstPerClient, guest.tokens + ((now - guest.filledAt) / 1000) * limits.newPerClient);
}
