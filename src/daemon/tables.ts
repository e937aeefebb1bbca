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

/** A table as control tells workers of it. */
export interface PublishedTable {
  readonly records: Table<AnyRecord>;
  /** Sum of the records' hashes: the same for the same records, in whatever order they came. */
  readonly hash: number;
  /** Of one of its rows. */
  hashAt(key: string, record: AnyRecord): number;
  apply(change: AnyChange): void;
  /** The change that would make the table hold exactly `rows`. */
  changeTo(rows: Table<AnyRecord>): AnyChange;
  /** The view failed half-way: `records` are not what was told. Never where records are kept beside the view. */
  readonly isTorn: boolean;
  /** How often that was so. */
  readonly tears: number;
  setTorn(isTorn: boolean): void;
}

/** A table that is followed by changes, with its hash kept beside it. */
export class FollowedTable implements PublishedTable {
  readonly isTorn = false;
  readonly tears = 0;
  readonly #records = new Map<string, AnyRecord>();
  #hash = 0;

  get records(): Table<AnyRecord> {
    return this.#records;
  }

  get hash(): number {
    return this.#hash;
  }

  hashAt(key: string, record: AnyRecord): number {
    return hashRow(key, record);
  }

  apply(change: AnyChange): void {
    for (const key of change.removed) this.#remove(key);
    for (const [key, record] of change.set) {
      this.#remove(key);
      this.#records.set(key, record);
      this.#hash = (this.#hash + hashRow(key, record)) >>> 0;
    }
  }

  /** Makes the table hold exactly the rows of `other`, and returns the change that did it: rows that were there already are not in it. */
  replace(other: FollowedTable): AnyChange {
    const change = this.changeTo(other.records);
    if (this.#records.size > 0) this.apply(change);
    else {
      // Their hashes were taken as they came.
      for (const [key, record] of change.set) this.#records.set(key, record);
      this.#hash = other.hash;
    }
    return change;
  }

  changeTo(rows: Table<AnyRecord>): AnyChange {
    const removed = [...this.#records.keys()].filter((key) => !rows.has(key));
    const set = [...rows].filter(([key, record]) => !sameRecord(this.#records.get(key), record));
    return { set, removed };
  }

  setTorn(): void {
    // What was told is here, whatever the view's own table holds.
  }

  #remove(key: string): void {
    const record = this.#records.get(key);
    if (!this.#records.delete(key)) return;
    this.#hash = (this.#hash - hashRow(key, record)) >>> 0;
  }
}

/** A hash for each row of a table. */
class HashedTable {
  readonly #hashes = new Map<string, number>();
  #hash = 0;

  get hash(): number {
    return this.#hash;
  }

  /** Whether the row is there as it is, as far as hashes tell. */
  holds(key: string, record: AnyRecord): boolean {
    return this.#hashes.get(key) === (hashRow(key, record) | 0);
  }

  keys(): Iterable<string> {
    return this.#hashes.keys();
  }

  /** Of the row under `key`; undefined without one. */
  hashAt(key: string): number | undefined {
    const hash = this.#hashes.get(key);
    return hash === undefined ? undefined : hash >>> 0;
  }

  apply(change: AnyChange): void {
    for (const key of change.removed) {
      this.#forget(key);
      this.#hashes.delete(key);
    }
    for (const [key, record] of change.set) {
      const hash = hashRow(key, record);
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

/** A table whose records its view makes anew each time: of what was told of them there is a hash each. */
export class ViewedTable implements PublishedTable {
  readonly #told = new HashedTable();
  readonly records: Table<AnyRecord>;
  isTorn = false;
  tears = 0;

  /** `records`: the view's table. */
  constructor(records: Table<AnyRecord>) {
    this.records = records;
  }

  get hash(): number {
    return this.#told.hash;
  }

  hashAt(key: string, record: AnyRecord): number {
    return this.#told.hashAt(key) ?? hashRow(key, record);
  }

  apply(change: AnyChange): void {
    this.#told.apply(change);
  }

  changeTo(rows: Table<AnyRecord>): AnyChange {
    const removed = [...this.#told.keys()].filter((key) => !rows.has(key));
    const set: (readonly [string, AnyRecord])[] = [];
    for (const [key, record] of rows) if (!this.#told.holds(key, record)) set.push([key, record]);
    return { set, removed };
  }

  setTorn(isTorn: boolean): void {
    if (isTorn) this.tears++;
    this.isTorn = isTorn;
  }
}

/** FNV-1a over the key and all that the record holds, in the order of its keys, which survives the trip as JSON. */
export const hashRow = (key: string, record: AnyRecord): number => hashValue(record, hashText(key, 0x811c9dc5)) >>> 0;

/** Marks that tell values of different kinds apart; behind them follows what the value holds. */
const marks = { null: 1, true: 2, false: 3, number: 4, text: 5, list: 6, fields: 7, end: 8 } as const;

const mix = (hash: number, value: number): number => Math.imul(hash ^ value, 0x01000193);

/** Of plain data, without a text of it being made: that took longer than the hash. */
function hashValue(value: unknown, hash: number): number {
  switch (typeof value) {
    case 'string':
      return hashText(value, mix(hash, marks.text));
    case 'number':
      return Number.isInteger(value) && Math.abs(value) <= 0x7fffffff
        ? mix(mix(hash, marks.number), value)
        : hashText(String(value), mix(hash, marks.number));
    case 'boolean':
      return mix(hash, value ? marks.true : marks.false);
    default:
      return value === null || typeof value !== 'object' ? mix(hash, marks.null) : hashFields(value, hash);
  }
}

function hashFields(value: object, seed: number): number {
  if (Array.isArray(value)) {
    let hash = mix(seed, marks.list);
    for (const item of value as readonly unknown[]) hash = hashValue(item, hash);
    return mix(hash, marks.end);
  }
  let hash = mix(seed, marks.fields);
  for (const key in value) {
    const field = (value as Readonly<Record<string, unknown>>)[key];
    if (field !== undefined) hash = hashValue(field, hashText(key, hash));
  }
  return mix(hash, marks.end);
}

function hashText(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = mix(hash, text.charCodeAt(i));
  return mix(hash, text.length);
}
