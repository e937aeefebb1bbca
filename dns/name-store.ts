// All names of our zones as a worker holds them: a cluster of 50,000 tasks has half a million, most of which nobody asks. Names and their
// records are octets outside V8's heap, and a number is all that a name is until somebody asks for it.

import { ByteHeap, mostOctets, offsetOf } from './byte-heap.ts';
import { NameEntry, type OwnZone } from './name-entry.ts';
import { createNameIndex, type IsName } from './name-index.ts';
import { asksForOctets, hashOfKey, keyOctets, type Query } from './wire/index.ts';

/** Of a text: how many names have it, and how long it is. */
const textHead = 8;
const firstRoom = 1024;
/** Texts that were taken last, which are those of the same task: equal ones are kept once. */
const mostRecent = 2048;
/** Stands in place of a text's place where that is too long for a run of octets. */
const isLong = 1;
const pageBits = 8;
const pageSize = 1 << pageBits;

export class NameStore {
  readonly #heap = new ByteHeap();
  readonly #index = createNameIndex();
  readonly #zones: OwnZone[] = [];
  /** By number, from 1. */
  #keyAt = new Uint32Array(firstRoom);
  #textAt = new Uint32Array(firstRoom);
  #children = new Uint32Array(firstRoom);
  #zoneOf = new Uint16Array(firstRoom);
  #types = new Uint8Array(firstRoom);
  readonly #long = new Map<number, string>();
  #last = 0;
  readonly #freeIds: number[] = [];
  readonly #recent = new Map<string, number>();
  /** Entries that were asked for, in pages. */
  readonly #entries: ((NameEntry | undefined)[] | undefined)[] = [];
  #query: Query | null = null;
  #key = '';
  readonly #isAsked: IsName = (id) => this.#isName(id, this.#query as Query);
  readonly #isKey: IsName = (id) => this.#hasKey(id, this.#key);

  /** The entry of the name that a query asks for. */
  asked(query: Query): NameEntry | undefined {
    this.#query = query;
    const id = this.#index.find(query.keyHash, this.#isAsked);
    return id === 0 ? undefined : this.entryOf(id);
  }

  /** 0 where there is no such name. */
  idOf(key: string): number {
    this.#key = key;
    return this.#index.find(hashOfKey(key), this.#isKey);
  }

