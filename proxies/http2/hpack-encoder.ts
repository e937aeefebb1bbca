// Encodes header blocks (RFC 7541): fields that come a second time enter the table, secrets never do.

import { encodeHuffman, huffmanLength } from './huffman.ts';
import { defaultTableBytes } from './hpack-decoder.ts';
import { entryOverhead, firstDynamic, staticTable } from './static-table.ts';

/** First bits of the representations (RFC 7541 §6). */
const indexed = 0x80;
const inserting = 0x40;
const resizing = 0x20;
const neverIndexed = 0x10;
const plain = 0x00;

/** Compressed together with what an attacker chooses, they could be guessed (RFC 7541 §7.1). */
const secrets: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'proxy-authenticate',
  'www-authenticate',
  'authentication-info',
  'proxy-authentication-info',
  'set-cookie',
]);
/** A cookie shorter than this is guessed too easily (nghttp2 has the same bound). */
const shortCookie = 20;

/** New with each message. */
const unique: ReadonlySet<string> = new Set(['x-request-id', 'content-length', ':path']);

/** How many fields are remembered that came once. */
const mostSeen = 256;

const staticNames = new Map<string, number>();
const staticLines = new Map<string, number>();
staticTable.forEach(([name, value], i) => {
  if (!staticNames.has(name)) staticNames.set(name, i + 1);
  if (value !== '') staticLines.set(lineOf(name, value), i + 1);
});

/** What a table of the encoder is looked up by. */
function lineOf(name: string, value: string): string {
  return `${name}: ${value}`;
}

/** Statuses that the static table has, by their number. */
const staticStatuses = new Map<number, number>();
staticTable.forEach(([name, value], i) => {
  if (name === ':status') staticStatuses.set(Number(value), i + 1);
});
/** More than answers have; fields behind are found by their line. */
const mostSlots = 32;
/** Strings up to this are copied here faster than by a call. */
const shortString = 64;

/** First octets of a field whose value is new each time: `literal` appends the value. */
export function literalPrefix(name: string): Uint8Array {
  const encoder = new HpackEncoder();
  encoder.prefix(name);
  return Uint8Array.from(encoder.bytes.subarray(0, encoder.length));
}

