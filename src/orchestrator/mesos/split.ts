// Splitter: cuts the elements of named arrays out of a JSON document as its bytes arrive and parses them one by one, so that 200 MB are
// never one string and never one pause (node26.md §B). What is left of the document, with those arrays emptied, is its skeleton.

import { messageOf } from '../../runtime/index.ts';

export interface Cut {
  /** Keys from the root to the array, joined by dots; arrays on the way do not count: `frameworks.tasks` is that of each framework. */
  readonly path: string;
  /** Called with each parsed element; null: the elements are dropped unparsed. */
  readonly take: ((element: unknown) => void) | null;
}

export interface Splitter {
  /** The next bytes; they may be reused afterwards. */
  push(chunk: Buffer): void;
  /** The document without the cut elements. Throws SyntaxError if it is not JSON or not whole. */
  end(): unknown;
}

export interface SplitterOptions {
  readonly cuts: readonly Cut[];
  /** An element that is not JSON or is too large; its neighbours are not touched. `offset`: of its first byte in the document. */
  readonly onBadElement: (path: string, reason: string, offset: number) => void;
  readonly mostElementBytes?: number;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const maxElementBytes = 16 * 1024 * 1024;
/** Most strings end within so many bytes. */
const nearBytes = 48;

interface Level {
  readonly isArray: boolean;
  readonly path: string;
}

export function createSplitter(options: SplitterOptions): Splitter {
  return new ByteSplitter(options);
}

class ByteSplitter implements Splitter {
  readonly #cuts: ReadonlyMap<string, Cut>;
  readonly #onBadElement: SplitterOptions['onBadElement'];
  readonly #mostElementBytes: number;
  /** Containers around the current byte, as long as it is part of the skeleton. */
  readonly #levels: Level[] = [];
  readonly #skeleton: Buffer[] = [];
  /** Bytes of the element so far, when a chunk's border cuts it. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #cut: Cut | null = null;
  #depth = 0;
  #inElement = false;
  #inString = false;
  #escaped = false;
  #key = '';
  #keyParts: Buffer[] = [];
  #stringIsKey = false;
  #expectsKey = false;
  #consumed = 0;
  #elementOffset = 0;

  constructor(options: SplitterOptions) {
    this.#cuts = new Map(options.cuts.map((cut) => [cut.path, cut]));
    this.#onBadElement = options.onBadElement;
    this.#mostElementBytes = options.mostElementBytes ?? maxElementBytes;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at = this.#cut === null ? this.#walk(chunk, at) : this.#gather(chunk, at);
    this.#consumed += chunk.length;
  }

  end(): unknown {
    const text = Buffer.concat(this.#skeleton).toString('utf8');
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text) as unknown;
  }

  /** Skeleton bytes from `from` on; returns where it stopped, which is after the `[` of a cut array or at the chunk's end. */
  #walk(chunk: Buffer, from: number): number {
    let stringStart = from;
    for (let i = from; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === backslash) this.#escaped = true;
        else if (byte === quote) {
          this.#inString = false;
          if (this.#stringIsKey) this.#endKey(chunk.subarray(stringStart, i));
        }
      } else if (byte === quote) {
        this.#inString = true;
        this.#stringIsKey = this.#expectsKey;
        stringStart = i + 1;
      } else if (byte === openBrace || byte === openBracket) {
        this.#open(byte === openBracket);
        if (this.#cut !== null) {
          this.#skeleton.push(Buffer.from(chunk.subarray(from, i + 1)));
          return i + 1;
        }
      } else if (byte === closeBrace || byte === closeBracket) {
        this.#levels.pop();
        this.#expectsKey = false;
      } else if (byte === comma) {
        this.#expectsKey = this.#levels.at(-1)?.isArray === false;
      }
    }
    if (this.#inString && this.#stringIsKey) this.#keyParts.push(Buffer.from(chunk.subarray(stringStart)));
    this.#skeleton.push(Buffer.from(chunk.subarray(from)));
    return chunk.length;
  }

