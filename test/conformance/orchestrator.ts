// Conformance of the orchestrators: what a folder of recordings says about tasks must be what a running daemon shows on `/v1/tasks`.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { createReplay, startFakeMasters, type FakeMasters, type Replay } from '../../src/fakes/index.ts';
import { startDaemon, type RunningDaemon } from '../feature/daemon.ts';

interface TaskRow {
  readonly frameworkId: string;
  readonly taskId: string;
}

interface Case {
  readonly name: string;
  /** Files of the folder that it needs. */
  readonly files: readonly string[];
  run(folder: string): Promise<readonly string[]>;
}

const cases: readonly Case[] = [
  {
    name: 'recorded stream through a master',
    files: ['mesos-stream.recordio', 'expected-snapshot.json', 'expected-after-events.json'],
    run: replayStream,
  },
  {
    name: 'snapshot and events through a master',
    files: ['mesos-subscribed.json', 'mesos-events.jsonl', 'expected-snapshot.json', 'expected-after-events.json'],
    run: replayDocuments,
  },
  fromFiles('v0 state as a file', ['mesos-state-v0.json'], 'expected-snapshot.json'),
  fromFiles('SUBSCRIBED as a file', ['mesos-subscribed.json'], 'expected-snapshot.json'),
  fromFiles('recorded stream as a file', ['mesos-stream.recordio'], 'expected-after-events.json'),
  {
    name: 'SUBSCRIBED and events, one JSON a line',
    files: ['mesos-subscribed.json', 'mesos-events.jsonl', 'expected-after-events.json'],
    run: readLines,
  },
  fromFiles(
    'state and the apps of both Marathons, merged',
    ['mesos-state-v0.json', 'marathon-apps.json', 'marathon-contract-apps.json'],
    'expected-snapshot.json',
  ),
];

/** Files that are read by other means than a case here, with what reads them. */
const otherFiles: Readonly<Record<string, string>> = readJson(new URL('exempt.json', import.meta.url)) as Record<
  string,
  string
>;

export async function run(args: readonly string[]): Promise<number> {
  const folder = resolve(args[0] ?? '');
  if (args[0] === undefined || !existsSync(folder)) {
    process.stderr.write('usage: npm run conformance -- orchestrator FOLDER\n');
    return 2;
  }
  let failed = 0;
  let passed = 0;
  for (const one of cases) {
    const missing = one.files.filter((file) => !existsSync(join(folder, file)));
    if (missing.length > 0) continue;
    const differences = await one.run(folder).catch((error: unknown) => [String(error)]);
    if (differences.length === 0) passed++;
    else failed++;
    process.stdout.write(
      `${differences.length === 0 ? 'ok  ' : 'FAIL'} ${one.name}\n${differences.map((line) => `     ${line}\n`).join('')}`,
    );
  }
  const exempt = Object.keys(otherFiles).filter((file) => existsSync(join(folder, file)));
  if (passed + failed === 0) process.stdout.write(`no case of a known form in ${folder}\n`);
  if (exempt.length > 0) process.stdout.write(`${exempt.length} exempt\n`);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

async function replayStream(folder: string): Promise<readonly string[]> {
  return replay(folder, createReplay({ file: join(folder, 'mesos-stream.recordio') }));
}

async function replayDocuments(folder: string): Promise<readonly string[]> {
  const events = readFileSync(join(folder, 'mesos-events.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const snapshot = readJson(join(folder, 'mesos-subscribed.json')) as never;
  return replay(folder, createReplay({ snapshot, events: events.map((line) => JSON.parse(line) as never) }));
}

async function replay(folder: string, recording: Replay): Promise<readonly string[]> {
  const masters: FakeMasters = await startFakeMasters(recording, { count: 1 });
  try {
    return await withDaemon([`- mesos: { masters: ["${masters.url()}"] }`], async (daemon) => {
      const before = await compare(daemon, readJson(join(folder, 'expected-snapshot.json')), 'snapshot');
      recording.all();
      return [
        ...before,
        ...(await compare(daemon, readJson(join(folder, 'expected-after-events.json')), 'after events')),
      ];
    });
  } finally {
    await masters.close();
  }
}

function fromFiles(name: string, documents: readonly string[], expected: string): Case {
  return {
    name,
    files: [...documents, expected],
    run: (folder) => {
      const sources = documents.map((file) => `- file: { path: "${join(folder, file)}", name: ${frameworkOf(file)} }`);
      return withDaemon(sources, (daemon) => compare(daemon, readJson(join(folder, expected)), expected));
    },
  };
}

/** A Marathon's file carries its name in its own: `marathon-contract-apps.json` is that of `marathon-contract`. */
function frameworkOf(file: string): string {
  return /^(marathon.*)-apps\.json$/.exec(file)?.[1] ?? 'mesos';
}

async function readLines(folder: string): Promise<readonly string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-conformance-'));
  try {
    const path = join(directory, 'events.jsonl');
    const first = JSON.stringify(readJson(join(folder, 'mesos-subscribed.json')));
    writeFileSync(path, `${first}\n${readFileSync(join(folder, 'mesos-events.jsonl'), 'utf8')}`);
    return await withDaemon([`- file: { path: "${path}", name: mesos }`], (daemon) => {
      return compare(daemon, readJson(join(folder, 'expected-after-events.json')), 'after events');
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function withDaemon(
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
async function compare(daemon: RunningDaemon, expected: unknown, what: string): Promise<readonly string[]> {
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

function differingFields(wanted: TaskRow, actual: TaskRow): readonly string[] {
  const other = actual as unknown as Record<string, unknown>;
  return Object.entries(wanted).flatMap(([field, value]) => {
    return isDeepStrictEqual(value, other[field])
      ? []
      : [`${field} is ${JSON.stringify(other[field])}, expected ${JSON.stringify(value)}`];
  });
}

function readJson(path: string | URL): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}
