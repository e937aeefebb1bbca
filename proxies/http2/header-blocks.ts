// Puts header blocks together from HEADERS and CONTINUATION (RFC 9113 §4.3). One frame is mostly all of a block, and is not copied.

import { frameFlag } from './frame-words.ts';

/** A block that is not whole yet. */
export class HeaderBlocks {
  /** Whose block is under way; 0: none is. */
  stream = 0;
  /** Whether the block ends its stream, and whether its priority made the stream depend on itself. */
  ends = false;
  dependsOnItself = false;
  #parts: Buffer[] = [];
  #bytes = 0;

  begin(stream: number, ends: boolean, dependsOnItself: boolean, part: Buffer): void {
    this.stream = stream;
    this.ends = ends;
    this.dependsOnItself = dependsOnItself;
    this.#parts = [part];
    this.#bytes = part.length;
  }

  /** Takes a CONTINUATION; false: the block is longer, or in more frames, than anybody needs. */
  add(part: Buffer, mostBytes: number, mostFrames: number): boolean {
    this.#parts.push(part);
    this.#bytes += part.length;
    return this.#bytes <= mostBytes && this.#parts.length <= mostFrames;
  }

  /** The whole block. */
  take(): Buffer {
    const block = Buffer.concat(this.#parts, this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
    this.stream = 0;
    return block;
  }
}

/** Where the payload of a padded frame is without its padding; `from` is -1 where the padding is longer than the frame. */
export interface Unpadded {
  from: number;
  to: number;
}

const unpadded: Unpadded = { from: 0, to: 0 };

/** Valid until the next call. */
export function withoutPadding(flags: number, bytes: Buffer, from: number, to: number): Unpadded {
  unpadded.from = from;
  unpadded.to = to;
  if ((flags & frameFlag.padded) === 0) return unpadded;
  const padding = from < to ? (bytes[from] as number) : 256;
  unpadded.from = from + 1 + padding > to ? -1 : from + 1;
  unpadded.to = to - padding;
  return unpadded;
}
