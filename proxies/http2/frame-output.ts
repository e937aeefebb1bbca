// Writes frames of one connection: those of one turn gather in pooled buffers and leave in one write.

import type { Socket } from 'node:net';
import { frameFlag, frameHeaderBytes, frameType } from './frame-words.ts';

const batchBytes = 64 * 1024;
const mostKept = 64;
const noBytes: Buffer = Buffer.alloc(0);

class Batch {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(batchBytes);
  /** As the callback of its write. */
  readonly done: () => void = () => {
    if (free.length < mostKept) free.push(this);
  };
}

const free: Batch[] = [];

export class FrameOutput {
  readonly #socket: Socket;
  #batch: Batch | null = null;
  #at = 0;
  #isCorked = false;
  #isScheduled = false;
  /** Where the flags are of the frame last written that could end its stream, and which stream that is; 0: none. */
  #lastFlags = 0;
  #lastStream = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Octets that the kernel has not taken. */
  get backlog(): number {
    return this.#at + this.#socket.writableLength;
  }

  /** A frame with a payload that is at hand. */
  frame(type: number, flags: number, stream: number, bytes: Buffer, from: number, to: number): void {
    const length = to - from;
    const out = this.#reserve(frameHeaderBytes + length);
    this.#header(out, length, type, flags, stream);
    if (length > 0) bytes.copy(out, this.#at, from, to);
    this.#at += length;
  }

  data(stream: number, bytes: Buffer, from: number, to: number, ends: boolean): void {
    this.frame(frameType.data, ends ? frameFlag.endStream : 0, stream, bytes, from, to);
    this.#lastStream = stream;
    this.#lastFlags = this.#at - (to - from) - 5;
  }

  /** A header block, in as many frames as the peer's limit makes of it. */
  headers(stream: number, block: Buffer, length: number, ends: boolean, mostBytes: number): void {
    const first = Math.min(length, mostBytes);
    const isWhole = first === length;
    const flags = (ends ? frameFlag.endStream : 0) | (isWhole ? frameFlag.endHeaders : 0);
    this.frame(frameType.headers, flags, stream, block, 0, first);
    for (let at = first; at < length; at += mostBytes) {
      const end = Math.min(length, at + mostBytes);
      this.frame(frameType.continuation, end === length ? frameFlag.endHeaders : 0, stream, block, at, end);
    }
    this.#lastStream = isWhole ? stream : 0;
    this.#lastFlags = this.#at - first - 5;
  }

  /** Ends the stream with the frame last written, if that was its own and is still here; else with an empty one. */
  end(stream: number): void {
    if (this.#lastStream !== stream) {
      this.data(stream, noBytes, 0, 0, true);
      return;
    }
    const { bytes } = this.#batch as Batch;
    bytes[this.#lastFlags] = (bytes[this.#lastFlags] as number) | frameFlag.endStream;
    this.#lastStream = 0;
  }

  /** A frame whose payload is one 32-bit number: RST_STREAM, WINDOW_UPDATE. */
  number(type: number, stream: number, value: number): void {
    const out = this.#reserve(frameHeaderBytes + 4);
    this.#header(out, 4, type, 0, stream);
    this.#at = out.writeUInt32BE(value, this.#at);
  }

  settings(pairs: readonly (readonly [id: number, value: number])[]): void {
    const out = this.#reserve(frameHeaderBytes + pairs.length * 6);
    this.#header(out, pairs.length * 6, frameType.settings, 0, 0);
    for (const [id, value] of pairs) {
      this.#at = out.writeUInt16BE(id, this.#at);
      this.#at = out.writeUInt32BE(value, this.#at);
    }
  }

  acknowledgeSettings(): void {
    this.frame(frameType.settings, frameFlag.ack, 0, noBytes, 0, 0);
  }

  goaway(lastStream: number, code: number, reason: string): void {
    const out = this.#reserve(frameHeaderBytes + 8 + reason.length);
    this.#header(out, 8 + reason.length, frameType.goaway, 0, 0);
    this.#at = out.writeUInt32BE(lastStream, this.#at);
    this.#at = out.writeUInt32BE(code, this.#at);
    this.#at += out.write(reason, this.#at, 'latin1');
  }

  /** At the end of the turn all goes out. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#onTurnEnd);
  }

  flush(): void {
    this.#send();
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#socket.uncork();
  }

  readonly #onTurnEnd = (): void => {
    this.#isScheduled = false;
    this.flush();
  };

  #send(): void {
    const batch = this.#batch;
    if (batch === null) return;
    this.#batch = null;
    const to = this.#at;
    this.#at = 0;
    this.#lastStream = 0;
    if (this.#socket.destroyed || this.#socket.writableEnded) batch.done();
    else this.#socket.write(batch.bytes.subarray(0, to), batch.done);
  }

  /** The batch, with room for `length` octets more. */
  #reserve(length: number): Buffer {
    this.schedule();
    if (this.#batch !== null && this.#at + length > batchBytes) {
      if (!this.#isCorked) this.#socket.cork();
      this.#isCorked = true;
      this.#send();
    }
    this.#batch ??= free.pop() ?? new Batch();
    return this.#batch.bytes;
  }

  #header(out: Buffer, length: number, type: number, flags: number, stream: number): void {
    this.#lastStream = 0;
    const at = this.#at;
    out[at] = length >>> 16;
    out[at + 1] = (length >>> 8) & 0xff;
    out[at + 2] = length & 0xff;
    out[at + 3] = type;
    out[at + 4] = flags;
    this.#at = out.writeUInt32BE(stream, at + 5);
  }
}