  #endKey(bytes: Buffer): void {
    const raw = this.#keyParts.length === 0 ? bytes : Buffer.concat([...this.#keyParts, bytes]);
    this.#keyParts = [];
    const text = raw.toString('utf8');
    this.#key = text.includes('\\') ? unescaped(text) : text;
    this.#expectsKey = false;
  }

  #open(isArray: boolean): void {
    const parent = this.#levels.at(-1);
    let path = parent?.path ?? '';
    if (parent !== undefined && !parent.isArray) path = path === '' ? this.#key : `${path}.${this.#key}`;
    this.#levels.push({ isArray, path });
    this.#expectsKey = !isArray;
    if (isArray) this.#cut = this.#cuts.get(path) ?? null;
  }

  /** Bytes inside a cut array; returns where it stopped, which is at the array's `]` or at the chunk's end. */
  #gather(chunk: Buffer, from: number): number {
    let start = from;
    let i = from;
    while (i < chunk.length) {
      if (this.#depth > 0 || this.#inString) {
        i = this.#nested(chunk, i);
        continue;
      }
      const byte = chunk[i] as number;
      if (byte === comma || byte === closeBracket) {
        this.#endElement(chunk, start, i);
        start = i + 1;
        if (byte === closeBracket) {
          this.#cut = null;
          return i;
        }
      } else if (!this.#inElement && byte > 0x20) {
        this.#inElement = true;
        this.#elementOffset = this.#consumed + i;
        start = i;
      }
      if (byte === quote) this.#inString = true;
      else if (byte === openBrace || byte === openBracket) this.#depth = 1;
      i++;
    }
    if (this.#inElement) this.#hold(chunk.subarray(start));
    return chunk.length;
  }

  /**
   * Bytes of an element up to where its outermost container or string ends, or the chunk. Most of a picture goes through here, so its
   * state is in locals as long as it runs.
   */
  #nested(chunk: Buffer, from: number): number {
    let depth = this.#depth;
    let i = from;
    if (this.#inString) {
      i = this.#afterString(chunk, i);
      if (this.#inString) return i;
    }
    while (i < chunk.length && depth > 0) {
      const byte = chunk[i++] as number;
      if (byte === quote) {
        i = this.#afterString(chunk, i);
        if (this.#inString) break;
      } else if (byte > 0x5a) {
        // `[` and `{`, `]` and `}` differ in one bit.
        const brace = byte | 0x20;
        if (brace === openBrace) depth++;
        else if (brace === closeBrace) depth--;
      }
    }
    this.#depth = depth;
    return i;
  }

  /** The offset after the closing quote of the string that `from` is in; the chunk's end, and `#inString`, where it goes on there. */
  #afterString(chunk: Buffer, from: number): number {
    let i = this.#escaped ? from + 1 : from;
    this.#escaped = false;
    const near = Math.min(chunk.length, i + nearBytes);
    while (i < near) {
      const byte = chunk[i++];
      if (byte === backslash) i++;
      else if (byte === quote) {
        this.#inString = false;
        return i;
      }
    }
    // A search in native code costs more to begin with and less per byte.
    for (let at = i; at < chunk.length; at = i) {
      const end = chunk.indexOf(quote, at);
      i = (end < 0 ? chunk.length : end) + (isEscaped(chunk, at, end < 0 ? chunk.length : end) ? 1 : 0);
      if (end >= 0 && i === end) {
        this.#inString = false;
        return end + 1;
      }
    }
    this.#inString = true;
    this.#escaped = i > chunk.length;
    return chunk.length;
  }

  /** Copies: a piece of a chunk would keep the whole 64 KiB slab alive. */
  #hold(piece: Buffer): void {
    this.#heldBytes += piece.length;
    if (this.#cut?.take === null || this.#heldBytes > this.#mostElementBytes) this.#held = [];
    else this.#held.push(Buffer.from(piece));
  }

  #endElement(chunk: Buffer, start: number, end: number): void {
    const cut = this.#cut;
    const size = this.#heldBytes + end - start;
    const held = this.#held;
    const present = this.#inElement;
    this.#held = [];
    this.#heldBytes = 0;
    this.#inElement = false;
    if (!present || cut === null || cut.take === null) return;
    if (size > this.#mostElementBytes) {
      this.#onBadElement(cut.path, `is larger than ${this.#mostElementBytes} bytes`, this.#elementOffset);
      return;
    }
    let element: unknown;
    try {
      const text =
        held.length === 0
          ? chunk.toString('utf8', start, end)
          : Buffer.concat([...held, chunk.subarray(start, end)], size).toString('utf8');
      element = JSON.parse(text);
    } catch (error) {
      this.#onBadElement(cut.path, messageOf(error), this.#elementOffset);
      return;
    }
    cut.take(element);
  }
}

/** Whether the byte at `at` follows an odd number of backslashes; what is before `from` is known not to escape. */
function isEscaped(chunk: Buffer, from: number, at: number): boolean {
  let before = at;
  while (before > from && chunk[before - 1] === backslash) before--;
  return (at - before) % 2 === 1;
}

function unescaped(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}
