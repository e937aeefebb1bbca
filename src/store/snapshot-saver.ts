// Writes the last good snapshot again and again: what has not changed since is kept as it was zipped, and what has follows behind it, until
// so much has changed that all is written anew. So a save costs by what happened and not by the size of the cluster.

import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { Masters, Snapshot, Task } from '../cluster/index.ts';
import type { Store } from '../ports/index.ts';
import {
  savedFormat,
  savedKey,
  sharedFields,
  type SavedHeader,
  type SavedKind,
  type SavedLine,
  type SavedMember,
} from './saved-form.ts';

const zipped = promisify(gzip);
/** Work between turns of the event loop, about a millisecond: to see that a record is as it was is one, to turn it to JSON is more. */
const workPerTurn = 2000;
const workPerLine = 20;
/** Records that are zipped in one go, in a thread beside the loop. */
const recordsPerMember = 2000;
/** Saves of changes behind one of the whole. */
const mostPatches = 64;

export interface SnapshotSaver {
  /** Replaces what is stored; to be awaited before the next. `now`: epoch milliseconds. Rejects when the store does. */
  save(snapshot: Snapshot, now: number): Promise<void>;
}

export function createSnapshotSaver(store: Store): SnapshotSaver {
  return new Saver(store);
}

/** Saves once. */
export async function saveSnapshot(store: Store, snapshot: Snapshot, now: number): Promise<void> {
  await createSnapshotSaver(store).save(snapshot, now);
}

interface Member extends SavedMember {
  readonly zipped: Buffer;
}

class Saver implements SnapshotSaver {
  readonly #store: Store;
  /** What the members say, one behind the other. */
  readonly #told = new Map<SavedKind, Map<string, object>>();
  #masters: Masters | null = null;
  #members: Member[] = [];
  /** Records in members behind those of the whole, and how many of these members there are. */
  #patched = 0;
  #patches = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  async save(snapshot: Snapshot, now: number): Promise<void> {
    try {
      await this.#gather(snapshot);
    } catch (error) {
      // What was told may not have become a member.
      this.#forget();
      throw error;
    }
    const members = this.#members.map(({ zipped: _, ...member }) => member);
    const header: SavedHeader = { format: savedFormat, savedAt: now, members };
    const parts = [Buffer.from(`${JSON.stringify(header)}\n`), ...this.#members.map((member) => member.zipped)];
    await this.#store.write(savedKey, Buffer.concat(parts));
  }

  #forget(): void {
    this.#told.clear();
    this.#masters = null;
    this.#members = [];
    this.#patched = 0;
    this.#patches = 0;
  }

  async #gather(snapshot: Snapshot): Promise<void> {
    const isWorn = this.#patched > snapshot.tasks.size / 2 || this.#patches >= mostPatches;
    if (isWorn) this.#forget();
    const isWhole = this.#members.length === 0;
    let lines = new MemberLines();
    let work = 0;
    let written = 0;
    for (const line of this.#news(snapshot)) {
      if (line !== null) {
        lines.add(line);
        written++;
      }
      work += line === null ? 1 : workPerLine;
      if (work >= workPerTurn) {
        work = 0;
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (lines.records < recordsPerMember) continue;
      await this.#flush(lines);
      lines = new MemberLines();
    }
    if (lines.records > 0) await this.#flush(lines);
    if (isWhole || written === 0) return;
    this.#patched += written;
    this.#patches++;
  }

  async #flush(lines: MemberLines): Promise<void> {
    const text = Buffer.from(lines.text());
    const member = await zipped(text, { level: constants.Z_BEST_SPEED });
    const sha256 = createHash('sha256').update(member).digest('hex');
    this.#members.push({ zipped: member, bytes: member.length, unzippedBytes: text.length, sha256 });
  }

  /** Lines of what is not told yet; null for each record that is. */
  *#news(snapshot: Snapshot): Generator<SavedLine | null> {
    if (this.#masters !== snapshot.masters) yield ['masters', snapshot.masters];
    this.#masters = snapshot.masters;
    yield* this.#newsOf('framework', snapshot.frameworks);
    yield* this.#newsOf('agent', snapshot.agents);
    yield* this.#newsOf('app', snapshot.apps);
    yield* this.#newsOf('task', snapshot.tasks);
  }

  *#newsOf(kind: SavedKind, records: ReadonlyMap<string, object>): Generator<SavedLine | null> {
    const told = this.#told.get(kind) ?? new Map<string, object>();
    this.#told.set(kind, told);
    for (const [key, record] of records) {
      if (told.get(key) === record) yield null;
      else {
        told.set(key, record);
        yield [kind, record];
      }
    }
    if (told.size === records.size) return;
    for (const key of told.keys()) {
      if (records.has(key)) yield null;
      else {
        told.delete(key);
        yield ['gone', kind, key];
      }
    }
  }
}

/** Lines of one member. What several of its tasks have in common is written once, as `part`, and told by its number. */
class MemberLines {
  readonly #parts = new Map<object, number>();
  readonly #lines: string[] = [];
  records = 0;

  add(line: SavedLine): void {
    this.records++;
    this.#lines.push(JSON.stringify(line[0] === 'task' ? ['task', this.#inParts(line[1] as Task)] : line));
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  #inParts(task: Task): object {
    const record: { -readonly [K in keyof Task]: unknown } = { ...task };
    for (const field of sharedFields) record[field] = this.#part(task[field]);
    return record;
  }

  #part(part: object): number {
    const known = this.#parts.get(part);
    if (known !== undefined) return known;
    this.#lines.push(JSON.stringify(['part', part]));
    this.#parts.set(part, this.#parts.size);
    return this.#parts.size - 1;
  }
}
