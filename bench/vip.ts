// VIPs in user space beside HAProxy's TCP mode: connections, small exchanges and bulk by wrk; and tables of 100, 1,000 and 10,000 VIPs.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { needPackages } from './processes.ts';
import { circumstances, median, table } from './results.ts';
import { type Load, type RouterSample, runRound } from './router-load.ts';
import { packages, startBackends, type Target, versionOf } from './router-peers.ts';
import { measureChurn } from './vip-churn.ts';
import { measureKernel } from './vip-kernel.ts';
import { direct, startHaproxyTcp, startVip } from './vip-peers.ts';
import { measureSockets, measureTable } from './vip-tables.ts';

interface Case {
  readonly load: Omit<Load, 'seconds'>;
  /** Most processor time of ours for a unit, in HAProxy's (performance.md). */
  readonly must: number;
}

const cases: Readonly<Record<string, Case>> = {
  small: { load: { path: '/', connections: 32, anew: false, hosts: 0 }, must: 1.3 },
  connect: { load: { path: '/', connections: 32, anew: true, hosts: 0 }, must: 1.3 },
  bulk: { load: { path: '/large', connections: 8, anew: false, hosts: 0 }, must: 1.4 },
};

const sizes = [100, 1000, 10_000];
const rounds = 3;
const seconds = 4;

/** In the time of a connection without a VIP (performance.md). */
const mostKernelRatio = 1.1;

/** `small`, `connect`, `bulk`, `tables`, `kernel`, `churn`; none: all. */
export async function run(args: readonly string[]): Promise<number> {
  const known = [...Object.keys(cases), 'tables', 'kernel', 'churn'];
  if (args.some((arg) => !known.includes(arg))) {
    process.stderr.write(`usage: npm run bench -- vip [${known.join('|')}]…\n`);
    return 2;
  }
  const names = args.length === 0 ? known : args;
  const { haproxy = '', wrk = '', taskset = '' } = packages;
  needPackages({ haproxy, wrk, taskset, nginx: 'nginx-light' });
  let missed = 0;
  const loaded = names.filter((name) => name in cases);
  if (loaded.length > 0) missed += await runLoaded(loaded);
  if (names.includes('tables')) await runTables();
  if (names.includes('kernel')) missed += await runKernel();
  if (names.includes('churn')) missed += await runChurn();
  return missed === 0 ? 0 : 1;
}

async function runLoaded(names: readonly string[]): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const started: { stop(): Promise<unknown> }[] = [];
  try {
    const backends = await startBackends(directory);
    started.push(backends);
    const targets: Target[] = [];
    for (const start of [startVip, startHaproxyTcp]) targets.push(await start(directory));
    started.push(...targets);
    let missed = 0;
    for (const name of names) missed += await runCase(name, [...targets, direct()], directory);
    return missed;
  } finally {
    for (const server of started.reverse()) await server.stop();
    rmSync(directory, { recursive: true });
  }
}

async function runCase(name: string, targets: readonly Target[], directory: string): Promise<number> {
  const { load, must } = cases[name] as Case;
  for (const target of targets) await runRound(target, { ...load, seconds: 1 }, directory);
  const samples: RouterSample[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) samples.push(await runRound(target, { ...load, seconds }, directory));
  }
  const of = (server: string, field: Exclude<keyof RouterSample, 'server'>): number =>
    median(samples.filter((sample) => sample.server === server).map((sample) => sample[field]));
  const rows = targets.map(({ server }) => [
    server,
    server === 'direct' ? '-' : of(server, 'microsecondsPerUnit').toFixed(1),
    of(server, 'unitsPerSecond').toFixed(0),
    of(server, 'p50Milliseconds').toFixed(2),
    of(server, 'p99Milliseconds').toFixed(2),
  ]);
  const ratio = of('isthmus', 'microsecondsPerUnit') / of('haproxy', 'microsecondsPerUnit');
  const isMet = ratio <= must;
  process.stdout.write(table([[name, 'µs CPU/request', 'requests/s', 'p50 ms', 'p99 ms'], ...rows]));
  process.stdout.write(`CPU: ${ratio.toFixed(2)} × haproxy, must be ${must}: ${isMet ? 'met' : 'MISSED'}\n\n`);
  const versions = { haproxy: versionOf('haproxy'), nginx: versionOf('nginx'), wrk: versionOf('wrk') };
  keep(`vip-${name}`, { versions, seconds, rounds, ratio, must, isMet, samples });
  return isMet ? 0 : 1;
}

async function runTables(): Promise<void> {
  const figures = [];
  for (const size of sizes) figures.push(await measureTable(size));
  const rows = figures.map(({ vips, loadMs, changeMs, comeMs, connectMs, residentMiB }) => [
    String(vips),
    loadMs.toFixed(0),
    changeMs.toFixed(3),
    comeMs.toFixed(3),
    connectMs.toFixed(3),
    residentMiB.toFixed(0),
  ]);
  process.stdout.write(table([['VIPs × 3', 'load ms', 'change ms', 'come/go ms', 'connect ms', 'MiB'], ...rows]));
  const sockets = { each: await measureSockets(10_000, 'each'), one: await measureSockets(10_000, 'one') };
  const socketRows = Object.entries(sockets).map(([kind, { loadMs, connectMs, residentMiB }]) => [
    kind === 'each' ? 'one each' : 'one for all',
    loadMs.toFixed(0),
    connectMs.toFixed(3),
    residentMiB.toFixed(0),
  ]);
  process.stdout.write(`\n${table([['10,000 sockets', 'open ms', 'connect ms', 'MiB'], ...socketRows])}`);
  keep('vip-tables', { figures, sockets });
}

async function runKernel(): Promise<number> {
  const figures = [];
  for (const size of sizes) figures.push(await measureKernel(size));
  const rows = figures.map(({ vips, loadMs, changeMs, directMicroseconds: direct, vipMicroseconds: vip }) => [
    ...[String(vips), loadMs.toFixed(0), changeMs.toFixed(1)],
    ...[direct.toFixed(0), vip.toFixed(0), (vip / direct).toFixed(2)],
  ]);
  const head = ['VIPs × 3', 'load ms', 'change ms', 'direct µs', 'VIP µs', 'ratio'];
  process.stdout.write(table([head, ...rows]));
  const worst = Math.max(...figures.map((one) => one.vipMicroseconds / one.directMicroseconds));
  const isMet = worst <= mostKernelRatio;
  process.stdout.write(`connect: must be ${mostKernelRatio} × direct: ${isMet ? 'met' : 'MISSED'}\n\n`);
  keep('vip-kernel', { figures, must: mostKernelRatio, isMet });
  return isMet ? 0 : 1;
}

async function runChurn(): Promise<number> {
  const figures = [];
  for (const plane of ['kernel', 'user'] as const) figures.push(await measureChurn(plane));
  const rows = figures.map(({ plane, changes, connections, failures, held, cut, seconds: took }) => [
    ...[plane, String(changes), String(connections), String(failures), `${held - cut} of ${held}`, took.toFixed(0)],
  ]);
  process.stdout.write(table([['churn', 'changes', 'connections', 'failed', 'held live on', 's'], ...rows]));
  const isMet = figures.every(({ failures, cut }) => failures === 0 && cut === 0);
  process.stdout.write(`none may fail: ${isMet ? 'met' : 'MISSED'}\n\n`);
  keep('vip-churn', { figures, isMet });
  return isMet ? 0 : 1;
}

function keep(name: string, result: object): void {
  const folder = fileURLToPath(new URL('results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}${name}.json`, `${JSON.stringify({ name, ...circumstances(), ...result }, null, 2)}\n`);
}
