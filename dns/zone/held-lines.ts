// The records of one name where there are several, or several sources of one, in their order; and that order.

import { compareRrs } from './record.ts';
import { isJson, rrOf } from './record-text.ts';

/** What a source is called whose records of a name count only where all others of the name are as bad. */
export const reserve = (source: string): string => `~${source}`;
const isReserve = (source: string): boolean => source.startsWith('~');
/** A source as people know it. */
export const plainSource = (source: string): string => (isReserve(source) ? source.slice(1) : source);

/** Most records have one source, and a set for each would weigh more than the zone. */
type Sources = string | Set<string>;

export class HeldLines {
  #lines: string[] = [];
  #sources: Sources[] = [];
  /** Type and TTL of all lines, with the blanks behind them; '' where they differ, or before the first. */
  #start = '';

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Whether the source gave that record. */
  has(line: string, source: string): boolean {
    const sources = this.#sources[this.#find(line)];
    return sources === source || (typeof sources === 'object' && sources.has(source));
  }

  add(line: string, source: string): void {
    const at = this.#placeOf(line);
    const sources = this.#isAt(at, line) ? this.#sources[at] : undefined;
    if (sources === undefined) {
      if (this.#lines.length === 0) this.#start = startOf(line);
      else if (!line.startsWith(this.#start)) this.#start = '';
      this.#lines.splice(at, 0, line);
      this.#sources.splice(at, 0, source);
    } else if (typeof sources !== 'string') sources.add(source);
    else if (sources !== source) this.#sources[at] = new Set([sources, source]);
  }

  remove(line: string, source: string): void {
    const at = this.#find(line);
    const sources = this.#sources[at];
    if (typeof sources === 'string' ? sources !== source : sources?.delete(source) !== true) return;
    if (typeof sources === 'object' && sources.size > 0) return;
    this.#lines.splice(at, 1);
    this.#sources.splice(at, 1);
  }

  /** Gives back room that it grew into. */
  trim(): void {
    this.#lines = this.#lines.slice();
    this.#sources = this.#sources.slice();
  }

  /** The source of the only record, where it has one alone. */
  get onlySource(): string | null {
    const [sources] = this.#sources;
    return this.#lines.length === 1 && typeof sources === 'string' ? sources : null;
  }

  /** Without the records of a reserve where there are others. */
  shown(): readonly string[] {
    return this.#mixes() ? this.#lines.filter((_, at) => !this.#isReserved(at)) : this.#lines;
  }

  /** Of the records that `shown` gives. */
  shownSources(): readonly (readonly string[])[] {
    const mixes = this.#mixes();
    return this.#sources.filter((_, at) => !mixes || !this.#isReserved(at)).map(listOf);
  }

  #mixes(): boolean {
    let reserved = 0;
    for (let at = 0; at < this.#lines.length; at++) if (this.#isReserved(at)) reserved++;
    return reserved > 0 && reserved < this.#lines.length;
  }

  #isReserved(at: number): boolean {
    const sources = this.#sources[at] as Sources;
    if (typeof sources === 'string') return isReserve(sources);
    for (const source of sources) if (!isReserve(source)) return false;
    return true;
  }

  /** Where the record stands; -1: nowhere. */
  #find(line: string): number {
    const at = this.#placeOf(line);
    return this.#isAt(at, line) ? at : -1;
  }

  #isAt(at: number, line: string): boolean {
    const found = this.#lines[at];
    return found !== undefined && compareLines(found, line) === 0;
  }

  /** Where `line` stands or would stand: the first place whose record is not before it. */
  #placeOf(line: string): number {
    const isAlike = this.#start !== '' && line.startsWith(this.#start);
    let low = 0;
    let high = this.#lines.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#lines[middle] as string;
      if (isAlike ? other < line : compareLines(other, line) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const listOf = (sources: Sources): readonly string[] => (typeof sources === 'string' ? [sources] : [...sources]);

/** As `compareRrs` of the records: type, then data; 0 for records that differ in their TTL alone. */
export function compareLines(a: string, b: string): number {
  if (a === b) return 0;
  const start = startOf(a);
  // Of the same type and TTL, which nearly all records of a name are.
  if (start !== '' && b.startsWith(start)) return a < b ? -1 : 1;
  return compareRrs(rrOf(a), rrOf(b));
}

const startOf = (line: string): string =>
  isJson(line) ? '' : line.slice(0, line.indexOf(' ', line.indexOf(' ') + 1) + 1);
