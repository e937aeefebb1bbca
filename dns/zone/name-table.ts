// The zone by name: which records each name has and who gave them. A change touches only the names it contributes to; they are put
// together again when the change is taken.

import { sameRecord } from '../../src/cluster/index.ts';
import type { Table, TableChange } from '../../src/ports/index.ts';
import type { Contribution } from './contribution.ts';
import { compareRrs, type ZoneRecord, type ZoneRr } from './record.ts';
import { noSerials, type Serials } from './serials.ts';

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

interface TableState {
  readonly table: Map<string, ZoneRecord>;
  /** One record of one source stands for itself: half of all names have no more. */
  readonly names: Map<string, Held | Held[]>;
  readonly dirty: Set<string>;
  readonly serials: Serials;
  touchedNames: number;
}

/** What a source is called whose records of a name count only where all others of the name are as bad. */
export const reserve = (source: string): string => `~${source}`;
const isReserve = (source: string): boolean => source.startsWith('~');

export function createNameTable(serials: Serials = noSerials): NameTable {
  const state: TableState = { table: new Map(), names: new Map(), dirty: new Set(), serials, touchedNames: 0 };
  const { table, names, dirty } = state;
  return {
    table,
    get touchedNames() {
      return state.touchedNames;
    },
    add(source, contributions) {
      for (const { name, rr } of contributions) {
        const held = names.get(name);
        if (held === undefined) names.set(name, { rr, sources: source });
        else if (Array.isArray(held)) addTo(held, rr, source);
        else if (compareRrs(held.rr, rr) === 0) addSource(held, source);
        else {
          const several = [held];
          addTo(several, rr, source);
          names.set(name, several);
        }
        dirty.add(name);
      }
    },
    remove(source, contributions) {
      for (const { name, rr } of contributions) {
        const held = listOf(names.get(name));
        if (held.length === 0) continue;
        removeFrom(held, rr, source);
        if (held.length > 1) names.set(name, held);
        else if (held[0] === undefined) names.delete(name);
        else names.set(name, held[0]);
        dirty.add(name);
      }
    },
    clear() {
      for (const name of names.keys()) dirty.add(name);
      names.clear();
    },
    take: () => take(state),
    sourcesOf: (name) =>
      shown(listOf(names.get(name))).map(({ sources }) =>
        [...sourcesOf(sources)].map((text) => text.replace(/^~/, '')),
      ),
  };
}

const listOf = (held: Held | Held[] | undefined): Held[] =>
  held === undefined ? [] : Array.isArray(held) ? held : [held];

const sourcesOf = (sources: string | Set<string>): Iterable<string> =>
  typeof sources === 'string' ? [sources] : sources;

function take(state: TableState): TableChange<ZoneRecord> {
  const set = new Map<string, ZoneRecord>();
  const removed: string[] = [];
  settle(state, set, removed);
  // The apex says which state of its zone this is: it changes with the zone.
  for (const apex of state.serials.raise(changedNames(set, removed))) state.dirty.add(apex);
  settle(state, set, removed);
  return { set: [...set], removed };
}

function* changedNames(set: ReadonlyMap<string, ZoneRecord>, removed: readonly string[]): Iterable<string> {
  yield* set.keys();
  yield* removed;
}

function settle(state: TableState, set: Map<string, ZoneRecord>, removed: string[]): void {
  const { table, names, dirty } = state;
  state.touchedNames += dirty.size;
  for (const name of dirty) {
    const before = table.get(name);
    const record = recordOf(name, listOf(names.get(name)), state.serials);
    if (record === null) {
      if (table.delete(name)) removed.push(name);
    } else if (!sameRecord(before, record)) {
      table.set(name, record);
      set.set(name, record);
    }
  }
  dirty.clear();
}

function recordOf(name: string, held: readonly Held[], serials: Serials): ZoneRecord | null {
  if (held.length === 0) return null;
  const rrs = shown(held).map(({ rr }) =>
    rr.type === 'SOA' ? { ...rr, serial: rr.serial === 0 ? serials.of(name) : rr.serial } : rr,
  );
  return Object.freeze({ name, rrs: Object.freeze(rrs) });
}

/** Records of a reserve are left out where the name has others. */
function shown(held: readonly Held[]): readonly Held[] {
  if (held.length < 2) return held;
  const good = held.filter(({ sources }) => {
    for (const source of sourcesOf(sources)) if (!isReserve(source)) return true;
    return false;
  });
  return good.length === 0 ? held : good;
}

function addTo(held: Held[], rr: ZoneRr, source: string): void {
  const at = placeOf(held, rr);
  const found = held[at];
  if (found === undefined || compareRrs(found.rr, rr) !== 0) held.splice(at, 0, { rr, sources: source });
  else addSource(found, source);
}

function addSource(held: Held, source: string): void {
  if (typeof held.sources !== 'string') held.sources.add(source);
  else if (held.sources !== source) held.sources = new Set([held.sources, source]);
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
