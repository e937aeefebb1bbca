// The zone by name: which records each name has and who gave them. A change touches only the names it contributes to; they are put
// together again when the change is taken.

import { sameRecord } from '../../src/cluster/index.ts';
import type { Table, TableChange } from '../../src/ports/index.ts';
import type { Contribution } from './contribution.ts';
import { compareRrs, type ZoneRecord, type ZoneRr } from './record.ts';

/** A record and its sources. Most records have one source, and a set for each would weigh more than the zone. */
interface Held {
  readonly rr: ZoneRr;
  sources: string | Set<string>;
}

export interface NameTable {
  readonly table: Table<ZoneRecord>;
  /** Names put together since the table was made. */
  readonly touchedNames: number;
  add(source: string, contributions: readonly Contribution[]): void;
  remove(source: string, contributions: readonly Contribution[]): void;
  /** Forgets every contribution; the table keeps its records until `take`. */
  clear(): void;
  /** Brings the table up to date and returns what that changed. */
  take(): TableChange<ZoneRecord>;
  /** Sources of the records of a name, in the order of its records. */
  sourcesOf(name: string): readonly (readonly string[])[];
}

export function createNameTable(): NameTable {
  const table = new Map<string, ZoneRecord>();
  const names = new Map<string, Held[]>();
  const dirty = new Set<string>();
  let touchedNames = 0;
  return {
    table,
    get touchedNames() {
      return touchedNames;
    },
    add(source, contributions) {
      for (const { name, rr } of contributions) {
        const held = names.get(name);
        if (held === undefined) names.set(name, [{ rr, sources: source }]);
        else addTo(held, rr, source);
        dirty.add(name);
      }
    },
    remove(source, contributions) {
      for (const { name, rr } of contributions) {
        const held = names.get(name);
        if (held === undefined) continue;
        removeFrom(held, rr, source);
        if (held.length === 0) names.delete(name);
        dirty.add(name);
      }
    },
    clear() {
      for (const name of names.keys()) dirty.add(name);
      names.clear();
    },
    take() {
      const set: [string, ZoneRecord][] = [];
      const removed: string[] = [];
      touchedNames += dirty.size;
      for (const name of dirty) {
        const before = table.get(name);
        const record = recordOf(name, names.get(name));
        if (record === null) {
          if (table.delete(name)) removed.push(name);
        } else if (!sameRecord(before, record)) {
          table.set(name, record);
          set.push([name, record]);
        }
      }
      dirty.clear();
      return { set, removed };
    },
    sourcesOf: (name) =>
      (names.get(name) ?? []).map(({ sources }) => (typeof sources === 'string' ? [sources] : [...sources])),
  };
}

function recordOf(name: string, held: readonly Held[] | undefined): ZoneRecord | null {
  if (held === undefined || held.length === 0) return null;
  return Object.freeze({ name, rrs: Object.freeze(held.map(({ rr }) => rr)) });
}

function addTo(held: Held[], rr: ZoneRr, source: string): void {
  const at = placeOf(held, rr);
  const found = held[at];
  if (found === undefined || compareRrs(found.rr, rr) !== 0) held.splice(at, 0, { rr, sources: source });
  else if (typeof found.sources !== 'string') found.sources.add(source);
  else if (found.sources !== source) found.sources = new Set([found.sources, source]);
}

function removeFrom(held: Held[], rr: ZoneRr, source: string): void {
  const at = placeOf(held, rr);
  const found = held[at];
  if (found === undefined || compareRrs(found.rr, rr) !== 0) return;
  if (typeof found.sources === 'string') {
    if (found.sources === source) held.splice(at, 1);
    return;
  }
  found.sources.delete(source);
  if (found.sources.size === 0) held.splice(at, 1);
}

/** Where `rr` stands or would stand: the first place whose record is not before it. */
function placeOf(held: readonly Held[], rr: ZoneRr): number {
  let low = 0;
  let high = held.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareRrs((held[middle] as Held).rr, rr) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
