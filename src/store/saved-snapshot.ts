// The last good snapshot as it comes back from the store, also where an earlier program wrote it: whole, or not at all.

import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createGunzip, gunzip } from 'node:zlib';
import { noMasters, TaskSharing, type Picture, type Task } from '../cluster/index.ts';
import type { Store } from '../ports/index.ts';
import { savedFormat, savedKey, sharedFields, type SavedHeader, type SavedKind, type SavedLine } from './saved-form.ts';

/** Lines read before the event loop gets its turn: about a millisecond's worth. */
const linesPerTurn = 100;
const leastChunkBytes = 1024;
const mostChunkBytes = 16 * 1024 * 1024;
const unzipped = promisify(gunzip);

export interface SavedSnapshot {
  /** Epoch milliseconds. */
  readonly savedAt: number;
  readonly picture: Picture;
}

/** Of an earlier program: 1, lines as they are; 2, zipped ones. One checksum for all, and no parts. */
interface EarlierHeader {
  readonly format: 1 | 2;
  readonly savedAt: number;
  readonly sha256: string;
}

/** Null where none was saved; throws where one was and is damaged or of another format. */
export async function loadSnapshot(store: Store): Promise<SavedSnapshot | null> {
  const value = await store.read(savedKey);
  if (value === null) return null;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const end = bytes.indexOf(0x0a);
  const header = JSON.parse(bytes.toString('utf8', 0, Math.max(end, 0)) || 'null') as
    SavedHeader | EarlierHeader | null;
  const body = bytes.subarray(end + 1);
  switch (header?.format) {
    case savedFormat:
      return { savedAt: header.savedAt, picture: await readPicture(membersOf(body, header)) };
    case 1:
    case 2:
      return { savedAt: header.savedAt, picture: await readPicture(earlierMembers(body, header)) };
    default:
      throw new Error(
        `its format is ${String((header as { format?: unknown } | null)?.format)}, this program reads ${savedFormat}`,
      );
  }
}

type Chunks = AsyncIterable<Buffer> | Iterable<Buffer>;

/** The lines of each member; the next one is unzipped beside the reading of one. */
async function* membersOf(body: Buffer, { members }: SavedHeader): AsyncGenerator<Chunks> {
  if (members.reduce((sum, { bytes }) => sum + bytes, 0) !== body.length) throw damaged();
  let at = 0;
  let next: Promise<Buffer> | null = null;
  for (const { bytes, unzippedBytes, sha256 } of members) {
    const member = body.subarray(at, at + bytes);
    at += bytes;
    verify(member, sha256);
    const former = next;
    next = unzipped(member, { chunkSize: Math.min(Math.max(unzippedBytes + 1, leastChunkBytes), mostChunkBytes) });
    if (former !== null) yield [await former];
  }
  if (next !== null) yield [await next];
}

async function* earlierMembers(body: Buffer, header: EarlierHeader): AsyncGenerator<Chunks> {
  verify(body, header.sha256);
  yield header.format === 1 ? [body] : Readable.from([body]).pipe(createGunzip());
}

function verify(bytes: Buffer, sha256: string): void {
  if (createHash('sha256').update(bytes).digest('hex') !== sha256) throw damaged();
}

const damaged = (): Error => new Error('its checksum does not match: it was cut or changed');

async function readPicture(members: AsyncIterable<Chunks>): Promise<Picture> {
  const reader = new PictureReader();
  let lines = 0;
  for await (const chunks of members) {
    reader.beginMember();
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of chunks) {
      const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
        if (end > start) reader.take(JSON.parse(bytes.toString('utf8', start, end)) as SavedLine);
        start = end + 1;
        if (++lines % linesPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      rest = Buffer.from(bytes.subarray(start));
    }
  }
  return reader.picture();
}

class PictureReader {
  readonly #records: Readonly<Record<SavedKind, Map<string, object>>> = {
    task: new Map(),
    agent: new Map(),
    framework: new Map(),
    app: new Map(),
  };
  readonly #sharing = new TaskSharing();
  #masters: Picture['masters'] = noMasters;
  #parts: object[] = [];

  beginMember(): void {
    this.#parts = [];
  }

  take(line: SavedLine): void {
    if (line[0] === 'gone') {
      this.#records[line[1]].delete(line[2]);
      return;
    }
    const record = line[1] as Record<string, unknown>;
    if (line[0] === 'part') this.#parts.push(Object.freeze(record));
    else if (line[0] === 'masters') this.#masters = record as unknown as Picture['masters'];
    else if (line[0] === 'task') this.#takeTask(record);
    else this.#records[line[0]].set(String(record[line[0] === 'app' ? 'key' : 'id']), Object.freeze(record));
  }

  #takeTask(record: Record<string, unknown>): void {
    for (const field of sharedFields) {
      const part = record[field];
      if (typeof part === 'number') record[field] = this.#parts[part];
    }
    const task = record as unknown as Task;
    this.#sharing.share(task);
    this.#records.task.set(task.key, Object.freeze(task));
  }

  picture(): Picture {
    const { task, agent, framework, app } = this.#records;
    return {
      tasks: [...task.values()] as Picture['tasks'][number][],
      agents: [...agent.values()] as Picture['agents'][number][],
      frameworks: [...framework.values()] as Picture['frameworks'][number][],
      apps: [...app.values()] as Picture['apps'][number][],
      masters: this.#masters,
    };
  }
}