export class HpackEncoder {
  /** The block so far, up to `length`; the next one is written over it. */
  bytes: Buffer = Buffer.allocUnsafeSlow(512);
  length = 0;
  readonly #numbers = new Map<string, number>();
  #queue: string[] = [];
  /** The same in the spelling they came in. */
  #spellings: string[] = [];
  #inserted = 0;
  #tableBytes = 0;
  #limit = defaultTableBytes;
  /** Of table sizes not told yet: the smallest and the last; -1: none. */
  #smallest = -1;
  #next = -1;
  readonly #seen = new Set<string>();
  /** By their place in an answer: lines that were an entry of the table when last seen, and which. */
  readonly #slotLines: string[] = [];
  readonly #slotNumbers: number[] = [];

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; more than the usual is not used. */
  setTableBytes(most: number): void {
    const limit = Math.min(most, defaultTableBytes);
    if (limit === this.#limit && this.#next < 0) return;
    this.#smallest = this.#smallest < 0 ? limit : Math.min(this.#smallest, limit);
    this.#next = limit;
  }

  /** Begins a block. */
  begin(): void {
    this.length = 0;
    if (this.#next < 0) return;
    // RFC 7541 §4.2: the smallest size in between, and the last one.
    if (this.#smallest < this.#next) this.#resize(this.#smallest);
    this.#resize(this.#next);
    this.#smallest = this.#next = -1;
  }

  status(status: number): void {
    const index = status === 200 ? okIndex : staticStatuses.get(status);
    if (index !== undefined) this.#index(index);
    else this.literal(statusPrefix, String(status), 0, 3);
  }

  /** Begins a field that is not to be indexed. */
  prefix(name: string): void {
    this.#reserve(name.length + 8);
    const index = staticNames.get(name) ?? 0;
    this.#integer(plain, 4, index);
    if (index === 0) this.#string(name, false);
  }

  /** A field that is not to be indexed: what `literalPrefix` made of its name, and latin1 text from `from` to `to` as its value. */
  literal(prefix: Uint8Array, text: string, from: number, to: number): void {
    this.#reserve(prefix.length + to - from + 8);
    const { bytes } = this;
    let at = this.length;
    for (let i = 0; i < prefix.length; i++) bytes[at++] = prefix[i] as number;
    this.length = at;
    this.#integer(0, 7, to - from);
    this.#copy(text, from, to);
  }

  /** `name` is lower case; both are latin1 that has been validated. `spelled`: the line as somebody else writes it, found again by that. */
  field(name: string, value: string, spelled = ''): void {
    if (secrets.has(name) || (name === 'cookie' && value.length < shortCookie)) {
      this.#literal(neverIndexed, 4, name, value, false);
      return;
    }
    if (unique.has(name)) {
      const known = staticLines.get(lineOf(name, value));
      if (known === undefined) this.#literal(plain, 4, name, value, false);
      else this.#index(known);
      return;
    }
    const line = lineOf(name, value);
    const number = this.#numbers.get(line);
    const index = number === undefined ? staticLines.get(line) : firstDynamic + this.#inserted - number;
    if (index !== undefined) this.#index(index);
    else if (this.#comesAgain(line)) {
      this.#literal(inserting, 6, name, value, true);
      this.#insert(line, spelled);
    } else this.#literal(plain, 4, name, value, false);
  }

  /** A field within `text`, by its bounds: `Name: value` with a name in any case. What is in the table costs one look-up. */
  line(text: string, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    const spelled = text.slice(nameStart, valueEnd);
    const number = this.#numbers.get(spelled);
    if (number !== undefined) this.#index(firstDynamic + this.#inserted - number);
    else this.field(text.slice(nameStart, nameEnd).toLowerCase(), text.slice(valueStart, valueEnd), spelled);
  }

  /** The same for field `slot` of an answer, which is mostly what it was in the one before: that costs a comparison and no look-up. */
  recurring(
    slot: number,
    text: string,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    const known = this.#slotLines[slot];
    if (known !== undefined && known.length === valueEnd - nameStart && text.startsWith(known, nameStart)) {
      const back = this.#inserted - (this.#slotNumbers[slot] as number);
      if (back < this.#queue.length) {
        this.#index(firstDynamic + back);
        return;
      }
    }
    const spelled = text.slice(nameStart, valueEnd);
    const number = this.#numbers.get(spelled);
    if (number === undefined) {
      this.field(text.slice(nameStart, nameEnd).toLowerCase(), text.slice(valueStart, valueEnd), spelled);
      return;
    }
    if (slot < mostSlots) {
      // A slot before this one may be empty yet.
      for (let i = this.#slotLines.length; i < slot; i++) this.#keepSlot(i, '', 0);
      this.#keepSlot(slot, spelled, number);
    }
    this.#index(firstDynamic + this.#inserted - number);
  }

  #keepSlot(slot: number, line: string, number: number): void {
    this.#slotLines[slot] = line;
    this.#slotNumbers[slot] = number;
  }

  #index(index: number): void {
    this.#reserve(8);
    this.#integer(indexed, 7, index);
  }

  /** Whether the line was seen not long ago, and would not fill the table by itself. */
  #comesAgain(line: string): boolean {
    if (line.length > this.#limit / 4) return false;
    if (this.#seen.delete(line)) return true;
    if (this.#seen.size === mostSeen) this.#seen.clear();
    this.#seen.add(line);
    return false;
  }

  #literal(kind: number, bits: number, name: string, value: string, codes: boolean): void {
    this.#reserve(name.length + value.length + 32);
    const index = staticNames.get(name) ?? 0;
    this.#integer(kind, bits, index);
    if (index === 0) this.#string(name, codes);
    this.#string(value, codes);
  }

  /** Coded where it is to be kept and that is shorter; else a copy is cheaper. */
  #string(text: string, codes: boolean): void {
    const coded = codes ? huffmanLength(text) : text.length;
    if (coded < text.length) {
      this.#integer(0x80, 7, coded);
      this.length = encodeHuffman(text, this.bytes, this.length);
      return;
    }
    this.#integer(0, 7, text.length);
    this.#copy(text, 0, text.length);
  }

  #copy(text: string, from: number, to: number): void {
    const { bytes } = this;
    let at = this.length;
    if (to - from > shortString) bytes.write(text.slice(from, to), at, 'latin1');
    else for (let i = from; i < to; i++) bytes[at++] = text.charCodeAt(i);
    this.length += to - from;
  }

  /** RFC 7541 §5.1. */
  #integer(first: number, bits: number, value: number): void {
    const most = (1 << bits) - 1;
    if (value < most) {
      this.bytes[this.length++] = first | value;
      return;
    }
    this.bytes[this.length++] = first | most;
    let left = value - most;
    for (; left >= 0x80; left >>>= 7) this.bytes[this.length++] = (left & 0x7f) | 0x80;
    this.bytes[this.length++] = left;
  }

  #resize(limit: number): void {
    this.#reserve(8);
    this.#integer(resizing, 5, limit);
    this.#limit = limit;
    this.#evict(limit);
  }

  /** A line has `: ` for the two strings' bounds. */
  #insert(line: string, spelled: string): void {
    const cost = line.length - 2 + entryOverhead;
    this.#evict(this.#limit - cost);
    this.#numbers.set(line, ++this.#inserted);
    if (spelled !== '') this.#numbers.set(spelled, this.#inserted);
    this.#queue.push(line);
    this.#spellings.push(spelled);
    this.#tableBytes += cost;
  }

  #evict(most: number): void {
    if (this.#tableBytes <= most) return;
    let gone = 0;
    while (this.#tableBytes > most && gone < this.#queue.length) {
      const line = this.#queue[gone] as string;
      this.#numbers.delete(line);
      this.#numbers.delete(this.#spellings[gone++] as string);
      this.#tableBytes -= line.length - 2 + entryOverhead;
    }
    this.#queue = this.#queue.slice(gone);
    this.#spellings = this.#spellings.slice(gone);
  }

  #reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + more));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }
}

const okIndex = staticStatuses.get(200);
const statusPrefix = literalPrefix(':status');
