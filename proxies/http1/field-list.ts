// The fields of one head or trailer section as spans into one string: no object per field, kept runs are cut out whole.

import { isValueByte, tokenClass } from './byte-classes.ts';
import { fieldId, identifyField } from './field-names.ts';

/** Answer of a parser that needs more bytes. */
export const needsMore = 0;

/** Answer of a parser that refuses: minus the status that tells the client so. */
export const badRequest = -400;
export const fieldsTooLarge = -431;

const cr = 0x0d;
const lf = 0x0a;
const colon = 0x3a;
const space = 0x20;
const tab = 0x09;

/**
 * Fields in their order, repetitions and spelling. Offsets are into `text`, which the owner sets once the section is complete. An
 * HTTP/2 front end fills one by writing `name: value\r\n` lines and calling `add`.
 */
export class FieldList {
  /** The head, one character a byte (latin1). */
  text = '';
  count = 0;
  /** Where the last line ends, its CRLF included. */
  end = 0;
  /** A bit for each id that is there, by its last five bits: most questions for a field are answered by it. */
  #present = 0;
  readonly ids: number[] = [];
  readonly nameStarts: number[] = [];
  readonly nameEnds: number[] = [];
  readonly valueStarts: number[] = [];
  readonly valueEnds: number[] = [];

  clear(): void {
    this.text = '';
    this.count = 0;
    this.end = 0;
    this.#present = 0;
  }

  /** Appends a field by its offsets; `lineEnd` is behind its CRLF. Lines must follow each other without a gap. */
  add(id: number, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, lineEnd: number): void {
    const i = this.count++;
    this.ids[i] = id;
    this.#present |= 1 << id;
    this.nameStarts[i] = nameStart;
    this.nameEnds[i] = nameEnd;
    this.valueStarts[i] = valueStart;
    this.valueEnds[i] = valueEnd;
    this.end = lineEnd;
  }

  /**
   * Parses field lines in `bytes` from `at` up to `to` (RFC 9112 §5, no folding, no bare CR or LF, no blank before the colon). Returns the
   * offset behind the blank line, `needsMore` (what is complete is kept; go on from `end`), or a refusal. `base` is where `text` begins.
   */
  parse(bytes: Uint8Array, at: number, to: number, base: number, mostFields: number): number {
    let line = at;
    this.end = line - base;
    for (;;) {
      if (line >= to) return needsMore;
      if (bytes[line] === cr) {
        if (line + 1 >= to) return needsMore;
        return bytes[line + 1] === lf ? line + 2 : badRequest;
      }
      let p = line;
      let seen = 0;
      for (; p < to; p++) {
        const kind = tokenClass[bytes[p] as number] as number;
        if (kind === 0) break;
        seen |= kind;
      }
      if (p === to) return needsMore;
      if (p === line || bytes[p] !== colon) return badRequest;
      const nameEnd = p++;
      while (p < to && (bytes[p] === space || bytes[p] === tab)) p++;
      const valueStart = p;
      while (p < to && isValueByte[bytes[p] as number] === 1) p++;
      if (p === to || (bytes[p] === cr && p + 1 === to)) return needsMore;
      if (bytes[p] !== cr || bytes[p + 1] !== lf) return badRequest;
      if (this.count === mostFields) return fieldsTooLarge;
      const id = seen === 3 ? fieldId.underscored : identifyField(bytes, line, nameEnd);
      const valueEnd = withoutBlanks(bytes, valueStart, p);
      this.add(id, line - base, nameEnd - base, valueStart - base, valueEnd - base, p + 2 - base);
      line = p + 2;
    }
  }

  /** Index of the first field with `id` at or behind `from`, -1 if there is none. */
  indexOf(id: number, from = 0): number {
    if ((this.#present & (1 << id)) === 0) return -1;
    for (let i = from; i < this.count; i++) if (this.ids[i] === id) return i;
    return -1;
  }

  name(i: number): string {
    return this.text.slice(this.nameStarts[i], this.nameEnds[i]);
  }

  /** Without surrounding blanks. */
  value(i: number): string {
    return this.text.slice(this.valueStarts[i], this.valueEnds[i]);
  }

  /** Whether field `i` has this value; no string is made to compare. */
  isValue(i: number, value: string): boolean {
    const start = this.valueStarts[i] as number;
    return (this.valueEnds[i] as number) - start === value.length && this.text.startsWith(value, start);
  }

  /** The value of the first field with this id, null if there is none. */
  valueOf(id: number): string | null {
    const i = this.indexOf(id);
    return i < 0 ? null : this.value(i);
  }

  /** The value of the first field called `name` (lower case); null if there is none. For names without an id, off the hot path. */
  get(name: string): string | null {
    for (let i = 0; i < this.count; i++) if (this.isCalled(i, name)) return this.value(i);
    return null;
  }

  /** Whether field `i` is called `name` (lower case). */
  isCalled(i: number, name: string): boolean {
    const start = this.nameStarts[i] as number;
    if ((this.nameEnds[i] as number) - start !== name.length) return false;
    for (let j = 0; j < name.length; j++) {
      const code = this.text.charCodeAt(start + j);
      if ((code >= 0x41 && code <= 0x5a ? code + 0x20 : code) !== name.charCodeAt(j)) return false;
    }
    return true;
  }

  /**
   * The lines that stay, in their order and spelling, each with its CRLF. A line goes if `drops[id]` is 1 or its name is one of `named`
   * (lower case; what a Connection field listed) and `drops` does not forbid that (2).
   */
  kept(drops: Uint8Array, named: readonly string[] | null): string {
    let lines = '';
    let run = -1;
    for (let i = 0; i < this.count; i++) {
      const rule = drops[this.ids[i] as number];
      if (rule === 1 || (named !== null && rule !== 2 && this.#isOneOf(i, named))) {
        if (run >= 0) lines += this.text.slice(run, this.nameStarts[i]);
        run = -1;
      } else if (run < 0) run = this.nameStarts[i] as number;
    }
    return run < 0 ? lines : lines + this.text.slice(run, this.end);
  }

  #isOneOf(i: number, names: readonly string[]): boolean {
    for (const name of names) if (this.isCalled(i, name)) return true;
    return false;
  }
}

function withoutBlanks(bytes: Uint8Array, start: number, end: number): number {
  let last = end;
  while (last > start && (bytes[last - 1] === space || bytes[last - 1] === tab)) last--;
  return last;
}
