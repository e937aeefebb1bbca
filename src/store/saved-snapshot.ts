// The last good snapshot as a value of the store: JSON lines under a header, with a checksum, so that half a file is told from a whole.

import { createHash } from 'node:crypto';
import type { Picture, Snapshot } from '../cluster/index.ts';
import type { Store } from '../ports/index.ts';

const key = 'snapshot/last';
const format = 1;
/** Records turned to JSON before the event loop gets its turn: about a millisecond's worth. */
const recordsPerTurn = 200;

export interface SavedSnapshot {
  /** Epoch milliseconds. */
  readonly savedAt: number;
  readonly picture: Picture;
}

interface Header {
  readonly format: number;
  readonly savedAt: number;
  readonly sha256: string;
}

type Line = readonly [kind: 'task' | 'agent' | 'framework' | 'app' | 'masters', record: unknown];

export async function saveSnapshot(store: Store, snapshot: Snapshot, now: number): Promise<void> {
  const parts: Buffer[] = [];
  let lines: string[] = [];
  for (const line of linesOf(snapshot)) {
    lines.push(JSON.stringify(line));
    if (lines.length < recordsPerTurn) continue;
    parts.push(Buffer.from(`${lines.join('\n')}\n`));
    lines = [];
    await new Promise((resolve) => setImmediate(resolve));
  }
  parts.push(Buffer.from(`${lines.join('\n')}\n`));
  const body = Buffer.concat(parts);
  const header: Header = { format, savedAt: now, sha256: createHash('sha256').update(body).digest('hex') };
  await store.write(key, Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]));
}

/** Null where none was saved; throws where one was and is damaged or of another format. */
export async function loadSnapshot(store: Store): Promise<SavedSnapshot | null> {
  const value = await store.read(key);
  if (value === null) return null;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const end = bytes.indexOf(0x0a);
  const header = JSON.parse(bytes.toString('utf8', 0, Math.max(end, 0)) || 'null') as Header | null;
  if (header?.format !== format)
    throw new Error(`its format is ${String(header?.format)}, this program reads ${format}`);
  const body = bytes.subarray(end + 1);
  if (createHash('sha256').update(body).digest('hex') !== header.sha256)
    throw new Error('its checksum does not match: it was cut or changed');
  return { savedAt: header.savedAt, picture: await readPicture(body) };
}

function* linesOf(snapshot: Snapshot): Generator<Line> {
  yield ['masters', snapshot.masters];
  for (const record of snapshot.frameworks.values()) yield ['framework', record];
  for (const record of snapshot.agents.values()) yield ['agent', record];
  for (const record of snapshot.apps.values()) yield ['app', record];
  for (const record of snapshot.tasks.values()) yield ['task', record];
}

async function readPicture(body: Buffer): Promise<Picture> {
  const picture = { tasks: [], agents: [], frameworks: [], apps: [], masters: null } as {
    -readonly [K in keyof Picture]: Picture[K] extends readonly (infer R)[] ? R[] : Picture[K] | null;
  };
  let count = 0;
  for (let start = 0, end = body.indexOf(0x0a); end >= 0; start = end + 1, end = body.indexOf(0x0a, start)) {
    if (end === start) continue;
    const [kind, record] = JSON.parse(body.toString('utf8', start, end)) as Line;
    if (kind === 'masters') picture.masters = record as Picture['masters'];
    else (picture[`${kind}s`] as unknown[]).push(Object.freeze(record));
    if (++count % recordsPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { ...picture, masters: picture.masters ?? { leader: null, all: [] } };
}
