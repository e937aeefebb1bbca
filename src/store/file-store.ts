// A store in a directory: one file a key, written beside and renamed, so that a reader and a crash see the old value or the new one.

import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Store } from '../ports/index.ts';
import { codeOf } from '../runtime/index.ts';
import { checkedKey } from './store-key.ts';

/** Tells our own unfinished files from those of an earlier process that had the same number. */
const run = `${process.pid}-${randomBytes(4).toString('hex')}`;
/** Nobody writes one value for so long. */
const mostWritingMs = 600_000;

/** Keys as in store-key. Files that killed writers left unfinished are removed first. */
export function createFileStore(directory: string): Store {
  let queue: Promise<unknown> = sweep(directory).catch(() => undefined);
  const inTurn = <T>(action: () => Promise<T>): Promise<T> => {
    const turn = queue.then(action, action);
    queue = turn.catch(() => undefined);
    return turn;
  };
  const read = async (key: string): Promise<Uint8Array | null> => {
    try {
      return await readFile(pathOf(directory, key));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    }
  };
  return {
    read,
    write: (key, value) => inTurn(() => replaceFile(pathOf(directory, key), value)),
    compareAndSet: (key, expected, value) =>
      inTurn(async () => {
        if (!sameBytes(await read(key), expected)) return false;
        if (value === null) await rm(pathOf(directory, key), { force: true });
        else await replaceFile(pathOf(directory, key), value);
        return true;
      }),
    async list(prefix) {
      const keys = (await filesIn(directory)).map((path) => path.slice(directory.length + 1));
      return keys.filter((key) => key.startsWith(prefix) && !key.includes('.tmp-')).sort();
    },
  };
}

async function filesIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function sweep(directory: string): Promise<void> {
  for (const path of await filesIn(directory)) {
    const writer = /\.tmp-(.+)$/.exec(path)?.[1];
    if (writer !== undefined && !(await isWriting(path, writer))) await rm(path, { force: true });
  }
}

/** Two processes share the directory while one follows the other. */
async function isWriting(path: string, writer: string): Promise<boolean> {
  const pid = Number(/^(\d+)-[0-9a-f]{8}-/.exec(writer)?.[1] ?? 0);
  if (pid === 0) return false;
  if (pid === process.pid) return writer.startsWith(`${run}-`);
  const { mtimeMs } = await stat(path);
  return Date.now() - mtimeMs < mostWritingMs && isAlive(pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

const pathOf = (directory: string, key: string): string => join(directory, checkedKey(key));

async function replaceFile(path: string, value: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.tmp-${run}-${randomBytes(4).toString('hex')}`;
  const file = await open(beside, 'wx', 0o600);
  try {
    await file.writeFile(value);
    await file.sync();
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await rename(beside, path);
}

function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0;
}
