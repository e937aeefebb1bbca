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
  /** One record of one source stands for itself: half of all names have no more. */
  readonly names: Map<string, Held | Held[]>;
  /** Names touched since the last `take`, with what they had then. */
  readonly dirty: Map<string, ZoneRecord | null>;
  readonly serials: Serials;
  touchedNames: number;
}

/** What a source is called whose records of a name count only where all others of the name are as bad. */
export const reserve = (source: string): string => `~${source}`;
const isReserve = (source: string): boolean => source.startsWith('~');

export function createNameTable(serials: Serials = noSerials): NameTable {
  const state: TableState = { names: new Map(), dirty: new Map(), serials, touchedNames: 0 };
  const { names, dirty } = state;
  const touch = (name: string, held: Held | Held[] | undefined): void => {
    if (!dirty.has(name)) dirty.set(name, held === undefined ? null : recordOf(name, held, serials));
  };
  return {
    table: new RecordsByName(names, serials),
    get touchedNames() {
      return state.touchedNames;
    },
    add(source, contributions) {
      for (const { name, rr } of contributions) {
        const held = names.get(name);
        touch(name, held);
        if (held === undefined) names.set(name, { rr, sources: source });
        else if (Array.isArray(held)) addTo(held, rr, source);
        else if (compareRrs(held.rr, rr) === 0) addSource(held, source);
        else {
          const several = [held];
          addTo(several, rr, source);
          names.set(name, several);
        }
      }
    },
    remove(source, contributions) {
      for (const { name, rr } of contributions) {
        const found = names.get(name);
        if (found === undefined) continue;
        touch(name, found);
        const held = listOf(found);
        removeFrom(held, rr, source);
        if (held.length > 1) names.set(name, held);
        else if (held[0] === undefined) names.delete(name);
        else names.set(name, held[0]);
      }
    },
    clear() {
      for (const [name, held] of names) touch(name, held);
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
  const set: (readonly [string, ZoneRecord])[] = [];
  const removed: string[] = [];
  settle(state, set, removed);
  // The apex says which state of its zone this is: it changes with the zone.
  const before = new Map(state.serials.apexes.map((apex) => [apex, recordAt(state, apex)]));
  for (const apex of state.serials.raise(changedNames(set, removed))) state.dirty.set(apex, before.get(apex) ?? null);
  const raised: (readonly [string, ZoneRecord])[] = [];
  settle(state, raised, removed);
  if (raised.length === 0) return { set, removed };
  const again = new Set(raised.map(([name]) => name));
  return { set: [...set.filter(([name]) => !again.has(name)), ...raised], removed };
}

function* changedNames(set: readonly (readonly [string, ZoneRecord])[], removed: readonly string[]): Iterable<string> {
  for (const [name] of set) yield name;
  yield* removed;
}

function settle(state: TableState, set: (readonly [string, ZoneRecord])[], removed: string[]): void {
  const { dirty } = state;
  state.touchedNames += dirty.size;
  for (const [name, before] of dirty) {
    const record = recordAt(state, name);
    if (record === null) {
      if (before !== null) removed.push(name);
    } else if (!sameRecord(before, record)) set.push([name, record]);
  }
  dirty.clear();
}

function recordAt({ names, serials }: TableState, name: string): ZoneRecord | null {
  const held = names.get(name);
  return held === undefined ? null : recordOf(name, held, serials);
}

function recordOf(name: string, held: Held | readonly Held[], serials: Serials): ZoneRecord {
  const rrs = 'rr' in held ? [held.rr] : shown(held).map(({ rr }) => rr);
  const numbered = rrs.map((rr) =>
    rr.type === 'SOA' && rr.serial === 0 ? Object.freeze({ ...rr, serial: serials.of(name) }) : rr,
  );
  return Object.freeze({ name, rrs: Object.freeze(numbered) });
}

/** The table: a record is put together when it is asked for, since half a million that are kept weigh more than all else of the zone. */
class RecordsByName implements Table<ZoneRecord> {
  readonly #names: ReadonlyMap<string, Held | Held[]>;
  readonly #serials: Serials;

  constructor(names: ReadonlyMap<string, Held | Held[]>, serials: Serials) {
    this.#names = names;
    this.#serials = serials;
  }

  get size(): number {
    return this.#names.size;
  }

  get(name: string): ZoneRecord | undefined {
    const held = this.#names.get(name);
    return held === undefined ? undefined : recordOf(name, held, this.#serials);
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  forEach(tell: (record: ZoneRecord, name: string, table: Table<ZoneRecord>) => void): void {
    for (const [name, record] of this) tell(record, name, this);
  }

  keys(): MapIterator<string> {
    return this.#names.keys();
  }

  values(): MapIterator<ZoneRecord> {
    return this.#names.entries().map(([name, held]) => recordOf(name, held, this.#serials)) as MapIterator<ZoneRecord>;
  }

  entries(): MapIterator<[string, ZoneRecord]> {
    return this.#names
      .entries()
      .map(([name, held]): [string, ZoneRecord] => [name, recordOf(name, held, this.#serials)]) as MapIterator<
      [string, ZoneRecord]
    >;
  }

  [Symbol.iterator](): MapIterator<[string, ZoneRecord]> {
    return this.entries();
  }
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
