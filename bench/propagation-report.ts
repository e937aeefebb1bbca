// The propagation benchmark's figures: their shapes, the table for people, the goals, and the file in bench/results.

import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Memory } from './processes.ts';
import { circumstances, table } from './results.ts';

export interface ColdStart {
  readonly readyMs: number;
  /** The slowest answer of DNS after the first one. */
  readonly blockedMs: number;
  readonly controlCpuMs: number;
  readonly workerCpuMs: number;
}

export interface ProcessMemory {
  readonly control: Memory;
  readonly worker: Memory;
}

/** Milliseconds from the event to each changed answer, and to the last of the three. */
export interface Latencies {
  readonly dns: readonly number[];
  readonly vip: readonly number[];
  readonly route: readonly number[];
  readonly all: readonly number[];
  readonly blockedMs: number;
}

/** Microseconds of processor time an event. */
export interface Cost {
  readonly control: number;
  readonly worker: number;
}

export interface Burst {
  readonly perSecond: number;
  readonly seconds: number;
  /** Milliseconds from an event to the last changed answer while the burst lasts, and right after it. */
  readonly during: readonly number[];
  readonly lastMs: number;
  readonly blockedMs: number;
  readonly memory: ProcessMemory;
}

export interface Measured {
  readonly tasks: number;
  readonly coldStart: ColdStart;
  readonly memory: ProcessMemory;
  readonly latencies: Latencies;
  readonly cost: Cost;
  readonly burst: Burst | null;
  /** Milliseconds from the start to an answer by the saved snapshot. */
  readonly restart: number;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Prints the table and the goals, writes `bench/results/NAME.json`; 1 where a goal is missed. */
export function propagationReport(name: string, measured: readonly Measured[]): number {
  process.stdout.write(table([['', ...measured.map(({ tasks }) => `${tasks} tasks`)], ...rowsOf(measured)]));
  const goals = goalsOf(measured);
  for (const { goal, value, most } of goals)
    process.stdout.write(`${value <= most ? 'met   ' : 'MISSED'} ${goal}: ${value.toFixed(2)} (at most ${most})\n`);
  const directory = fileURLToPath(new URL('results/', import.meta.url));
  mkdirSync(directory, { recursive: true });
  const text = JSON.stringify({ name, ...circumstances(), goals, measured: measured.map(rounded) }, null, 2);
  writeFileSync(`${directory}${name}.json`, `${text}\n`);
  return goals.every(({ value, most }) => value <= most) ? 0 : 1;
}

function rowsOf(measured: readonly Measured[]): readonly (readonly string[])[] {
  const row = (title: string, of: (one: Measured) => string): readonly string[] => [title, ...measured.map(of)];
  const spread = (values: readonly number[]): string =>
    `${percentile(values, 0.5).toFixed(1)} / ${percentile(values, 0.99).toFixed(1)}`;
  const megabytes = ({ nowBytes, mostBytes }: Memory): string =>
    `${Math.round(nowBytes / 1e6)} / ${Math.round(mostBytes / 1e6)}`;
  const rows = [
    row('event to DNS, p50 / p99 ms', ({ latencies }) => spread(latencies.dns)),
    row('event to VIP', ({ latencies }) => spread(latencies.vip)),
    row('event to route', ({ latencies }) => spread(latencies.route)),
    row('event to all three', ({ latencies }) => spread(latencies.all)),
    row('slowest DNS answer meanwhile, ms', ({ latencies }) => latencies.blockedMs.toFixed(1)),
    row('cold start to ready, ms', ({ coldStart }) => coldStart.readyMs.toFixed(0)),
    row('processor time until then, control, ms', ({ coldStart }) => coldStart.controlCpuMs.toFixed(0)),
    row('processor time until then, worker, ms', ({ coldStart }) => coldStart.workerCpuMs.toFixed(0)),
    row('slowest DNS answer meanwhile, ms', ({ coldStart }) => coldStart.blockedMs.toFixed(1)),
    row('restart to answer by the store, ms', ({ restart }) => restart.toFixed(0)),
    row('control, MB in the end / most', ({ memory }) => megabytes(memory.control)),
    row('worker, MB in the end / most', ({ memory }) => megabytes(memory.worker)),
    row('µs CPU an event, control', ({ cost }) => cost.control.toFixed(0)),
    row('µs CPU an event, worker', ({ cost }) => cost.worker.toFixed(0)),
  ];
  if (!measured.some(({ burst }) => burst !== null)) return rows;
  const ofBurst = (title: string, of: (burst: Burst) => string): readonly string[] =>
    row(title, ({ burst }) => (burst === null ? '' : of(burst)));
  return [
    ...rows,
    ofBurst('burst, events / s', ({ perSecond, seconds }) => `${perSecond}, ${seconds.toFixed(1)} s`),
    ofBurst('event to all three meanwhile', ({ during }) => spread(during)),
    ofBurst('event right after', ({ lastMs }) => lastMs.toFixed(1)),
    ofBurst('slowest DNS answer meanwhile, ms', ({ blockedMs }) => blockedMs.toFixed(1)),
    ofBurst('control, MB in the end / most', ({ memory }) => megabytes(memory.control)),
    ofBurst('worker, MB in the end / most', ({ memory }) => megabytes(memory.worker)),
  ];
}

interface Goal {
  readonly goal: string;
  readonly value: number;
  readonly most: number;
}

/** Of the largest cluster; the cost of an event is compared with the smallest. */
function goalsOf(measured: readonly Measured[]): readonly Goal[] {
  const small = measured[0];
  const large = measured.at(-1);
  if (small === undefined || large === undefined) return [];
  const goals: Goal[] = [
    { goal: 'event to all three, p99 ms', value: percentile(large.latencies.all, 0.99), most: 100 },
    { goal: 'cold start to ready, s', value: large.coldStart.readyMs / 1000, most: 8 },
    { goal: 'worker stood still at the start, ms', value: large.coldStart.blockedMs, most: 50 },
    { goal: 'restart to answer by the store, s', value: large.restart / 1000, most: 2 },
    { goal: 'control, MB', value: large.memory.control.nowBytes / 1e6, most: 600 },
    { goal: 'worker, MB', value: large.memory.worker.nowBytes / 1e6, most: 200 },
  ];
  if (small === large) return goals;
  const total = ({ cost }: Measured): number => cost.control + cost.worker;
  return [...goals, { goal: 'cost of an event, large to small', value: total(large) / total(small), most: 1.5 }];
}

const rounded = (one: Measured): unknown =>
  JSON.parse(
    JSON.stringify(one, (_, value: unknown) => (typeof value === 'number' ? Math.round(value * 100) / 100 : value)),
  );
