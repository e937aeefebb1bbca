// Addresses of named VIPs: asks the allocator when the names change, and keeps what it gave over a restart.

import type { ClusterEvent } from '../cluster/index.ts';
import type { Store } from '../ports/index.ts';
import { messageOf, type Logger } from '../runtime/index.ts';
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
  dump(): unknown;
}

/** The state that an earlier run saved; undefined where there is none that can be read. */
export async function loadAddresses(store: Store | null, log: Logger): Promise<unknown> {
  try {
    const saved = (await store?.read(key)) ?? null;
    return saved === null ? undefined : (JSON.parse(Buffer.from(saved).toString()) as unknown);
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
  log: Logger,
): Allocation {
  let assignedVersion = -1;
  const save = (): void => {
    store?.write(key, Buffer.from(JSON.stringify(addresses.dump()))).catch((error: unknown) => {
      log.warn(
        { error: messageOf(error) },
        'addresses of VIPs cannot be saved; after a restart conflicting names may change places',
      );
    });
  };
  return {
    assign() {
      if (wanted.namesVersion === assignedVersion) return [];
      assignedVersion = wanted.namesVersion;
      const events = addresses.assign(wanted.wantedNames(), wanted.explicitAddresses());
      if (events.length > 0) save();
      return events;
    },
  };
}

export const noAllocation: Allocation = { assign: () => [] };
