// Plane of the table `forwards`: who serves an app's port now, in the order in which a connection tries them.

import type { Picker, Plane, Policy } from '../../src/ports/index.ts';
import type { Random } from '../../src/runtime/index.ts';
import type { TargetEntry } from './target-record.ts';

export interface TargetAddress {
  readonly ip: string;
  readonly port: number;
}

/** Addresses in the order in which they are to be tried, or why there is none. */
export type Places = readonly TargetAddress[] | { readonly rejected: string };

export interface ForwardTargets {
  readonly plane: Plane<TargetEntry>;
  /** `key` as `targetKey` writes it. */
  places(key: string): Places;
}

/** More backends of one app are not tried for one connection. */
const mostTries = 3;

interface Held {
  readonly picker: Picker;
  readonly reason: string | null;
}

export function createForwardTargets(policy: Policy, random: Random): ForwardTargets {
  let held = new Map<string, Held>();
  const hold = (record: TargetEntry, former: Held | undefined): Held => ({
    picker: policy(record, former?.picker ?? null),
    reason: record.reason,
  });
  return {
    plane: {
      name: 'forwards',
      replace(table) {
        held = new Map([...table].map(([key, record]) => [key, hold(record, held.get(key))]));
      },
      apply(change) {
        for (const key of change.removed) held.delete(key);
        for (const [key, record] of change.set) held.set(key, hold(record, held.get(key)));
      },
    },
    places(key) {
      const found = held.get(key);
      if (found === undefined) return { rejected: 'the cluster is not known yet' };
      const picked = pickInTurn(found.picker, (random() * 0x1_0000_0000) >>> 0);
      return picked.length > 0 ? picked : { rejected: found.reason ?? 'no task of it takes connections' };
    },
  };
}

/** Different backends, the policy's choice first. */
export function pickInTurn(picker: Picker, hash: number): readonly TargetAddress[] {
  const tried = new Set<string>();
  const picked: TargetAddress[] = [];
  while (picked.length < mostTries) {
    const backend = picker.pick({ hash, tried });
    if (backend === null || tried.has(backend.key)) break;
    tried.add(backend.key);
    picked.push({ ip: backend.ip, port: backend.port });
  }
  return picked;
}
