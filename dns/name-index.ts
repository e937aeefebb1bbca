// Names by their octets: a table with open addressing, so that a packet's name is found without making a string of it. A Map hashes and
// interns each new string it is asked for, which cost an eighth of a whole query.

import { asksFor, hashOfKey, type Query } from './wire/index.ts';

interface Keyed {
  readonly key: string;
}

export interface NameIndex<T extends Keyed> {
  readonly size: number;
  get(key: string): T | undefined;
  /** The entry of the name that a query asks for. */
  asked(query: Query): T | undefined;
  /** Takes in an entry whose key is not there yet. */
  add(entry: T): void;
  delete(key: string): void;
  clear(): void;
  values(): Iterable<T>;
}

const smallest = 64;
const parts = 64;

/** In parts, since one that grows is put together anew: the table of a large cluster would take a tenth of a second in one go. */
export function createNameIndex<T extends Keyed>(): NameIndex<T> {
  const all = Array.from({ length: parts }, () => createPart<T>());
  const partOf = (hash: number): Part<T> => all[hash >>> 26] as Part<T>;
  return {
    get size() {
      return all.reduce((sum, part) => sum + part.size, 0);
    },
    get(key) {
      const hash = hashOfKey(key);
      return partOf(hash).get(key, hash);
    },
    asked: (query) => partOf(query.keyHash).asked(query),
    add(entry) {
      const hash = hashOfKey(entry.key);
      partOf(hash).add(entry, hash);
    },
    delete(key) {
      const hash = hashOfKey(key);
      partOf(hash).delete(key, hash);
    },
    clear() {
      for (const part of all) part.clear();
    },
    *values() {
      for (const part of all) yield* part.values();
    },
  };
}

interface Part<T> {
  readonly size: number;
  get(key: string, hash: number): T | undefined;
  asked(query: Query): T | undefined;
  add(entry: T, hash: number): void;
  delete(key: string, hash: number): void;
  clear(): void;
  values(): Iterable<T>;
}

/** Linear probing over at most half a table; what follows a gap is moved up, so there are no tombstones. */
function createPart<T extends Keyed>(): Part<T> {
  let hashes = new Int32Array(smallest);
  let entries: (T | undefined)[] = slotsOf<T>(smallest);
  let mask = smallest - 1;
  let size = 0;

  const find = (key: string, hash: number): number => {
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = entries[slot];
      if (entry === undefined || (hashes[slot] === hash && entry.key === key)) return slot;
    }
  };
  const put = (entry: T, hash: number): void => {
    const slot = find(entry.key, hash);
    entries[slot] = entry;
    hashes[slot] = hash;
  };
  const resize = (slots: number): void => {
    const [oldHashes, oldEntries] = [hashes, entries];
    hashes = new Int32Array(slots);
    entries = slotsOf<T>(slots);
    mask = slots - 1;
    oldEntries.forEach((entry, at) => {
      if (entry === undefined) return;
      // No two are equal: none is looked at.
      let slot = (oldHashes[at] as number) & mask;
      while (entries[slot] !== undefined) slot = (slot + 1) & mask;
      entries[slot] = entry;
      hashes[slot] = oldHashes[at] as number;
    });
  };
  return {
    get size() {
      return size;
    },
    get: (key, hash) => entries[find(key, hash)],
    asked(query) {
      const hash = query.keyHash;
      for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
        const entry = entries[slot];
        if (entry === undefined || (hashes[slot] === hash && asksFor(query, entry.key))) return entry;
      }
    },
    add(entry, hash) {
      if ((size + 1) * 2 > entries.length) resize(entries.length * 2);
      put(entry, hash);
      size++;
    },
    delete(key, hash) {
      let gap = find(key, hash);
      if (entries[gap] === undefined) return;
      size--;
      for (let slot = (gap + 1) & mask; entries[slot] !== undefined; slot = (slot + 1) & mask) {
        const home = (hashes[slot] as number) & mask;
        // What stands between its home and here without a gap stays.
        if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
        entries[gap] = entries[slot];
        hashes[gap] = hashes[slot] as number;
        gap = slot;
      }
      entries[gap] = undefined;
    },
    clear() {
      size = 0;
      hashes = new Int32Array(smallest);
      entries = slotsOf<T>(smallest);
      mask = smallest - 1;
    },
    *values() {
      for (const entry of entries) if (entry !== undefined) yield entry;
    },
  };
}

const slotsOf = <T>(slots: number): (T | undefined)[] => new Array<T | undefined>(slots).fill(undefined);
