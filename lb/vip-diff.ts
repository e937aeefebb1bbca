// What has to be done to get from one table of VIPs to another: nothing that stays is touched, and a changed weight is a change of its own.

import { sameRecord, type Backend } from '../src/cluster/index.ts';
import type { Table, TableChange } from '../src/ports/index.ts';
import type { VipRecord } from './vip-record.ts';

export interface BackendDiff {
  readonly added: readonly Backend[];
  readonly removed: readonly Backend[];
  /** In both, with another weight: as it is now. */
  readonly weighted: readonly Backend[];
}

/** By key; the order does not count (specs/l4lb.md §3). */
export function diffBackends(before: readonly Backend[], after: readonly Backend[]): BackendDiff {
  const old = new Map(before.map((backend) => [backend.key, backend]));
  const added: Backend[] = [];
  const weighted: Backend[] = [];
  for (const backend of after) {
    const known = old.get(backend.key);
    old.delete(backend.key);
    if (known === undefined) added.push(backend);
    else if (known.weight !== backend.weight) weighted.push(backend);
  }
  return { added, removed: [...old.values()], weighted };
}

/** VIPs of `after` that `before` has not, or has otherwise, and those that are gone. */
export function diffVips(before: Table<VipRecord>, after: Table<VipRecord>): TableChange<VipRecord> {
  return {
    set: [...after].filter(([key, record]) => !sameVip(before.get(key), record)),
    removed: [...before.keys()].filter((key) => !after.has(key)),
  };
}

function sameVip(before: VipRecord | undefined, after: VipRecord): boolean {
  if (before === undefined) return false;
  const { set: setBefore, ...restBefore } = before;
  const { set: setAfter, ...restAfter } = after;
  if (!sameRecord(restBefore, restAfter) || setBefore.backends.length !== setAfter.backends.length) return false;
  const old = new Map(setBefore.backends.map((backend) => [backend.key, backend]));
  return setAfter.backends.every((backend) => sameRecord(old.get(backend.key), backend));
}
