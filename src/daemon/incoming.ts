// A whole table on its way from control to a worker whose planes alone keep it: rows that the table has already are let go at once, and
// a plane that has none yet, or lost it, takes them as they come. Half a million parsed rows never stand in memory together.

import type { TableLoad } from '../ports/index.ts';
import { Fingerprints } from './fingerprints.ts';
import type { AnyChange, AnyRecord } from './tables.ts';

export interface Incoming {
  take(key: string, record: AnyRecord): void;
  /** All rows came: the table there is now, and what changed in it; null where the planes are to take it as a whole. */
  end(): { readonly table: Fingerprints; readonly change: AnyChange | null };
}

/** For planes that take the table as a whole. */
export function incomingLoad(loads: readonly TableLoad<AnyRecord>[]): Incoming {
  const table = new Fingerprints();
  return {
    take(key, record) {
      table.set(key, record);
      for (const load of loads) load.take(key, record);
    },
    end: () => ({ table, change: null }),
  };
}

/** For planes that serve by `table`; `keys`: those of their rows. */
export function incomingDifference(table: Fingerprints, keys: () => Iterable<string>): Incoming {
  const seen = new Fingerprints();
  const set: (readonly [string, AnyRecord])[] = [];
  let known = 0;
  return {
    take(key, record) {
      if (table.has(key) && !seen.has(key)) known++;
      seen.set(key, null);
      if (!table.holds(key, record)) set.push([key, record]);
    },
    end() {
      const removed = known === table.size ? [] : [...keys()].filter((key) => !seen.has(key));
      const change = { set, removed };
      table.apply(change);
      // What went has other keys than those that the plane gives its rows.
      return table.size === seen.size ? { table, change } : { table: new Fingerprints(), change: null };
    },
  };
}
