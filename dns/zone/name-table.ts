// The zone by name: which records each name has and who gave them. A change touches only the names it contributes to; they are put
// together again when the change is taken.

import type { Table, TableChange } from '../../src/ports/index.ts';
import { hashRow } from '../../src/runtime/index.ts';
import type { Contributions } from './contribution.ts';
import { compareLines, HeldLines, plainSource } from './held-lines.ts';
import { NameBook } from './name-book.ts';
import { isJson, joined, lineOf, rrOf, type RecordText } from './record-text.ts';
import { noSerials, type Serials } from './serials.ts';

/** Rows of one step of the first taking. */
const rowsPerStep = 2000;

/** What a name had when it was last told, and has now; '' is nothing. */
interface Changed {
  readonly before: RecordText;
  readonly text: RecordText;
}

/** Names by number: one record of one source stands for itself, since most names have no more. */
export class NameTable {
  readonly #book = new NameBook();
  #held: (string | HeldLines | undefined)[] = [undefined];
  /** Of names with one record. */
  #sources: (string | undefined)[] = [undefined];
  /** Numbers of names touched since the last `take`, with what they had then: '' is nothing. */
  readonly #dirty = new Map<number, RecordText>();
  readonly #serials: Serials;
  /** Of apexes whose serial is kept, as they were last told: it is part of their text. */
  readonly #apexTexts = new Map<string, RecordText>();
  /** Somebody was told of what is here. */
  isTold = false;
  #size = 0;
  #hash = 0;
  /** Names put together since the table was made. */
  touchedNames = 0;
  readonly rows: Table<RecordText>;

  constructor(serials: Serials = noSerials) {
    this.#serials = serials;
    this.rows = new RowsByName(this);
  }

  get size(): number {
    return this.#size;
  }

  /** Sum of the hashes of all rows as they were last taken. */
  get hash(): number {
    return this.#hash;
  }

  add(source: string, contributions: Contributions): void {
    for (let i = 0; i < contributions.length; i += 2)
      this.#addOne(source, contributions[i] as string, contributions[i + 1] as string);
  }

  remove(source: string, contributions: Contributions): void {
    for (let i = 0; i < contributions.length; i += 2)
      this.#removeOne(source, contributions[i] as string, contributions[i + 1] as string);
  }

  /** `after` in place of `before`; what stands in both is not touched. */
  change(source: string, before: Contributions, after: Contributions): void {
    const isInPlace = before.length === after.length;
    for (let i = 0; i < before.length; i += 2) {
      const [name, line] = [before[i] as string, before[i + 1] as string];
      if (!isInPlace || name !== after[i] || line !== after[i + 1]) this.#removeOne(source, name, line);
    }
    // All of them: a record that stood there twice may be gone.
    this.add(source, after);
  }

  /** Forgets every contribution. */
  clear(): void {
    for (let id = 1; id <= this.#book.last; id++) {
      const held = this.#held[id];
      if (held === undefined) continue;
      this.#touch(id, held);
      this.#held[id] = undefined;
      this.#sources[id] = undefined;
      if (!this.isTold) this.#book.remove(id);
    }
    this.#size = 0;
  }

  /** Brings the table up to date and returns what that changed. */
  take(): TableChange<RecordText> {
    if (!this.isTold) {
      const set: (readonly [string, RecordText])[] = [];
      for (const step of this.takeFirst()) for (const row of step.set) set.push(row);
      return { set, removed: [] };
    }
    const changed = this.#changed();
    if (changed.size === 0) {
      this.#end();
      return { set: [], removed: [] };
    }
    // The apex says which state of its zone this is: it changes with the zone.
    for (const apex of this.#serials.raise(this.#namesOf(changed.keys()))) {
      const id = this.#book.idOf(apex);
      if (id === 0) continue;
      const before = changed.get(id)?.before ?? this.#apexTexts.get(apex) ?? '';
      const text = this.textAt(id);
      this.#apexTexts.set(apex, text);
      changed.set(id, { before, text });
    }
    const change = this.#told(changed);
    this.#end();
    return change;
  }

