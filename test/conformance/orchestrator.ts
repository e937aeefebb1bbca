// Conformance of the orchestrators: what a folder of recordings says about tasks must be what a running daemon shows on `/v1/tasks`.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createReplay, startFakeMasters, type FakeMasters, type Replay } from '../../src/fakes/index.ts';
import { compare, readJson, withDaemon, type Case } from './orchestrator-daemon.ts';
import { marathonCases } from './orchestrator-marathon.ts';

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

const recordings = /\.(jsonl?|sse|recordio)$/;

export async function run(args: readonly string[]): Promise<number> {
  const folder = resolve(args[0] ?? '');
  if (args[0] === undefined || !existsSync(folder)) {
    process.stderr.write('usage: npm run conformance -- orchestrator FOLDER\n');
    return 2;
  }
  let failed = 0;
  let passed = 0;
  const unread = new Set(readdirSync(folder).filter((file) => recordings.test(file)));
  for (const one of [...cases, ...marathonCases(folder)]) {
    const missing = one.files.filter((file) => !existsSync(join(folder, file)));
    if (missing.length > 0) continue;
    for (const file of one.files) unread.delete(file);
    const differences = await one.run(folder).catch((error: unknown) => [String(error)]);
    if (differences.length === 0) passed++;
    else failed++;
    process.stdout.write(
      `${differences.length === 0 ? 'ok  ' : 'FAIL'} ${one.name}\n${differences.map((line) => `     ${line}\n`).join('')}`,
    );
  }
  if (passed + failed === 0) process.stdout.write(`no case of a known form in ${folder}\n`);
  for (const file of unread) process.stdout.write(`FAIL ${file} is read by no case\n`);
  failed += unread.size;
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
