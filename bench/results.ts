// How a benchmark is told: a table for people and a file in bench/results.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface Sample {
  readonly server: string;
  readonly microsecondsPerUnit: number;
  readonly unitsPerSecond: number;
  readonly units: number;
  readonly failures: number;
  readonly meanMilliseconds: number;
}

export interface Result {
  readonly unit: string;
  /** Of our processor time for a unit to each peer's. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly samples: readonly Sample[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
}

/** Prints the medians and writes everything to `bench/results/NAME.json`. The first sample's server is ours, the others its peers. */
export function report(
  name: string,
  unit: string,
  samples: readonly Sample[],
  more: Readonly<Record<string, unknown>>,
): Result {
  const of = (server: string, field: keyof Sample): number =>
    median(samples.filter((sample) => sample.server === server).map((sample) => sample[field] as number));
  const servers = [...new Set(samples.map(({ server }) => server))];
  const ours = servers[0] ?? '';
  const ratioTo = (server: string): number => of(ours, 'microsecondsPerUnit') / of(server, 'microsecondsPerUnit');
  const rows = servers.map((server) => [
    server,
    of(server, 'microsecondsPerUnit').toFixed(2),
    ratioTo(server).toFixed(2),
    of(server, 'unitsPerSecond').toFixed(0),
    of(server, 'meanMilliseconds').toFixed(3),
    String(samples.filter((sample) => sample.server === server).reduce((sum, sample) => sum + sample.failures, 0)),
  ]);
  const head = ['server', `µs CPU/${unit}`, `${ours} ÷ it`, `${unit}/s`, 'mean ms', 'lost'];
  process.stdout.write(`${name}\n${table([head, ...rows])}`);
  const ratios = Object.fromEntries(servers.slice(1).map((server) => [server, ratioTo(server)]));
  const result = { unit, ratios, samples };
  keepResult(name, { ...more, ...result });
  return result;
}

/** Writes `bench/results/NAME.json`. */
export function keepResult(name: string, figures: object): void {
  const directory = fileURLToPath(new URL('results/', import.meta.url));
  mkdirSync(directory, { recursive: true });
  const text = JSON.stringify({ name, ...circumstances(), ...figures }, null, 2);
  writeFileSync(`${directory}${name}.json`, `${text}\n`);
}

export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ')}\n`,
    )
    .join('');
}

export function circumstances(): object {
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8', cwd: import.meta.dirname }).trim();
  return {
    date: new Date().toISOString(),
    commit,
    node: process.version,
    kernel: release(),
    processor: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    loadAverage: loadavg().map((load) => Number(load.toFixed(2))),
    command: `npm run bench -- ${process.argv.slice(2).join(' ')}`,
  };
}
