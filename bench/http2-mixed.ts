// Slow and fast clients on the same HTTP/2 connections: whether those who read slowly hold up those who do not, and what they cost in memory.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runLoad } from './processes.ts';
import { keepResult, median, table } from './results.ts';
import { startBackends, startIsthmus, type Target, writeCertificate } from './router-peers.ts';

/** Streams are spread over the connections evenly. */
const sizes = { connections: 10, fast: 200, slow: 200 } as const;
/** The fast ones' p99 may double beside the slow ones, and the daemon grow by so much: a window's worth a stream, and what is read ahead. */
const goals = { mostSlowdown: 2, mostMegabytes: 200 } as const;
const warmSeconds = 3;

interface MixedSample {
  readonly slow: number;
  readonly fastRequests: number;
  readonly failures: number;
  readonly p50Milliseconds: number;
  readonly p99Milliseconds: number;
  /** The fast stream that got the fewest answers, and the mean of all: one that starves shows. */
  readonly fewest: number;
  readonly mean: number;
  readonly slowMegabytes: number;
  readonly fewestSlowBytes: number;
}

/** Answers with how many goals were missed. */
export async function runMixed(seconds: number, rounds: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const started: { stop(): Promise<unknown> }[] = [];
  try {
    started.push(await startBackends(directory));
    const target = await startIsthmus(directory, { certificates: writeCertificate(directory) });
    started.push(target);
    await sample(target, warmSeconds, 0);
    const before = residentMegabytes(target.pid, 'VmRSS');
    const samples: MixedSample[] = [];
    for (let round = 0; round < rounds; round++)
      for (const slow of [0, sizes.slow]) samples.push(await sample(target, seconds, slow));
    return report(samples, residentMegabytes(target.pid, 'VmHWM') - before);
  } finally {
    for (const server of started.reverse()) await server.stop();
    rmSync(directory, { recursive: true });
  }
}

async function sample({ port }: Target, seconds: number, slow: number): Promise<MixedSample> {
  const program = fileURLToPath(new URL('http2-mixed-load.ts', import.meta.url));
  const numbers = [port, seconds, sizes.connections, sizes.fast, slow].map(String);
  return JSON.parse(await runLoad(process.execPath, [program, ...numbers], seconds + 60)) as MixedSample;
}

function residentMegabytes(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const [, kilobytes = '0'] =
    new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

function report(samples: readonly MixedSample[], grownMegabytes: number): number {
  const of = (slow: number, field: keyof MixedSample): number =>
    median(samples.filter((one) => one.slow === slow).map((one) => one[field]));
  const fields = [
    'fastRequests',
    'failures',
    'p50Milliseconds',
    'p99Milliseconds',
    'fewest',
    'mean',
    'slowMegabytes',
    'fewestSlowBytes',
  ] as const;
  const rows = [0, sizes.slow].map((slow) => [
    `${slow} slow`,
    ...fields.map((field) => of(slow, field).toFixed(field.endsWith('s') ? 2 : 0)),
  ]);
  const slowdown = of(sizes.slow, 'p99Milliseconds') / of(0, 'p99Milliseconds');
  const results = [
    { goal: 'p99 of fast ones, times', value: slowdown, isMet: slowdown <= goals.mostSlowdown },
    {
      goal: 'fast ones without an answer',
      value: of(sizes.slow, 'fewest') === 0 ? 1 : 0,
      isMet: of(sizes.slow, 'fewest') > 0,
    },
    {
      goal: 'slow ones without progress',
      value: of(sizes.slow, 'fewestSlowBytes') === 0 ? 1 : 0,
      isMet: of(sizes.slow, 'fewestSlowBytes') > 0,
    },
    { goal: 'MB grown at most', value: grownMegabytes, isMet: grownMegabytes <= goals.mostMegabytes },
  ];
  process.stdout.write(table([['http2-mixed', ...fields], ...rows]));
  process.stdout.write(
    table(results.map(({ goal, value, isMet }) => [goal, value.toFixed(2), isMet ? 'met' : 'MISSED'])),
  );
  keepResult('http2-mixed', { sizes, goals, results, samples });
  return results.filter(({ isMet }) => !isMet).length;
}
