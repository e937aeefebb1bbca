// What a worker knows of a table whose records its planes alone keep: a hash of each row, under a hash of its key. Numbers outside V8's heap:
// the keys of a large cluster's names take more memory than all that is known of them here.

import { hashKey, hashRecord, hashText } from '../runtime/index.ts';
import type { AnyChange, AnyRecord } from './tables.ts';

const parts = 64;
const smallest = 64;
/** Of a slot: two hashes of the key, of which the second is never 0, and the row's. */
const words = 3;

/** As `FollowedTable` without the records. Two keys in 10^19 count as one: then control's hash differs, and everything is sent again. */
export class Fingerprints {
  readonly #parts = Array.from({ length: parts }, () => new Part());
  #hash = 0;

  get hash(): number {
    return this.#hash;
  }

  get size(): number {
    return this.#parts.reduce((sum, part) => sum + part.size, 0);
  }

  /** Whether the row is there as it is, as far as hashes tell. */
  holds(key: string, record: AnyRecord): boolean {
    const part = this.#find(key);
    return part.has(found.slot) && part.rowAt(found.slot) === (hashRecord(found.first, record) | 0);
  }

  has(key: string): boolean {
    return this.#find(key).has(found.slot);
  }

  apply(change: AnyChange): void {
    for (const key of change.removed) {
      const part = this.#find(key);
      if (!part.has(found.slot)) continue;
      this.#hash = (this.#hash - part.rowAt(found.slot)) >>> 0;
      part.remove(found.slot);
    }
    for (const [key, record] of change.set) this.set(key, record);
  }

  set(key: string, record: AnyRecord): void {
    const part = this.#find(key);
    const row = hashRecord(found.first, record) | 0;
    if (part.has(found.slot)) this.#hash = (this.#hash - part.rowAt(found.slot)) >>> 0;
    this.#hash = (this.#hash + row) >>> 0;
    part.put(found.slot, found.first, found.second, row);
  }

  /** The part of a key; `found` says where in it. */
  #find(key: string): Part {
    found.first = hashKey(key);
    found.second = hashText(key, 0x2545f491) | 1;
    const part = this.#parts[found.first >>> 26] as Part;
    found.slot = part.find(found.first, found.second);
    return part;
  }
}

/** Both hashes of the key that was looked for last, and its slot. */
const found = { first: 0, second: 0, slot: 0 };

/** Linear probing over at most three quarters of a table; what follows a gap is moved up. */
class Part {
  size = 0;
  #slots = new Int32Array(smallest * words);
  #mask = smallest - 1;

  has(slot: number): boolean {
    return this.#slots[slot * words + 1] !== 0;
  }

  rowAt(slot: number): number {
    return this.#slots[slot * words + 2] as number;
  }

  /** The slot of a key, or the free one where it would stand. */
  find(first: number, second: number): number {
    for (let slot = first & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const held = this.#slots[slot * words + 1];
      if (held === 0 || (held === second && this.#slots[slot * words] === first)) return slot;
    }
  }

  put(slot: number, first: number, second: number, row: number): void {
    const isNew = !this.has(slot);
    const at = slot * words;
    this.#slots[at] = first;
    this.#slots[at + 1] = second;
    this.#slots[at + 2] = row;
    if (isNew && ++this.size * 4 > this.#mask * 3) this.#grow();
  }

  remove(slot: number): void {
    this.size--;
    let gap = slot;
    for (let next = (gap + 1) & this.#mask; this.has(next); next = (next + 1) & this.#mask) {
      const home = (this.#slots[next * words] as number) & this.#mask;
      // What stands between its home and here without a gap stays.
      if (((next - home) & this.#mask) < ((next - gap) & this.#mask)) continue;
      this.#slots.copyWithin(gap * words, next * words, (next + 1) * words);
      gap = next;
    }
    this.#slots.fill(0, gap * words, (gap + 1) * words);
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    this.#mask = this.#slots.length / words - 1;
    for (let at = 0; at < old.length; at += words)
      if (old[at + 1] !== 0)
        this.#slots.set(old.subarray(at, at + words), this.find(old[at] as number, old[at + 1] as number) * words);
  }
}
