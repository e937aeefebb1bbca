// Addresses of named VIPs: asks the allocator when the names change, keeps what it gave over a restart, and agrees with whoever else
// writes to the store: who is first gives the address, others follow with their next change.

import type { ClusterEvent } from '../cluster/index.ts';
import type { Store } from '../ports/index.ts';
import { messageOf, type Clock, type Logger } from '../runtime/index.ts';
import type { Allocation } from './pipeline.ts';

const key = 'vips/addresses';

/** What the VIP view wants addresses for. */
export interface WantedNames {
  wantedNames(): Iterable<string>;
  explicitAddresses(): Iterable<string>;
  readonly namesVersion: number;
}

export interface NamedAddresses {
  assign(wanted: Iterable<string>, taken: Iterable<string>): ClusterEvent[];
  adopt(state: unknown): void;
  dump(): unknown;
}

const mostAttempts = 5;
/** After a store that could not be written. */
const retryMs = 10_000;

const parsed = (saved: Uint8Array | null): unknown =>
  saved === null ? undefined : (JSON.parse(Buffer.from(saved).toString()) as unknown);

/** The state that an earlier run saved; undefined where there is none that can be read. */
export async function loadAddresses(store: Store | null, log: Logger): Promise<unknown> {
  try {
    return parsed((await store?.read(key)) ?? null);
  } catch (error) {
    log.warn(
      { error: messageOf(error) },
      'saved addresses of VIPs cannot be read; conflicting names may change places',
    );
    return undefined;
  }
}

export function createAllocation(
  wanted: WantedNames,
  addresses: NamedAddresses,
  store: Store | null,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Allocation {
  let assignedVersion = -1;
  let isSaving = false;
  let isStale = false;
  /** What the store held when we wrote or read it last. */
  let held: Uint8Array | null = null;
  let onMoved: () => void = () => undefined;

  async function save(to: Store): Promise<void> {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const next = Buffer.from(JSON.stringify(addresses.dump()));
      if (await to.compareAndSet(key, held, next)) {
        held = next;
        return;
      }
      held = await to.read(key);
      addresses.adopt(parsed(held));
      assignedVersion = -1;
      onMoved();
    }
    throw new Error(`others wrote first ${mostAttempts} times`);
  }

  /** One after the other; what changes meanwhile is saved with the next. */
  async function saveAll(to: Store): Promise<void> {
    isSaving = true;
    try {
      do {
        isStale = false;
        await save(to);
      } while (isStale);
    } catch (error) {
      log.warn(
        { error: messageOf(error) },
        'addresses of VIPs cannot be saved; after a restart conflicting names may change places',
      );
      clock.after(retryMs, () => void (isSaving || saveAll(to)));
    } finally {
      isSaving = false;
    }
  }

  return {
    assign() {
      if (wanted.namesVersion === assignedVersion) return [];
      assignedVersion = wanted.namesVersion;
      const events = addresses.assign(wanted.wantedNames(), wanted.explicitAddresses());
      if (events.length > 0 && store !== null) {
        isStale = true;
        if (!isSaving) void saveAll(store);
      }
      return events;
    },
    watch(listener) {
      onMoved = listener;
    },
  };
}

export const noAllocation: Allocation = { assign: () => [], watch: () => undefined };
