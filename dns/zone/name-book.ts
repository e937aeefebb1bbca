// Numbers of names, and the names as octets outside V8's heap: a cluster of 50,000 tasks has half a million, and as strings they would be
// most of what control holds.

import { ByteHeap, mostOctets, offsetOf } from '../byte-heap.ts';
import { createNameIndex, type IsName } from '../name-index.ts';

const firstRoom = 1024;
/** Of a name's length. */
const head = 2;

export class NameBook {
  readonly #heap = new ByteHeap();
  readonly #index = createNameIndex();
  #at = new Uint32Array(firstRoom);
  readonly #freeIds: number[] = [];
  #last = 0;
  #sought = '';
  #hash = 0;
  readonly #isSought: IsName = (id) => this.#is(id, this.#sought);

  /** The highest number that was ever given. */
  get last(): number {
    return this.#last;
  }

  /** From 1; 0 where there is no such name. */
  idOf(name: string): number {
    this.#sought = name;
    this.#hash = hashOf(name);
    return this.#index.find(this.#hash, this.#isSought);
  }

  /** The number of a name that is not there yet. Names are ASCII, and shorter than a presentation form ever is. */
  add(name: string): number {
    const { length } = name;
    if (length > mostOctets - head) throw new RangeError(`a name of ${length} characters`);
    const id = this.#freeIds.pop() ?? ++this.#last;
    if (id >= this.#at.length) this.#grow();
    const at = this.#heap.take(length + head);
    const [piece, offset] = [this.#heap.piece(at), offsetOf(at)];
    piece[offset] = length & 0xff;
    piece[offset + 1] = length >>> 8;
    for (let i = 0; i < length; i++) piece[offset + head + i] = name.charCodeAt(i);
    this.#at[id] = at;
    this.#index.add(id, name === this.#sought ? this.#hash : hashOf(name));
    return id;
  }

  nameOf(id: number): string {
    const at = this.#at[id] as number;
    const [piece, start] = [this.#heap.piece(at), offsetOf(at) + head];
    return piece.toString('latin1', start, start + lengthAt(piece, start - head));
  }

  remove(id: number): void {
    const name = this.nameOf(id);
    this.#index.delete(id, hashOf(name));
    this.#heap.give(this.#at[id] as number, name.length + head);
    this.#freeIds.push(id);
  }

  #is(id: number, name: string): boolean {
    const at = this.#at[id] as number;
    const [piece, offset] = [this.#heap.piece(at), offsetOf(at)];
    if (lengthAt(piece, offset) !== name.length) return false;
    for (let i = 0; i < name.length; i++) if (piece[offset + head + i] !== name.charCodeAt(i)) return false;
    return true;
  }

  #grow(): void {
    const old = this.#at;
    this.#at = new Uint32Array(old.length * 2);
    this.#at.set(old);
  }
}

const lengthAt = (piece: Buffer, offset: number): number =>
  (piece[offset] as number) | ((piece[offset + 1] as number) << 8);

/** The index takes its parts from the highest bits and its slots from the lowest: each must hang on all of the name. */
function hashOf(name: string): number {
  const whole = name.length & ~1;
  let hash = name.length;
  for (let i = 0; i < whole; i += 2) {
    hash = Math.imul(hash ^ (name.charCodeAt(i) | (name.charCodeAt(i + 1) << 16)), 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  if (whole < name.length) hash = Math.imul(hash ^ name.charCodeAt(whole), 0x5bd1e995);
  hash = Math.imul(hash ^ (hash >>> 13), 0x85ebca6b);
  return hash ^ (hash >>> 16);
}

/** Of a name, 53 bits: two of a million names are one in less than one of ten thousand clusters. */
export function wideHash(name: string): number {
  let first = 0x811c9dc5;
  let second = 0x2545f491;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    first = Math.imul(first ^ unit, 0x01000193);
    second = Math.imul(second + unit, 0x5bd1e995) ^ (second >>> 15);
  }
  return (first >>> 0) * 0x200000 + ((second ^ (second >>> 16)) & 0x1fffff);
}
