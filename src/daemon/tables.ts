// Tables on their way to the workers: applying and joining changes, and an order-independent hash by which both ends know they agree.

import { sameRecord } from '../cluster/index.ts';
import type { Table, TableChange } from '../ports/index.ts';

/** A record whose form only its view and its plane know. */
export type AnyRecord = unknown;
export type AnyChange = TableChange<AnyRecord>;

export const noChange: AnyChange = Object.freeze({ set: [], removed: [] });

export const isEmptyChange = (change: AnyChange): boolean => change.set.length === 0 && change.removed.length === 0;

/** Two changes in a row as one. */
export function joinChanges(first: AnyChange, second: AnyChange): AnyChange {
  if (isEmptyChange(first)) return second;
  if (isEmptyChange(second)) return first;
  const set = new Map(first.set);
  const removed = new Set(first.removed);
  for (const key of second.removed) {
    set.delete(key);
    removed.add(key);
  }
  for (const [key, record] of second.set) {
    removed.delete(key);
    set.set(key, record);
  }
  return { set: [...set], removed: [...removed] };
}

/** A table that is followed by changes, with its hash kept beside it. */
export class FollowedTable {
  readonly #records = new Map<string, AnyRecord>();
  #hash = 0;

  get records(): Table<AnyRecord> {
    return this.#records;
  }

  /** Sum of the records' hashes: the same for the same records, in whatever order they came. */
  get hash(): number {
    return this.#hash;
  }

  apply(change: AnyChange): void {
    for (const key of change.removed) this.#remove(key);
    for (const [key, record] of change.set) {
      this.#remove(key);
      this.#records.set(key, record);
      this.#hash = (this.#hash + hashOf(key, record)) >>> 0;
    }
  }

  /** Makes the table hold exactly `rows`, and returns the change that did it: rows that were there already are not in it. */
  replace(rows: ReadonlyMap<string, AnyRecord>): AnyChange {
    const change = this.changeTo(rows);
    this.apply(change);
    return change;
  }

  /** The change that would make the table hold exactly `rows`. */
  changeTo(rows: ReadonlyMap<string, AnyRecord>): AnyChange {
    const removed = [...this.#records.keys()].filter((key) => !rows.has(key));
    const set = [...rows].filter(([key, record]) => !sameRecord(this.#records.get(key), record));
    return { set, removed };
  }

  #remove(key: string): void {
    const record = this.#records.get(key);
    if (!this.#records.delete(key)) return;
    this.#hash = (this.#hash - hashOf(key, record)) >>> 0;
  }
}

/** As `FollowedTable` where planes alone keep the records: here is a hash for each. */
export class HashedTable {
  readonly #hashes = new Map<string, number>();
  #hash = 0;

  get hash(): number {
    return this.#hash;
  }

  /** Whether the row is there as it is, as far as hashes tell. */
  holds(key: string, record: AnyRecord): boolean {
    return this.#hashes.get(key) === (hashOf(key, record) | 0);
  }

  keys(): Iterable<string> {
    return this.#hashes.keys();
  }

  apply(change: AnyChange): void {
    for (const key of change.removed) {
      this.#forget(key);
      this.#hashes.delete(key);
    }
    for (const [key, record] of change.set) {
      const hash = hashOf(key, record);
      this.#forget(key);
      // Signed, it is a small integer to V8 and takes no memory of its own.
      this.#hashes.set(key, hash | 0);
      this.#hash = (this.#hash + hash) >>> 0;
    }
  }

  #forget(key: string): void {
    this.#hash = (this.#hash - (this.#hashes.get(key) ?? 0)) >>> 0;
  }
}

/** FNV-1a over the key and the record's JSON, whose key order survives the trip. */
function hashOf(key: string, record: AnyRecord): number {
  return fnv1a(JSON.stringify(record), fnv1a(key, 0x811c9dc5));
}

function fnv1a(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
