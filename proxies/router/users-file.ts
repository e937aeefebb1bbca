// A password file that a label names: read where the label comes in, reread when it changes. Unreadable, it lets nobody in.

import { readFileSync, statSync } from 'node:fs';
import { stat, readFile } from 'node:fs/promises';
import type { Clock } from '../../src/runtime/index.ts';

/** How old what was read may be before a request makes us look again. */
const lookMs = 2_000;
const mostBytes = 1024 * 1024;

export interface UsersFile {
  /** Lines without blanks and comments; null: it cannot be read. Never waits. */
  lines(): readonly string[] | null;
}

export function openUsersFile(path: string, clock: Clock): UsersFile {
  let mark = '';
  let lines: readonly string[] | null = null;
  let lookedAt = clock.monotonic();
  let looking = false;
  const take = (text: string, seen: string): void => {
    mark = seen;
    lines = text
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
  };
  const markOf = (found: { readonly ino: number; readonly size: number; readonly mtimeMs: number }): string =>
    `${found.ino} ${found.size} ${found.mtimeMs}`;
  const look = async (): Promise<void> => {
    try {
      const found = await stat(path);
      if (found.size > mostBytes) lines = null;
      else if (markOf(found) !== mark) take(await readFile(path, 'utf8'), markOf(found));
    } catch {
      lines = null;
      mark = '';
    } finally {
      looking = false;
      lookedAt = clock.monotonic();
    }
  };
  try {
    const found = statSync(path);
    if (found.size <= mostBytes) take(readFileSync(path, 'utf8'), markOf(found));
  } catch {
    lines = null;
  }
  return {
    lines() {
      if (!looking && clock.monotonic() - lookedAt > lookMs) {
        looking = true;
        void look();
      }
      return lines;
    },
  };
}
