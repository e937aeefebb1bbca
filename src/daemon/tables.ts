// Tables on their way to the workers: applying and joining changes, and an order-independent hash by which both ends know they agree.

import { sameRecord } from '../cluster/index.ts';
import type { Table, TableChange } from '../ports/index.ts';
import { hashRow } from '../runtime/index.ts';

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
  /** The change that would make what was told hold exactly `rows`; `rebuilt`: what their view says of that. */
  changeTo(rows: Table<AnyRecord>, rebuilt: AnyChange): AnyChange;
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

/** A table whose records its view makes anew each time, and whose sum it keeps. */
export class ViewedTable implements PublishedTable {
  readonly records: Table<AnyRecord>;
  readonly #sum: () => number;
  isTorn = false;
  tears = 0;

  /** `records`: the view's table; `sum`: its `rowSum`. */
  constructor(records: Table<AnyRecord>, sum: () => number) {
    this.records = records;
    this.#sum = sum;
  }

  get hash(): number {
    return this.#sum();
  }

  hashAt(key: string, record: AnyRecord): number {
    return hashRow(key, record);
  }

  apply(): void {
    // The view has counted it.
  }

  changeTo(_rows: Table<AnyRecord>, rebuilt: AnyChange): AnyChange {
    return rebuilt;
  }

  setTorn(isTorn: boolean): void {
    if (isTorn) this.tears++;
    this.isTorn = isTorn;
  }
}