  /** As `take` where nothing was taken before, some rows a step. */
  *takeFirst(): Generator<TableChange<RecordText>, void> {
    this.touchedNames += this.#size;
    this.#hash = 0;
    this.#serials.raise(this.rows.keys());
    for (let from = 1, last = this.#book.last; from <= last; from += rowsPerStep) {
      const set: (readonly [string, RecordText])[] = [];
      for (let id = from; id <= last && id < from + rowsPerStep; id++) {
        const text = this.textAt(id);
        if (text === '') continue;
        const held = this.#held[id];
        if (typeof held === 'object') held.trim();
        const name = this.#book.nameOf(id);
        this.#hash = (this.#hash + hashRow(name, text)) >>> 0;
        set.push([name, text]);
      }
      yield { set, removed: [] };
    }
    for (const apex of this.#serials.apexes) this.#apexTexts.set(apex, this.textOf(apex));
    this.isTold = true;
  }

  /** Sources of the records of a name, in the order of its records. */
  sourcesOf(name: string): readonly (readonly string[])[] {
    const id = this.#book.idOf(name);
    const held = this.#held[id];
    if (held === undefined) return [];
    const sources = typeof held === 'string' ? [[this.#sources[id] as string]] : held.shownSources();
    return sources.map((given) => given.map(plainSource));
  }

  has(name: string): boolean {
    return this.#held[this.#book.idOf(name)] !== undefined;
  }

  textOf(name: string): RecordText {
    return this.textAt(this.#book.idOf(name));
  }

  /** '' for a name that has no records, or none of which has the number. */
  textAt(id: number): RecordText {
    const held = this.#held[id];
    if (held === undefined) return '';
    if (typeof held === 'string') return this.#numbered(id, held);
    const lines = held.shown();
    return joined(lines.some(isJson) ? lines.map((line) => this.#numbered(id, line)) : lines);
  }

  /** Numbers of the names that there are, also while they change. */
  *ids(): Generator<number> {
    for (let id = 1; id <= this.#book.last; id++) if (this.#held[id] !== undefined) yield id;
  }

  /** As `ids`, with what the names have. */
  *entries(): Generator<[string, RecordText]> {
    for (let id = 1; id <= this.#book.last; id++)
      if (this.#held[id] !== undefined) yield [this.#book.nameOf(id), this.textAt(id)];
  }

  nameAt(id: number): string {
    return this.#book.nameOf(id);
  }

  #addOne(source: string, name: string, line: string): void {
    const known = this.#book.idOf(name);
    const id = known === 0 ? this.#book.add(name) : known;
    const held = this.#held[id];
    if (held === undefined) {
      this.#touch(id, held);
      this.#held[id] = line;
      this.#sources[id] = source;
      this.#size++;
      return;
    }
    if (typeof held !== 'string') {
      if (this.isTold && held.has(line, source)) return;
      this.#touch(id, held);
      held.add(line, source);
      return;
    }
    const only = this.#sources[id] as string;
    if (only === source && compareLines(held, line) === 0) return;
    this.#touch(id, held);
    const several = new HeldLines();
    several.add(held, only);
    several.add(line, source);
    this.#held[id] = several;
    this.#sources[id] = undefined;
  }

  #removeOne(source: string, name: string, line: string): void {
    const id = this.#book.idOf(name);
    const held = this.#held[id];
    if (held === undefined) return;
    this.#touch(id, held);
    if (typeof held === 'string') {
      if (this.#sources[id] !== source || compareLines(held, line) !== 0) return;
      this.#empty(id);
      return;
    }
    held.remove(line, source);
    const only = held.onlySource;
    if (held.lines.length === 0) this.#empty(id);
    else if (only !== null) {
      this.#held[id] = held.lines[0];
      this.#sources[id] = only;
    }
  }

  #empty(id: number): void {
    this.#held[id] = undefined;
    this.#sources[id] = undefined;
    this.#size--;
  }

  #touch(id: number, held: string | HeldLines | undefined): void {
    if (!this.isTold || this.#dirty.has(id)) return;
    this.#dirty.set(id, held === undefined ? '' : this.textAt(id));
  }

  /** Names that have other records than before, with those. */
  #changed(): Map<number, Changed> {
    const changed = new Map<number, Changed>();
    this.touchedNames += this.#dirty.size;
    for (const [id, before] of this.#dirty) {
      const text = this.textAt(id);
      if (text !== before) changed.set(id, { before, text });
    }
    return changed;
  }

  #told(changed: ReadonlyMap<number, Changed>): TableChange<RecordText> {
    const set: (readonly [string, RecordText])[] = [];
    const removed: string[] = [];
    for (const [id, { before, text }] of changed) {
      const name = this.#book.nameOf(id);
      if (before !== '') this.#hash = (this.#hash - hashRow(name, before)) >>> 0;
      if (text === '') removed.push(name);
      else {
        this.#hash = (this.#hash + hashRow(name, text)) >>> 0;
        set.push([name, text]);
      }
    }
    return { set, removed };
  }

  #end(): void {
    for (const id of this.#dirty.keys()) if (this.#held[id] === undefined) this.#book.remove(id);
    this.#dirty.clear();
  }

  *#namesOf(ids: Iterable<number>): Generator<string> {
    for (const id of ids) yield this.#book.nameOf(id);
  }

  /** With its zone's serial, where it is a SOA that has none of its own. */
  #numbered(id: number, line: string): string {
    if (!isJson(line)) return line;
    const rr = rrOf(line);
    if (rr.type !== 'SOA' || rr.serial !== 0) return line;
    return lineOf({ ...rr, serial: this.#serials.of(this.#book.nameOf(id)) });
  }
}

/** The table: names and texts are made when they are asked for. */
class RowsByName implements Table<RecordText> {
  readonly #names: NameTable;

  constructor(names: NameTable) {
    this.#names = names;
  }

  get size(): number {
    return this.#names.size;
  }

  get(name: string): RecordText | undefined {
    const text = this.#names.textOf(name);
    return text === '' ? undefined : text;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  forEach(tell: (text: RecordText, name: string, table: Table<RecordText>) => void): void {
    for (const [name, text] of this) tell(text, name, this);
  }

  keys(): MapIterator<string> {
    return this.#names.ids().map((id) => this.#names.nameAt(id)) as MapIterator<string>;
  }

  values(): MapIterator<RecordText> {
    return this.#names.ids().map((id) => this.#names.textAt(id)) as MapIterator<RecordText>;
  }

  entries(): MapIterator<[string, RecordText]> {
    return this.#names.entries() as MapIterator<[string, RecordText]>;
  }

  [Symbol.iterator](): MapIterator<[string, RecordText]> {
    return this.entries();
  }
}