  /** The same as long as the name is there. */
  entryOf(id: number): NameEntry {
    const page = (this.#entries[id >>> pageBits] ??= new Array<NameEntry | undefined>(pageSize).fill(undefined));
    return (page[id & (pageSize - 1)] ??= new NameEntry(this, id));
  }

  ids(): Iterable<number> {
    return this.#index.ids();
  }

  /** The number of a name that is not there yet. */
  add(key: string, zone: OwnZone): number {
    const id = this.#freeIds.pop() ?? ++this.#last;
    if (id >= this.#keyAt.length) this.#grow();
    const at = this.#heap.take(key.length + 1);
    const [piece, offset] = [this.#heap.piece(at), offsetOf(at)];
    piece[offset] = key.length;
    piece.write(key, offset + 1, 'latin1');
    this.#keyAt[id] = at;
    this.#textAt[id] = 0;
    this.#children[id] = 0;
    this.#types[id] = 0;
    this.#zoneOf[id] = this.#zoneNumber(zone);
    this.#index.add(id, hashOfKey(key));
    return id;
  }

  /** Forgets a name that has no records and none below it. */
  remove(id: number): void {
    const key = this.keyOf(id);
    this.#index.delete(id, hashOfKey(key));
    this.#heap.give(this.#keyAt[id] as number, key.length + 1);
    const page = this.#entries[id >>> pageBits];
    if (page !== undefined) page[id & (pageSize - 1)] = undefined;
    this.#freeIds.push(id);
  }

  keyOf(id: number): string {
    const at = this.#keyAt[id] as number;
    const [piece, offset] = [this.#heap.piece(at), offsetOf(at)];
    return piece.toString('latin1', offset + 1, offset + 1 + (piece[offset] as number));
  }

  zoneOf(id: number): OwnZone {
    return this.#zones[this.#zoneOf[id] as number] as OwnZone;
  }

  /** Bits of the types of its records. */
  typesOf(id: number): number {
    return this.#types[id] as number;
  }

  hasText(id: number): boolean {
    return this.#textAt[id] !== 0;
  }

  /** '' without records. */
  textOf(id: number): string {
    const at = this.#textAt[id] as number;
    if (at === 0) return '';
    if (at === isLong) return this.#long.get(id) ?? '';
    const [piece, offset] = [this.#heap.piece(at), offsetOf(at)];
    return piece.toString('utf8', offset + textHead, offset + textHead + piece.readUInt32LE(offset + 4));
  }

  /** Gives a name other records. What was compiled from the former ones is dropped. */
  setText(id: number, text: string, types: number): void {
    const former = this.#textAt[id] as number;
    this.#textAt[id] = text === '' ? 0 : this.#placeOf(id, text);
    this.#types[id] = types;
    if (former === isLong && this.#textAt[id] !== isLong) this.#long.delete(id);
    else if (former > isLong) this.#release(former);
    const entry = this.#entries[id >>> pageBits]?.[id & (pageSize - 1)];
    if (entry !== undefined) entry.template = null;
  }

  /** Names directly below. */
  childrenOf(id: number): number {
    return this.#children[id] as number;
  }

  countChild(id: number, by: number): void {
    this.#children[id] = this.childrenOf(id) + by;
  }

  #placeOf(id: number, text: string): number {
    const recent = this.#recent.get(text);
    if (recent !== undefined) {
      const [piece, offset] = [this.#heap.piece(recent), offsetOf(recent)];
      piece.writeUInt32LE(piece.readUInt32LE(offset) + 1, offset);
      return recent;
    }
    const octets = Buffer.byteLength(text);
    if (octets > mostOctets - textHead) {
      this.#long.set(id, text);
      return isLong;
    }
    const at = this.#heap.take(octets + textHead);
    const [piece, offset] = [this.#heap.piece(at), offsetOf(at)];
    piece.writeUInt32LE(1, offset);
    piece.writeUInt32LE(octets, offset + 4);
    piece.write(text, offset + textHead, 'utf8');
    if (this.#recent.size >= mostRecent) this.#recent.clear();
    this.#recent.set(text, at);
    return at;
  }

  #release(at: number): void {
    const [piece, offset] = [this.#heap.piece(at), offsetOf(at)];
    const uses = piece.readUInt32LE(offset) - 1;
    piece.writeUInt32LE(uses, offset);
    if (uses > 0) return;
    this.#heap.give(at, piece.readUInt32LE(offset + 4) + textHead);
    // What stood there may be among them.
    this.#recent.clear();
  }

  /** Nothing is kept for texts that come next. */
  forgetRecent(): void {
    this.#recent.clear();
  }

  #isName(id: number, query: Query): boolean {
    const at = this.#keyAt[id] as number;
    return asksForOctets(query, this.#heap.piece(at), offsetOf(at));
  }

  #hasKey(id: number, key: string): boolean {
    const at = this.#keyAt[id] as number;
    return keyOctets(this.#heap.piece(at), offsetOf(at), key);
  }

  #zoneNumber(zone: OwnZone): number {
    const known = this.#zones.indexOf(zone);
    return known >= 0 ? known : this.#zones.push(zone) - 1;
  }

  #grow(): void {
    const room = this.#keyAt.length * 2;
    this.#keyAt = grown(this.#keyAt, new Uint32Array(room));
    this.#textAt = grown(this.#textAt, new Uint32Array(room));
    this.#children = grown(this.#children, new Uint32Array(room));
    this.#zoneOf = grown(this.#zoneOf, new Uint16Array(room));
    this.#types = grown(this.#types, new Uint8Array(room));
  }
}

function grown<T extends Uint32Array | Uint16Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
