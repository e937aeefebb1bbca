// The router beside HAProxy, nginx, Caddy and http-proxy: small and large answers, kept and new connections, few and many routes, with
// and without a log. Load by wrk, each server on the same core in turn.

import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { needPackages } from './processes.ts';
import { circumstances, median, table } from './results.ts';
import { fullSize, runHostile } from './router-hostile.ts';
import { type Load, type RouterSample, runRound } from './router-load.ts';
import { packages, startBackends, startIsthmus, startServer, type Target, versionOf } from './router-peers.ts';

interface Goal {
  /** What of ours is compared with which server, by processor time a request. */
  readonly ours: string;
  readonly peer: string;
  readonly must: number;
  readonly aim: number | null;
}

interface Case {
  readonly load: Partial<Load>;
  /** Requests before the first round that counts; absent: `warmUnits`. */
  readonly warmUnits?: number;
  readonly start: (directory: string) => Promise<readonly Target[]>;
  readonly goals: readonly Goal[];
}

const goal = (peer: string, must: number, aim: number | null = null, ours = 'isthmus'): Goal => ({
  ours,
  peer,
  must,
  aim,
});

const besideAll = async (directory: string): Promise<readonly Target[]> => [
  await startIsthmus(directory),
  await startServer('haproxy', directory),
  await startServer('nginx', directory),
  await startServer('caddy', directory),
  await startServer('http-proxy', directory),
];

const cases: Readonly<Record<string, Case>> = {
  small: {
    load: {},
    start: besideAll,
    goals: [goal('haproxy', 1.5, 1.2), goal('caddy', 0.4), goal('http-proxy', 0.3)],
  },
  large: {
    load: { path: '/large', connections: 8 },
    warmUnits: 2_000,
    start: besideAll,
    goals: [goal('haproxy', 1, 0.75)],
  },
  new: { load: { anew: true }, warmUnits: 10_000, start: besideAll, goals: [] },
  routes: {
    load: {},
    start: async (directory) => [
      await startIsthmus(directory, { name: 'routes-10', routes: 10 }),
      await startIsthmus(directory, { name: 'routes-10000', routes: 10_000 }),
    ],
    goals: [goal('routes-10', 1.1, null, 'routes-10000')],
  },
  log: {
    load: {},
    start: async (directory) => [
      await startIsthmus(directory, { name: 'log-off' }),
      await startIsthmus(directory, { name: 'log-json', accessLog: true }),
      await startServer('haproxy', directory),
    ],
    goals: [goal('log-off', 1.25, 1.1, 'log-json')],
  },
};

/** Disturbances have a table of their own. */
const hostile = 'hostile';
const names = [...Object.keys(cases), hostile];

/** Requests after which programs that compile as they run have settled, and the rounds of three seconds that they may take. */
const warmUnits = 60_000;
const mostWarmRounds = 5;

const usage = `usage: npm run bench -- router [${names.join('|')}]… [--seconds N] [--rounds N] [--only DISTURBANCE]\n`;

interface Plan {
  readonly names: readonly string[];
  readonly seconds: number;
  readonly rounds: number;
  /** Words in the names of disturbances; empty: all of them. */
  readonly only: readonly string[];
}

function planOf(args: readonly string[]): Plan | null {
  const numbers = { seconds: 5, rounds: 3 };
  const chosen: string[] = [];
  const only: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === '--seconds' || arg === '--rounds') {
      const value = Number(args[++i]);
      if (!Number.isInteger(value) || value < 1) return null;
      numbers[arg === '--seconds' ? 'seconds' : 'rounds'] = value;
    } else if (arg === '--only') only.push(args[++i] ?? '');
    else if (names.includes(arg)) chosen.push(arg);
    else return null;
  }
  return { names: chosen.length === 0 ? names : chosen, only, ...numbers };
}

export async function run(args: readonly string[]): Promise<number> {
  const plan = planOf(args);
  if (plan === null) {
    process.stderr.write(usage);
    return 2;
  }
  needPackages(packages);
  let missed = 0;
  for (const name of plan.names)
    missed += name === hostile ? await runDisturbances(plan) : await runCase(name, cases[name] as Case, plan);
  return missed === 0 ? 0 : 1;
}

/** Answers with how many goals were missed. */
async function runCase(name: string, one: Case, plan: Plan): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const started: { stop(): Promise<unknown> }[] = [];
  try {
    started.push(await startBackends(directory));
    const targets = await one.start(directory);
    started.push(...targets);
    const samples = await measure(name, targets, one, plan, directory);
    return report(name, targets, samples, one.goals, plan);
  } finally {
    for (const server of started.reverse()) await server.stop();
    rmSync(directory, { recursive: true });
  }
}

