// A whole table on its way from control to a worker whose planes alone keep it: rows that the table has already are let go at once, and
// a plane that has none yet, or lost it, takes them as they come. Half a million parsed rows never stand in memory together.

import type { TableLoad } from '../ports/index.ts';
import { HashedTable, type AnyChange, type AnyRecord } from './tables.ts';

export interface Incoming {
  take(key: string, record: AnyRecord): void;
  /** All rows came: the table there is now, and what changed in it; null where the planes are to take it as a whole. */
  end(): { readonly table: HashedTable; readonly change: AnyChange | null };
}

/** For planes that take the table as a whole. */
export function incomingLoad(loads: readonly TableLoad<AnyRecord>[]): Incoming {
  const table = new HashedTable();
  return {
    take(key, record) {
      table.apply({ set: [[key, record]], removed: [] });
      for (const load of loads) load.take(key, record);
    },
    end: () => ({ table, change: null }),
  };
}

/** For planes that serve by `table`. */
export function incomingDifference(table: HashedTable): Incoming {
  const seen = new Set<string>();
  const set: (readonly [string, AnyRecord])[] = [];
  return {
    take(key, record) {
      seen.add(key);
      if (!table.holds(key, record)) set.push([key, record]);
    },
    end() {
      const change = { set, removed: [...table.keys()].filter((key) => !seen.has(key)) };
      table.apply(change);
      return { table, change };
    },
  };
}
