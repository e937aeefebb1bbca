// Finds the end of a message body: by length, by chunks (validated, extensions dropped) or by the end of the connection (RFC 9112 §6, §7).

import { hexValue, isValueByte } from './byte-classes.ts';
import { fieldId } from './field-names.ts';
import { FieldList, needsMore } from './field-list.ts';
import type { AnswerFraming } from './response-head.ts';

/** Who takes the bytes of a body. `bytes` is lent until the call returns. */
export interface BodySink {
  /** Payload; where the reader was started raw: chunk sizes, data and line ends as they go over the wire, without last chunk and trailers. */
  onBody(bytes: Buffer, from: number, to: number): void;
}

/** Answer of `feed` where the framing is broken. */
export const badFraming = -1;

const cr = 0x0d;
const lf = 0x0a;

/** 15 digits stay below 2⁶⁰; sizes above 2⁵³ are refused when summed up. */
const sizeDigits = 15;
/** Of all extensions of one body, so that nobody sends a megabyte a byte. */
const extensionBytes = 16 * 1024;
const trailerBytes = 16 * 1024;
const trailerFields = 64;

const reading = {
  end: 0,
  length: 1,
  close: 2,
  size: 3,
  extension: 4,
  sizeLf: 5,
  chunk: 6,
  chunkCr: 7,
  chunkLf: 8,
  trailers: 9,
} as const;

export const noBytes: Buffer = Buffer.alloc(0);

export class BodyReader {
  /** Payload bytes so far. */
  bytes = 0;
  /** Of a chunked body that has ended; null where it had none. */
  trailers: FieldList | null = null;
  #state: number = reading.end;
  #left = 0;
  #digits = 0;
  #extensions = 0;
  #extended = false;
  #raw = false;
  #pending: Buffer = noBytes;

  /** Begins a body; `raw`: a chunked one is handed on in its chunks. */
  start(framing: AnswerFraming, length: number, raw: boolean): void {
    this.bytes = 0;
    this.trailers = null;
    this.#left = length;
    this.#raw = raw;
    this.#extensions = 0;
    if (framing === 'length') this.#state = length === 0 ? reading.end : reading.length;
    else if (framing === 'close') this.#state = reading.close;
    else if (framing === 'none') this.#state = reading.end;
    else this.#startSize();
  }

  get ended(): boolean {
    return this.#state === reading.end;
  }

  /** Whether only the end of the connection ends the body. */
  get endsWithConnection(): boolean {
    return this.#state === reading.close;
  }

