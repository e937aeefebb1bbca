// Decodes header blocks (RFC 7541): one decoder a connection, which every block of it must pass, also those of requests refused.

import { latin1 } from '../http1/index.ts';
import { decodeHuffman, mostDecoded } from './huffman.ts';
import { fieldName, HpackField, type FieldName } from './hpack-field.ts';
import { firstDynamic, staticTable } from './static-table.ts';

/** Who hears of the fields of a block. */
export interface FieldSink {
  onField(field: HpackField): void;
}

/** Of a connection whose peer was told nothing else (RFC 9113 §6.5.2). */
export const defaultTableBytes = 4096;

/** Longer integers are no lengths and no indexes of anything. */
const mostShift = 21;

const nameOf = (text: string): FieldName => fieldName(Buffer.from(text, 'latin1'), 0, text.length);
const staticFields: readonly HpackField[] = staticTable.map(([name, value]) => new HpackField(nameOf(name), value));

/** What strings are decoded into; grows to the longest. */
let scratch: Buffer = Buffer.allocUnsafeSlow(4096);

export class HpackDecoder {
  /** Of the block last decoded: the sum of its fields' sizes (RFC 9113 §6.5.2), also of those beyond the limit. */
  listBytes = 0;
  /** The newest entry is at `#newest`, older ones below, modulo the length. */
  #ring: (HpackField | undefined)[] = new Array<HpackField | undefined>(128);
  #newest = 0;
  #count = 0;
  #bytes = 0;
  /** As the peer's encoder says, at most `#most`. */
  #limit = defaultTableBytes;
  #most = defaultTableBytes;
  /** The smallest table we asked for that the peer has not confirmed; Infinity: none. */
  #awaited = Infinity;

  #block: Buffer = scratch;
  #at = 0;
  #to = 0;

  /** SETTINGS_HEADER_TABLE_SIZE that the peer has acknowledged. A smaller one must be confirmed by its next block (RFC 7541 §4.2). */
  setTableBytes(most: number): void {
    this.#most = most;
    if (most < this.#limit) this.#awaited = Math.min(this.#awaited, most);
  }

  /**
   * Decodes a whole block. Fields are handed on until their sizes exceed `mostListBytes`; what follows is still decoded, as the table
   * depends on it. False: a COMPRESSION_ERROR, after which the decoder is of no use.
   */
  decode(bytes: Buffer, from: number, to: number, sink: FieldSink, mostListBytes: number): boolean {
    this.#block = bytes;
    this.#at = from;
    this.#to = to;
    this.listBytes = 0;
    let isFirst = true;
    while (this.#at < to) {
      const octet = bytes[this.#at] as number;
      if (octet >= 0x20 && octet < 0x40) {
        // Only at the beginning of a block (RFC 7541 §4.2).
        if (!isFirst || !this.#resize()) return false;
        continue;
      }
      if (this.#awaited !== Infinity) return false;
      isFirst = false;
      const field = octet >= 0x80 ? this.#indexed() : this.#literal(octet);
      if (field === null) return false;
      this.listBytes += field.bytes;
      if (this.listBytes <= mostListBytes) sink.onField(field);
    }
    return true;
  }

  /** RFC 7541 §6.1. */
  #indexed(): HpackField | null {
    return this.#entry(this.#integer(7));
  }

  /** RFC 7541 §6.2: with incremental indexing, without, never indexed. */
  #literal(octet: number): HpackField | null {
    const indexes = octet >= 0x40;
    const index = this.#integer(indexes ? 6 : 4);
    if (index < 0) return null;
    const name = index === 0 ? this.#name() : (this.#entry(index)?.name ?? null);
    if (name === null) return null;
    const length = this.#string();
    if (length < 0) return null;
    const field = new HpackField(name, latin1(scratch, 0, length));
    if (indexes) this.#insert(field);
    return field;
  }

  #name(): FieldName | null {
    const length = this.#string();
    return length < 0 ? null : fieldName(scratch, 0, length);
  }

  #entry(index: number): HpackField | null {
    if (index < firstDynamic) return staticFields[index - 1] ?? null;
    const back = index - firstDynamic;
    if (back >= this.#count) return null;
    return this.#ring[(this.#newest - back) & (this.#ring.length - 1)] ?? null;
  }

  #insert(field: HpackField): void {
    this.#evict(this.#limit - field.bytes);
    // RFC 7541 §4.4: larger than the table, it empties it.
    if (field.bytes > this.#limit) return;
    if (this.#count === this.#ring.length) this.#grow();
    this.#newest = (this.#newest + 1) & (this.#ring.length - 1);
    this.#ring[this.#newest] = field;
    this.#count++;
    this.#bytes += field.bytes;
  }

  #evict(most: number): void {
    while (this.#count > 0 && this.#bytes > most) {
      const oldest = (this.#newest - --this.#count) & (this.#ring.length - 1);
      this.#bytes -= this.#ring[oldest]?.bytes ?? 0;
      this.#ring[oldest] = undefined;
    }
  }

  #grow(): void {
    const { length } = this.#ring;
    const ring = new Array<HpackField | undefined>(length * 2);
    for (let i = 0; i < length; i++) ring[length - 1 - i] = this.#ring[(this.#newest - i) & (length - 1)];
    this.#ring = ring;
    this.#newest = length - 1;
  }

  /** RFC 7541 §6.3. */
  #resize(): boolean {
    const limit = this.#integer(5);
    if (limit < 0 || limit > this.#most) return false;
    if (limit <= this.#awaited) this.#awaited = Infinity;
    this.#limit = limit;
    this.#evict(limit);
    return true;
  }

  /** An integer whose first octet is at hand, with a prefix of `bits` (RFC 7541 §5.1); -1 where it is cut off or too large. */
  #integer(bits: number): number {
    const most = (1 << bits) - 1;
    let value = (this.#block[this.#at++] as number) & most;
    if (value < most) return value;
    for (let shift = 0; shift <= mostShift && this.#at < this.#to; shift += 7) {
      const octet = this.#block[this.#at++] as number;
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    return -1;
  }

  /** A string (RFC 7541 §5.2) into `scratch`; its length, or -1. */
  #string(): number {
    if (this.#at >= this.#to) return -1;
    const isHuffman = (this.#block[this.#at] as number) >= 0x80;
    const length = this.#integer(7);
    const from = this.#at;
    if (length < 0 || length > this.#to - from) return -1;
    this.#at = from + length;
    const most = isHuffman ? mostDecoded(length) : length;
    if (most > scratch.length) scratch = Buffer.allocUnsafeSlow(most * 2);
    if (isHuffman) return decodeHuffman(this.#block, from, this.#at, scratch);
    this.#block.copy(scratch, 0, from, this.#at);
    return length;
  }
}
