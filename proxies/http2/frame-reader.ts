// Cuts what a peer sends into frames (RFC 9113 §4.1). Whole frames are handed on where they lie; one in pieces is put together once.

import { frameHeaderBytes, leastFrameBytes } from './frame-words.ts';

export interface FrameSink {
  /** False: no more frames are wanted. */
  readonly isReading: boolean;
  /** The payload is in `bytes` from `from` to `to`, lent until the call returns. */
  onFrame(type: number, flags: number, stream: number, bytes: Buffer, from: number, to: number): void;
  /** A frame longer than we take; nothing is read behind it. */
  onOversized(type: number, stream: number, length: number): void;
}

export class FrameReader {
  readonly #header = Buffer.allocUnsafeSlow(frameHeaderBytes);
  /** Octets of a frame begun, its header included. */
  #have = 0;
  #payload: Buffer | null = null;

  /** Whether a frame is begun and not whole. */
  get isAmid(): boolean {
    return this.#have > 0;
  }

  /** Takes the octets from `from` to `to`. */
  feed(bytes: Buffer, from: number, to: number, sink: FrameSink): void {
    let at = from;
    while (at < to && sink.isReading) {
      if (this.#have > 0) at = this.#goOn(bytes, at, to, sink);
      else if (to - at < frameHeaderBytes) at = this.#fillHeader(bytes, at, to);
      else {
        const length = lengthAt(bytes, at);
        if (to - at - frameHeaderBytes < length || length > leastFrameBytes) {
          at = this.#goOn(bytes, this.#fillHeader(bytes, at, to), to, sink);
          continue;
        }
        const start = at + frameHeaderBytes;
        const header = at;
        at = start + length;
        sink.onFrame(
          bytes[header + 3] as number,
          bytes[header + 4] as number,
          streamAt(bytes, header),
          bytes,
          start,
          at,
        );
      }
    }
  }

  #fillHeader(bytes: Buffer, at: number, to: number): number {
    const end = Math.min(to, at + frameHeaderBytes - this.#have);
    this.#have += bytes.copy(this.#header, this.#have, at, end);
    return end;
  }

  #goOn(bytes: Buffer, from: number, to: number, sink: FrameSink): number {
    let at = this.#have < frameHeaderBytes ? this.#fillHeader(bytes, from, to) : from;
    if (this.#have < frameHeaderBytes) return at;
    const header = this.#header;
    const length = lengthAt(header, 0);
    if (length > leastFrameBytes) {
      sink.onOversized(header[3] as number, streamAt(header, 0), length);
      return to;
    }
    const payload = (this.#payload ??= Buffer.allocUnsafeSlow(length));
    const done = this.#have - frameHeaderBytes;
    const end = Math.min(to, at + length - done);
    this.#have += bytes.copy(payload, done, at, end);
    at = end;
    if (this.#have < frameHeaderBytes + length) return at;
    this.#have = 0;
    this.#payload = null;
    sink.onFrame(header[3] as number, header[4] as number, streamAt(header, 0), payload, 0, length);
    return at;
  }
}

const lengthAt = (bytes: Buffer, at: number): number =>
  ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);

/** Without the reserved bit. */
const streamAt = (bytes: Buffer, at: number): number => bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
