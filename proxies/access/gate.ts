// The gate at a listener: how many connections, in all and of one client, and how many new ones a second. Refusals cost next to nothing.

import { isLoopback, type Clock } from '../../src/runtime/index.ts';
import type { DescriptorBudget } from './descriptors.ts';
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

/** Which limit kept somebody out. */
export type GateLimit = 'connections' | 'client' | 'rate' | 'descriptors';

export interface GateOptions {
  readonly onHit?: (limit: GateLimit) => void;
  /** Of the process; without bounds where absent. */
  readonly descriptors?: DescriptorBudget;
}

export function createGate(limits: AccessLimits, clock: Clock, { onHit, descriptors }: GateOptions = {}): Gate {
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

  const refuse = (limit: GateLimit): 'limit' | 'rate' => {
    onHit?.(limit);
    return limit === 'rate' ? 'rate' : 'limit';
  };

  return {
    enter(client) {
      if (active >= limits.connections) return refuse('connections');
      if (!isLoopback(client)) {
        const guest = guestOf(client);
        if (guest.connections >= limits.perClient) return refuse('client');
        const now = clock.monotonic();
        guest.tokens = refilled(guest, limits, now);
        guest.filledAt = now;
        if (guest.tokens < 1) return refuse('rate');
        if (descriptors?.take() === false) return refuse('descriptors');
        guest.tokens--;
        guest.connections++;
      } else if (descriptors?.take() === false) return refuse('descriptors');
      active++;
      return null;
    },
    leave(client) {
      active--;
      descriptors?.give();
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
