// Fuzzing of HTTP/1.1: heads read by two parsers, mutated requests through a daemon, mutated answers of a backend through it. Nothing may
// crash or hang, no connection may see the token of another's request, and nothing may reach a backend that only the router may say.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterState } from '../../bench/cluster-state.ts';
import { seededRandom, type Random } from '../../src/runtime/index.ts';
import { startDaemon, type RunningDaemon } from '../feature/daemon.ts';
import { Finding, runFuzz } from './fuzz-run.ts';
import { residentMegabytes } from './dns-daemon.ts';
import { startTokenBackend, type TokenBackend } from './http1-backend.ts';
import { seedsOf, tokenOf, wellFormed } from './http1-requests.ts';
import { compareParsers } from './http1-second-parser.ts';
import { exchange, tokensIn } from './http1-wire.ts';
import { below, mutated } from './mutation.ts';

const defaultCount = 1000;
/** Connections at once. */
const lanes = 64;
/** Connections of one lane between two looks at the daemon. */
const perLook = 100;
const mostGrowthMegabytes = 200;
const mostOctets = 20_000;

type Progress = (part: string, done: number) => void;

export function run(args: readonly string[]): Promise<number> {
  return runFuzz('http1', args, defaultCount, async ({ count, seed }, progress) => {
    const random = seededRandom(seed);
    await fuzzHeads(random, count, progress);
    const backend = await startTokenBackend(seededRandom(seed + 1));
    const directory = mkdtempSync(join(tmpdir(), 'isthmus-fuzz-'));
    const path = join(directory, 'state.json');
    writeFileSync(path, JSON.stringify(clusterState({ apps: 1, instances: 1 })));
    const daemon = await startDaemon(configOf(path, backend.port));
    try {
      const before = residentMegabytes(daemon);
      await fuzzPart(daemon, backend, random, count, 'requests', progress);
      backend.mutates = true;
      await fuzzPart(daemon, backend, random, count, 'answers', progress);
      checkDaemon(daemon, before);
    } finally {
      await daemon.stop();
      await backend.close();
      rmSync(directory, { recursive: true });
    }
  });
}

function configOf(path: string, port: number): string {
  return JSON.stringify({
    cluster: [{ file: { path } }],
    router: {
      http: ['127.0.0.1:0'],
      https: [],
      routes: [{ host: 'fuzz.example', to: [`http://127.0.0.1:${port}`] }],
      timeouts: { header: '2s', body: '2s', idle: '2s', responseHeader: '2s', response: '2s' },
    },
    admin: { listen: '127.0.0.1:0' },
    workers: 0,
  });
}

async function fuzzHeads(random: Random, count: number, progress: Progress): Promise<void> {
  const seen = { both: 0, refused: 0, stricter: 0, partial: 0 };
  for (let done = 0; done < count; done++) {
    seen[compareParsers(mutated(seedsOf(tokenOf(random)), random, mostOctets), random)]++;
    if (done % 1000 > 0) continue;
    progress('heads', done);
    await new Promise((resolve) => setImmediate(resolve));
  }
  tell(`heads: ${seen.both} accepted, ${seen.refused + seen.stricter} refused (${seen.stricter} of them not by Node)`);
}

/** What clients were told, by status; `none`: nothing. */
type Tally = Map<string, number>;

/** `count` inputs over as many connections as it takes; each connection has a token of its own. */
async function fuzzPart(
  daemon: RunningDaemon,
  backend: TokenBackend,
  random: Random,
  count: number,
  part: 'requests' | 'answers',
  progress: Progress,
): Promise<void> {
  const port = daemon.port('router.http');
  const issued = new Set<string>();
  const tally: Tally = new Map();
  const forwardedBefore = backend.requests;
  let done = 0;
  const lane = async (): Promise<void> => {
    for (let turn = 0; done < count; turn++) {
      const token = tokenOf(random);
      const inputs = inputsOf(token, random, part === 'requests');
      issued.add(token);
      const bytes = Buffer.concat(inputs);
      const received = await exchange(port, bytes, random);
      // What follows a refusal is not read.
      done += countIn(tally, received);
      const strange = tokensIn(received).find((seen) => seen !== token && issued.has(seen));
      if (strange !== undefined) throw new Finding(`the answer of ${strange} went to ${token}`, bytes);
      if (backend.wrong !== null) throw new Finding(`a backend got ${backend.wrong}`, bytes);
      // Answers come at once or not at all; what is old cannot come back.
      if (issued.size > 100_000) issued.clear();
      if (turn % perLook === 0) await probe(port, random, bytes);
      progress(part, done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
  const statuses = [...tally].sort(([a], [b]) => (a < b ? -1 : 1)).map(([status, times]) => `${status}: ${times}`);
  tell(`${part}: ${done} inputs, ${backend.requests - forwardedBefore} forwarded; told ${statuses.join(', ')}`);
  if (!tally.has('200')) throw new Error('no request was answered');
}

function inputsOf(token: string, random: Random, mutates: boolean): readonly Buffer[] {
  const seeds = seedsOf(token);
  if (!mutates) return Array.from({ length: 8 }, () => seeds[below(random, wellFormed)] as Buffer);
  return Array.from({ length: 1 + below(random, 4) }, () => mutated(seeds, random, mostOctets));
}

/** How many requests were answered or dropped. */
function countIn(tally: Tally, received: string): number {
  const statuses = [...received.matchAll(/(?:^|\n|t[0-9a-f]{12})HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
  for (const status of statuses.length === 0 ? ['none'] : statuses) {
    const key = status ?? 'none';
    tally.set(key, (tally.get(key) ?? 0) + 1);
  }
  return Math.max(1, statuses.length);
}

const tell = (line: string): void => void process.stdout.write(`     ${line}\n`);

/** A backend that answers as it should gets its answer through, whatever came before. */
async function probe(port: number, random: Random, after: Buffer): Promise<void> {
  const request = 'GET /probe HTTP/1.1\r\nHost: fuzz.example\r\nConnection: close\r\n\r\n';
  const received = await exchange(port, Buffer.from(request), random, false);
  if (!/^HTTP\/1\.1 200 /.test(received))
    throw new Finding(`a plain request got ${JSON.stringify(received.slice(0, 200))}`, after);
}

function checkDaemon(daemon: RunningDaemon, before: number): void {
  const grown = residentMegabytes(daemon) - before;
  tell(`the daemon's memory grew by ${grown.toFixed(0)} MB`);
  if (grown > mostGrowthMegabytes) throw new Error(`the daemon's memory grew by ${grown.toFixed(0)} MB`);
  const bug = daemon.log.find(({ msg, level }) => level === 'error' || String(msg).includes('bug of ours'));
  if (bug !== undefined) throw new Error(`the daemon logged ${JSON.stringify(bug)}`);
}
