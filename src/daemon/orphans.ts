// Processes whose supervisor died: they serve on, and hold the addresses that a daemon started in its place wants. Each supervisor keeps a
// directory with a file for itself and one for each process that it started; who finds a directory whose supervisor is gone tells the
// processes in it to drain.

import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../runtime/index.ts';

/** Of the directories, which are made by `mkdtemp`. */
export const directoryPrefix = 'isthmus-';
const ownerFile = 'supervisor.json';
const childPrefix = 'process-';

export interface Orphan {
  readonly pid: number;
  readonly directory: string;
}

/** Says whose directory this is. */
export function markDirectory(directory: string, configFile: string): void {
  writeFileSync(join(directory, ownerFile), JSON.stringify({ pid: process.pid, configFile }));
}

/** Notes a process that was started; call what comes back when it has ended. */
export function markProcess(directory: string, pid: number): () => void {
  const file = join(directory, `${childPrefix}${pid}`);
  try {
    writeFileSync(file, '');
  } catch {
    // Nobody can take it over then, and it serves all the same.
  }
  return () => rmSync(file, { force: true });
}

/** Those that live on of a dead supervisor with the same configuration file. Directories of other users are left alone. */
export function findOrphans(configFile: string, uids: ReadonlySet<number>, root = tmpdir()): readonly Orphan[] {
  const names = readdirSync(root).filter((name) => name.startsWith(directoryPrefix));
  return names.flatMap((name) => {
    const directory = join(root, name);
    try {
      if (!uids.has(statSync(directory).uid)) return [];
      const owner = JSON.parse(readFileSync(join(directory, ownerFile), 'utf8')) as Record<string, unknown>;
      if (owner['configFile'] !== configFile || isAlive(Number(owner['pid']))) return [];
      const pids = readdirSync(directory).flatMap((file) =>
        file.startsWith(childPrefix) ? [Number(file.slice(childPrefix.length))] : [],
      );
      const living = pids.filter(isChildOfOurs);
      if (living.length === 0) rmSync(directory, { recursive: true, force: true });
      return living.map((pid) => ({ pid, directory }));
    } catch {
      return [];
    }
  });
}

/** Tells them to let go of their listeners and to end when their connections have. */
export function drainOrphans(orphans: readonly Orphan[], log: Logger): void {
  for (const { pid } of orphans) {
    try {
      process.kill(pid, 'SIGTERM');
    } catch {
      log.warn({ orphan: pid }, 'a process of a former daemon cannot be told to end: it runs as another user');
    }
  }
}

export const isOrphanAlive = ({ pid }: Orphan): boolean => isChildOfOurs(pid);

/** A number may be another program's by now. */
function isChildOfOurs(pid: number): boolean {
  return isAlive(pid) && /(?:^|\0)ISTHMUS_ROLE=/.test(readOf(pid, 'environ'));
}

function isAlive(pid: number): boolean {
  const stat = readOf(pid, 'stat');
  return stat !== '' && !/\) [ZX] /.test(stat);
}

function readOf(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}
