// A daemon that follows what a folder of recordings holds, and what its `/v1/tasks` lacks of what is expected.

import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { startDaemon, type RunningDaemon } from '../feature/daemon.ts';

export interface TaskRow {
  readonly frameworkId: string;
  readonly taskId: string;
}

export interface Case {
  readonly name: string;
  /** Files of the folder that it needs. */
  readonly files: readonly string[];
  /** What differs, a line each. */
  run(folder: string): Promise<readonly string[]>;
}

/** `sources`: items of `cluster:` as YAML. */
export async function withDaemon(
  sources: readonly string[],
  use: (daemon: RunningDaemon) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const daemon = await startDaemon(
    `cluster:\n${sources.map((line) => `  ${line}\n`).join('')}admin: { listen: "127.0.0.1:0" }\nworkers: 0\n`,
  );
  try {
    return await use(daemon);
  } finally {
    await daemon.stop();
  }
}

/** What still differs once the daemon has had time to follow. Fields beyond the expected ones are allowed. */
export async function compare(daemon: RunningDaemon, expected: unknown, what: string): Promise<readonly string[]> {
  const wanted = expected as readonly TaskRow[];
  let differences: readonly string[] = [];
  for (let attempt = 0; attempt < 100; attempt++) {
    differences = difference(wanted, await daemon.json<readonly TaskRow[]>('/v1/tasks'));
    if (differences.length === 0) return [];
    await new Promise((wake) => setTimeout(wake, 30));
  }
  return differences.map((line) => `${what}: ${line}`);
}

function difference(wanted: readonly TaskRow[], actual: readonly TaskRow[]): readonly string[] {
  const key = (row: TaskRow): string => `${row.frameworkId}/${row.taskId}`;
  const found = new Map(actual.map((row) => [key(row), row]));
  const lines = wanted.flatMap((row) => {
    const other = found.get(key(row));
    return other === undefined
      ? [`${key(row)} is missing`]
      : differingFields(row, other).map((field) => `${key(row)}: ${field}`);
  });
  const known = new Set(wanted.map(key));
  for (const row of actual) if (!known.has(key(row))) lines.push(`${key(row)} should not be there`);
  if (lines.length === 0 && !isDeepStrictEqual(wanted.map(key), actual.map(key))) lines.push('the order differs');
  return lines;
}

/** One line for each field of `wanted` that is another in `actual`. */
export function differingFields(wanted: object, actual: object): readonly string[] {
  const other = actual as unknown as Record<string, unknown>;
  return Object.entries(wanted).flatMap(([field, value]) => {
    return isDeepStrictEqual(value, other[field])
      ? []
      : [`${field} is ${JSON.stringify(other[field])}, expected ${JSON.stringify(value)}`];
  });
}

export function readJson(path: string | URL): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}
