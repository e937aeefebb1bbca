// All names of our zones as a worker holds them: a cluster of 50,000 tasks has half a million, most of which nobody asks. Names and their
// records are octets outside V8's heap, and a number is all that a name is until somebody asks for it.

import { ByteHeap, mostOctets, offsetOf } from './byte-heap.ts';
import { NameEntry, type OwnZone } from './name-entry.ts';
import { createNameIndex, type IsName } from './name-index.ts';
import { RecentTexts } from './recent-texts.ts';
import { asksForOctets, hashOfOctets, writeKey, type Query } from './wire/index.ts';

/** Of a text: how many names have it, and how long it is. */
const textHead = 8;
const firstRoom = 1024;
const mostKeyOctets = 255;
/** Longer texts are written by Node, which takes as long as this does for one of that length. */
const mostWritten = 120;
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
  readonly #recent = new RecentTexts();
  /** Entries that were asked for, in pages. */
  readonly #entries: ((NameEntry | undefined)[] | undefined)[] = [];
  #query: Query | null = null;
  /** The key that was sought last. */
  readonly #sought = Buffer.alloc(mostKeyOctets);
  #start = 0;
  #length = 0;
  #hash = 0;
  readonly #isAsked: IsName = (id) => this.#isName(id, this.#query as Query);
  readonly #isSought: IsName = (id) => this.#holdsSought(id);

  /** The entry of the name that a query asks for. */
  asked(query: Query): NameEntry | undefined {
    this.#query = query;
    const id = this.#index.find(query.keyHash, this.#isAsked);
    return id === 0 ? undefined : this.entryOf(id);
  }

  /** 0 where there is no such name. */
  idOf(key: string): number {
    return this.#find(this.#sought.write(key, 'latin1'));
  }

  /** As `idOf` for a name in presentation form. */
  idOfName(name: string): number {
    const length = writeKey(name, this.#sought);
    if (length > 0) return this.#find(length);
    this.#length = 0;
    return 0;
  }

  /** The number of the name above the one that was sought last; 0 where there is none. */
  parentOfSought(): number {
    this.#start = (this.#sought[0] as number) + 1;
    const hash = hashOfOctets(this.#sought, this.#start, this.#length);
    const id = this.#start >= this.#length ? 0 : this.#index.find(hash, this.#isSought);
    this.#start = 0;
    return id;
  }

  /** Whether `key` was sought last. */
  isSought(key: string): boolean {
    if (key.length !== this.#length) return false;
    for (let i = 0; i < key.length; i++) if (key.charCodeAt(i) !== this.#sought[i]) return false;
    return true;
  }

  /** The key that was sought last; '' where that was no name. */
  get soughtKey(): string {
    return this.#sought.toString('latin1', 0, this.#length);
  }

  #find(length: number): number {
    this.#length = length;
    this.#hash = hashOfOctets(this.#sought, 0, length);
    return this.#index.find(this.#hash, this.#isSought);
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
    this.idOf(key);
    return this.addSought(zone);
  }

  /** As `add` for the name that was sought last. */
  addSought(zone: OwnZone): number {
    const length = this.#length;
    const id = this.#freeIds.pop() ?? ++this.#last;
    if (id >= this.#keyAt.length) this.#grow();
    const at = this.#heap.take(length + 1);
    const [piece, offset] = [this.#heap.piece(at), offsetOf(at)];
    piece[offset] = length;
    for (let i = 0; i < length; i++) piece[offset + 1 + i] = this.#sought[i] as number;
    this.#keyAt[id] = at;
    this.#textAt[id] = 0;
    this.#children[id] = 0;
    this.#types[id] = 0;
    this.#zoneOf[id] = this.#zoneNumber(zone);
    this.#index.add(id, this.#hash);
    return id;
  }

  /** Forgets a name that has no records and none below it. */
  remove(id: number): void {
    this.idOf(this.keyOf(id));
    this.#index.delete(id, this.#hash);
    this.#heap.give(this.#keyAt[id] as number, this.#length + 1);
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
    const recent = this.#recent.placeOf(text);
    if (recent !== 0) {
      const [piece, offset] = [this.#heap.piece(recent), offsetOf(recent)];
      piece.writeUInt32LE(piece.readUInt32LE(offset) + 1, offset);
      return recent;
    }
    const isShort = text.length <= mostWritten && isAscii(text);
    const octets = isShort ? text.length : Buffer.byteLength(text);
    if (octets > mostOctets - textHead) {
      this.#long.set(id, text);
      return isLong;
    }
    const at = this.#heap.take(octets + textHead);
    const [piece, offset] = [this.#heap.piece(at), offsetOf(at)];
    piece.writeUInt32LE(1, offset);
    piece.writeUInt32LE(octets, offset + 4);
    if (isShort) for (let i = 0; i < octets; i++) piece[offset + textHead + i] = text.charCodeAt(i);
    else piece.write(text, offset + textHead, 'utf8');
    this.#recent.note(text, at);
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

  #holdsSought(id: number): boolean {
    const at = this.#keyAt[id] as number;
    const [piece, offset] = [this.#heap.piece(at), offsetOf(at)];
    const start = this.#start;
    const length = this.#length - start;
    if (piece[offset] !== length) return false;
    // Names of a zone differ at their start.
    for (let i = 0; i < length; i++) if (piece[offset + 1 + i] !== this.#sought[start + i]) return false;
    return true;
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

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false;
  return true;
}
