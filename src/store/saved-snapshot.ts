// The last good snapshot as a value of the store: JSON lines, zipped, under a header with a checksum, so that half a file is told from a
// whole. Zipped because a large cluster's 100 MB of lines say the same again and again, and would stand in memory together.

import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { Readable } from 'node:stream';
import { constants, createGunzip, gzip } from 'node:zlib';
import { TaskSharing, type Picture, type Snapshot, type Task } from '../cluster/index.ts';
import type { Store } from '../ports/index.ts';

const key = 'snapshot/last';
const format = 2;
/** The lines as they are, which an earlier program wrote. */
const plainFormat = 1;
/** Records turned to JSON before the event loop gets its turn: about a millisecond's worth. */
const recordsPerTurn = 200;

export interface SavedSnapshot {
  /** Epoch milliseconds. */
  readonly savedAt: number;
  readonly picture: Picture;
}

const zipped = promisify(gzip);
/** Lines that are zipped in one go, in a thread beside the loop. */
const recordsPerMember = 2000;

interface Header {
  readonly format: number;
  readonly savedAt: number;
  readonly sha256: string;
}

type Line = readonly [kind: 'task' | 'agent' | 'framework' | 'app' | 'masters', record: unknown];

export async function saveSnapshot(store: Store, snapshot: Snapshot, now: number): Promise<void> {
  const members: Buffer[] = [];
  const checksum = createHash('sha256');
  const flush = async (lines: readonly string[]): Promise<void> => {
    const member = await zipped(`${lines.join('\n')}\n`, { level: constants.Z_BEST_SPEED });
    checksum.update(member);
    members.push(member);
  };
  let lines: string[] = [];
  for (const line of linesOf(snapshot)) {
    lines.push(JSON.stringify(line));
    if (lines.length % recordsPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
    if (lines.length < recordsPerMember) continue;
    await flush(lines);
    lines = [];
  }
  await flush(lines);
  const header: Header = { format, savedAt: now, sha256: checksum.digest('hex') };
  await store.write(key, Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...members]));
}

/** Null where none was saved; throws where one was and is damaged or of another format. */
export async function loadSnapshot(store: Store): Promise<SavedSnapshot | null> {
  const value = await store.read(key);
  if (value === null) return null;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const end = bytes.indexOf(0x0a);
  const header = JSON.parse(bytes.toString('utf8', 0, Math.max(end, 0)) || 'null') as Header | null;
  if (header === null || (header.format !== format && header.format !== plainFormat))
    throw new Error(`its format is ${String(header?.format)}, this program reads ${format}`);
  const body = bytes.subarray(end + 1);
  if (createHash('sha256').update(body).digest('hex') !== header.sha256)
    throw new Error('its checksum does not match: it was cut or changed');
  return { savedAt: header.savedAt, picture: await readPicture(header.format === format ? unzipped(body) : [body]) };
}

function* linesOf(snapshot: Snapshot): Generator<Line> {
  yield ['masters', snapshot.masters];
  for (const record of snapshot.frameworks.values()) yield ['framework', record];
  for (const record of snapshot.agents.values()) yield ['agent', record];
  for (const record of snapshot.apps.values()) yield ['app', record];
  for (const record of snapshot.tasks.values()) yield ['task', record];
}

/** Members one behind the other are one stream to gunzip. */
const unzipped = (body: Buffer): AsyncIterable<Buffer> => Readable.from([body]).pipe(createGunzip());

async function readPicture(body: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<Picture> {
  const picture = { tasks: [], agents: [], frameworks: [], apps: [], masters: null } as {
    -readonly [K in keyof Picture]: Picture[K] extends readonly (infer R)[] ? R[] : Picture[K] | null;
  };
  const sharing = new TaskSharing();
  let count = 0;
  for await (const line of linesIn(body)) {
    const [kind, record] = JSON.parse(line) as Line;
    if (kind === 'masters') picture.masters = record as Picture['masters'];
    else {
      if (kind === 'task') sharing.share(record as Task);
      (picture[`${kind}s`] as unknown[]).push(Object.freeze(record));
    }
    if (++count % recordsPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { ...picture, masters: picture.masters ?? { leader: null, all: [] } };
}

async function* linesIn(body: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
      if (end > start) yield bytes.toString('utf8', start, end);
      start = end + 1;
    }
    rest = Buffer.from(bytes.subarray(start));
  }
}