/** Normal traffic's p99 may double. */
const mostSlowdown = 2;

async function runDisturbances(plan: Plan): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const backends = await startBackends(directory);
  try {
    const results = await runHostile(directory, plan, fullSize, plan.only);
    const rows = results.map((one) => [
      one.name,
      one.undisturbedP99.toFixed(2),
      one.p99.toFixed(2),
      one.p99 <= mostSlowdown * one.undisturbedP99 ? 'met' : 'MISSED',
      String(one.undisturbedMegabytes),
      String(one.megabytes),
    ]);
    process.stdout.write(table([[hostile, 'p99 ms before', 'p99 ms', '', 'MB before', 'MB'], ...rows]));
    keep(hostile, { plan, sizes: fullSize, results });
    return rows.filter((row) => row[3] !== 'met').length;
  } finally {
    await backends.stop();
    rmSync(directory, { recursive: true });
  }
}

async function measure(
  name: string,
  targets: readonly Target[],
  one: Case,
  { seconds, rounds }: Plan,
  directory: string,
): Promise<readonly RouterSample[]> {
  const load: Load = { path: '/', connections: 32, anew: false, hosts: 0, ...one.load, seconds };
  const loadOf = ({ server }: Target): Load => {
    const hosts = Number(/^routes-(\d+)$/.exec(server)?.[1] ?? 0);
    return { ...load, hosts };
  };
  for (const target of targets) await warmUp(target, loadOf(target), one.warmUnits ?? warmUnits, directory);
  const samples: RouterSample[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) {
      const sample = await runRound(target, loadOf(target), directory);
      process.stderr.write(`${name}: ${sample.server}: ${sample.microsecondsPerUnit.toFixed(2)} µs\n`);
      samples.push(sample);
    }
  }
  return samples;
}

/** A compiler that still works while others are measured made a third of the processor time of a cold run, and none of a warm one. */
async function warmUp(target: Target, load: Load, least: number, directory: string): Promise<void> {
  let units = 0;
  for (let round = 0; round < mostWarmRounds && units < least; round++)
    units += (await runRound(target, { ...load, seconds: 3 }, directory)).units;
}

function report(
  name: string,
  targets: readonly Target[],
  samples: readonly RouterSample[],
  goals: readonly Goal[],
  plan: Plan,
): number {
  const of = (server: string, field: Exclude<keyof RouterSample, 'server'>): number =>
    median(samples.filter((sample) => sample.server === server).map((sample) => sample[field]));
  const rows = targets.map(({ server }) => [
    server,
    of(server, 'microsecondsPerUnit').toFixed(2),
    of(server, 'unitsPerSecond').toFixed(0),
    of(server, 'p50Milliseconds').toFixed(2),
    of(server, 'p99Milliseconds').toFixed(2),
    of(server, 'p999Milliseconds').toFixed(2),
  ]);
  const results = goals.map((one) => {
    const ratio = of(one.ours, 'microsecondsPerUnit') / of(one.peer, 'microsecondsPerUnit');
    return { ...one, ratio, isMet: ratio <= one.must };
  });
  const goalRows = results.map(({ ours, peer, ratio, must, aim, isMet }) => [
    `${ours} / ${peer}`,
    ratio.toFixed(2),
    must.toFixed(2),
    aim?.toFixed(2) ?? '',
    isMet ? 'met' : 'MISSED',
  ]);
  const head = [name, 'µs CPU/request', 'requests/s', 'p50 ms', 'p99 ms', 'p99.9 ms'];
  process.stdout.write(table([head, ...rows]));
  if (goalRows.length > 0) process.stdout.write(`${table([['CPU', 'ratio', 'must', 'aim', ''], ...goalRows])}\n`);
  keep(name, { plan, goals: results, samples });
  return results.filter(({ isMet }) => !isMet).length;
}

function keep(name: string, figures: object): void {
  const versions = Object.fromEntries(['haproxy', 'nginx', 'caddy', 'wrk'].map((one) => [one, versionOf(one)]));
  const folder = fileURLToPath(new URL('results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const kept = { name: `router-${name}`, ...circumstances(), versions, ...figures };
  writeFileSync(`${folder}router-${name}.json`, `${JSON.stringify(kept, null, 2)}\n`);
}