  /** Takes `bytes` from `from` to `to`; returns the offset behind what belongs to this body, or `badFraming`. */
  feed(bytes: Buffer, from: number, to: number, sink: BodySink): number {
    if (this.#state === reading.end) return from;
    if (this.#state === reading.length) return this.#feedLength(bytes, from, to, sink);
    if (this.#state === reading.close) {
      this.bytes += to - from;
      if (to > from) sink.onBody(bytes, from, to);
      return to;
    }
    return this.#raw ? this.#feedRaw(bytes, from, to, sink) : this.#feedChunks(bytes, from, to, sink);
  }

  #feedLength(bytes: Buffer, from: number, to: number, sink: BodySink): number {
    const end = Math.min(to, from + this.#left);
    this.#left -= end - from;
    this.bytes += end - from;
    if (this.#left === 0) this.#state = reading.end;
    if (end > from) sink.onBody(bytes, from, end);
    return end;
  }

  #feedChunks(bytes: Buffer, from: number, to: number, sink: BodySink): number {
    let p = from;
    while (p < to && this.#state !== reading.end) {
      if (this.#state === reading.chunk) {
        const end = Math.min(to, p + this.#left);
        sink.onBody(bytes, p, end);
        p = this.#passChunk(p, end);
      } else {
        p = this.#step(bytes, p, to);
        if (p < 0) return badFraming;
      }
    }
    return p;
  }

  /**
   * As `feedChunks`, but hands on whole runs of chunks. A size line goes on once it is complete and not the last one: from this read as it
   * stands, or written anew where it began in the read before or had an extension.
   */
  #feedRaw(bytes: Buffer, from: number, to: number, sink: BodySink): number {
    let p = from;
    let run = from;
    let line = this.#isInSizeLine() ? -1 : from;
    while (p < to && this.#state !== reading.trailers) {
      if (this.#state === reading.size && this.#digits === 0) line = p;
      const before = this.#state;
      p = before === reading.chunk ? this.#passChunk(p, Math.min(to, p + this.#left)) : this.#step(bytes, p, to);
      if (p < 0) return badFraming;
      if (before !== reading.sizeLf || this.#state !== reading.chunk) continue;
      if (line >= 0 && !this.#extended) continue;
      if (line > run) sink.onBody(bytes, run, line);
      const sizeLine = Buffer.from(`${this.#left.toString(16)}\r\n`, 'latin1');
      sink.onBody(sizeLine, 0, sizeLine.length);
      run = p;
    }
    if (this.#state === reading.size && this.#digits === 0) line = p;
    const isHeldBack = this.#isInSizeLine() || this.#state >= reading.trailers;
    const end = isHeldBack ? line : p;
    if (end > run) sink.onBody(bytes, run, end);
    return this.#state === reading.trailers ? this.#step(bytes, p, to) : p;
  }

  #isInSizeLine(): boolean {
    return this.#state === reading.size || this.#state === reading.extension || this.#state === reading.sizeLf;
  }

  #startSize(): void {
    this.#state = reading.size;
    this.#left = 0;
    this.#digits = 0;
    this.#extended = false;
  }

  #passChunk(from: number, end: number): number {
    this.#left -= end - from;
    this.bytes += end - from;
    if (this.#left === 0) this.#state = reading.chunkCr;
    return end;
  }

  /** One step outside of chunk data; returns the next offset or `badFraming`. */
  #step(bytes: Buffer, p: number, to: number): number {
    const byte = bytes[p] as number;
    switch (this.#state) {
      case reading.size:
        return this.#readSize(byte, p);
      case reading.extension:
        if (byte === cr) this.#state = reading.sizeLf;
        else if (isValueByte[byte] === 0 || ++this.#extensions > extensionBytes) return badFraming;
        return p + 1;
      case reading.sizeLf:
        if (byte !== lf || !Number.isSafeInteger(this.bytes + this.#left)) return badFraming;
        this.#state = this.#left === 0 ? reading.trailers : reading.chunk;
        if (this.#left === 0) this.#pending = noBytes;
        return p + 1;
      case reading.chunkCr:
        this.#state = reading.chunkLf;
        return byte === cr ? p + 1 : badFraming;
      case reading.chunkLf:
        this.#startSize();
        return byte === lf ? p + 1 : badFraming;
      default:
        return this.#readTrailers(bytes, p, to);
    }
  }

  #readSize(byte: number, p: number): number {
    const digit = hexValue[byte] as number;
    if (digit < 16) {
      this.#left = this.#left * 16 + digit;
      return ++this.#digits > sizeDigits ? badFraming : p + 1;
    }
    if (this.#digits === 0) return badFraming;
    if (byte === cr) this.#state = reading.sizeLf;
    else if (byte === 0x3b) {
      this.#state = reading.extension;
      this.#extended = true;
    } else return badFraming;
    return p + 1;
  }

  #readTrailers(bytes: Buffer, p: number, to: number): number {
    if (this.#pending.length === 0 && p + 1 < to && bytes[p] === cr && bytes[p + 1] === lf) {
      this.#state = reading.end;
      return p + 2;
    }
    const before = this.#pending.length;
    const section = before === 0 ? bytes.subarray(p, to) : Buffer.concat([this.#pending, bytes.subarray(p, to)]);
    const fields = new FieldList();
    const end = fields.parse(section, 0, section.length, 0, trailerFields);
    if (end < 0 || end > trailerBytes) return badFraming;
    if (end === needsMore) {
      this.#pending = Buffer.from(section);
      return section.length > trailerBytes ? badFraming : to;
    }
    fields.text = section.toString('latin1', 0, end);
    this.#pending = noBytes;
    this.#state = reading.end;
    if (!isFreeOfFraming(fields)) return badFraming;
    this.trailers = fields.count === 0 ? null : fields;
    return p + end - before;
  }
}

/** A length or coding behind the body it would describe is an attack (specs/l7.md §3.1). */
function isFreeOfFraming(fields: FieldList): boolean {
  return fields.indexOf(fieldId.contentLength) < 0 && fields.indexOf(fieldId.transferEncoding) < 0;
}
