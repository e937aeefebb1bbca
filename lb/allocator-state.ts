// The allocator's state as it is kept over restarts: written by `dump`, read back with distrust.

import type { Allocation } from '../src/cluster/index.ts';

/** Plain JSON. */
export interface AllocatorState {
  readonly assigned: readonly (readonly [name: string, allocation: Allocation])[];
  /** `until`: epoch milliseconds. */
  readonly released: readonly (readonly [name: string, allocation: Allocation, until: number])[];
}

/** What of `value` is state; an address that stands twice belongs to the first. */
export function readState(value: unknown): AllocatorState {
  const seen = new Set<string>();
  const once = (ip: unknown): string | null => {
    if (typeof ip !== 'string' || seen.has(ip)) return null;
    seen.add(ip);
    return ip;
  };
  const assigned = entriesOf(value, 'assigned').flatMap(([name, held]) =>
    typeof name === 'string' && isFields(held)
      ? [[name, { ip4: once(held['ip4']), ip6: once(held['ip6']) }] as const]
      : [],
  );
  const released = entriesOf(value, 'released').flatMap(([name, held, until]) =>
    typeof name === 'string' && isFields(held) && typeof until === 'number'
      ? [[name, { ip4: once(held['ip4']), ip6: once(held['ip6']) }, until] as const]
      : [],
  );
  return { assigned, released };
}

function entriesOf(value: unknown, field: string): readonly (readonly unknown[])[] {
  const list: unknown = isFields(value) ? value[field] : undefined;
  return Array.isArray(list) ? list.filter((entry): entry is readonly unknown[] => Array.isArray(entry)) : [];
}

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
