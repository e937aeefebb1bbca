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
    for (let i = from; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === backslash) this.#escaped = true;
        else if (byte === quote) this.#inString = false;
        continue;
      }
      if (this.#depth === 0 && (byte === comma || byte === closeBracket)) {
        this.#endElement(chunk.subarray(start, i));
        start = i + 1;
        if (byte === comma) continue;
        this.#cut = null;
        return i;
      }
      if (!this.#inElement && byte > 0x20) {
        this.#inElement = true;
        this.#elementOffset = this.#consumed + i;
        start = i;
      }
      if (byte === quote) this.#inString = true;
      else if (byte === openBrace || byte === openBracket) this.#depth++;
      else if (byte === closeBrace || byte === closeBracket) this.#depth--;
    }
    if (this.#inElement) this.#hold(chunk.subarray(start));
    return chunk.length;
  }

  /** Copies: a piece of a chunk would keep the whole 64 KiB slab alive. */
  #hold(piece: Buffer): void {
    this.#heldBytes += piece.length;
    if (this.#cut?.take === null || this.#heldBytes > this.#mostElementBytes) this.#held = [];
    else this.#held.push(Buffer.from(piece));
  }

  #endElement(tail: Buffer): void {
    const cut = this.#cut;
    const size = this.#heldBytes + tail.length;
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
    const bytes = held.length === 0 ? tail : Buffer.concat([...held, tail]);
    let element: unknown;
    try {
      element = JSON.parse(bytes.toString('utf8'));
    } catch (error) {
      this.#onBadElement(cut.path, messageOf(error), this.#elementOffset);
      return;
    }
    cut.take(element);
  }
}

function unescaped(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}
