// One worker beside two on the same core: what a request costs with kept and with new connections, and how two share what comes to one
// descriptor. The load has the other core, so only processor time is told, never a rate.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningDaemon, startDaemon } from '../test/feature/daemon.ts';
import { clusterState } from './cluster-state.ts';
import { needPackages, pinToServerCore, processorMicroseconds } from './processes.ts';
import { keepResult, median, table } from './results.ts';
import { type Load, runRound } from './router-load.ts';
import { backendPorts, host, startBackends } from './router-peers.ts';

const connections = 256;
const mostRatio = 1.15;
/** Of the busiest worker to the idlest; what descriptors that are shared gave in the worst case (node26.md §A1). */
const mostSpread = 3.2;
const seconds = 4;
const warmRounds = 2;

interface Sample {
  readonly workers: number;
  readonly kind: string;
  readonly microsecondsPerUnit: number;
  readonly failures: number;
  /** Processor time of the busiest worker to that of the idlest. */
  readonly spread: number;
  /** Descriptors that each has open while the load runs. */
  readonly openFiles: readonly number[];
}

interface Status {
  readonly workers: readonly { readonly pid: number; readonly openFiles: number }[];
}

async function start(directory: string, workers: number): Promise<RunningDaemon> {
  const state = join(directory, `state-${workers}.json`);
  writeFileSync(state, JSON.stringify(clusterState({ apps: 1, instances: 1 })));
  const to = backendPorts.map((port) => `http://127.0.0.1:${port}`);
  const daemon = await startDaemon(
    JSON.stringify({
      cluster: [{ file: { path: state } }],
      router: {
        http: ['127.0.0.1:0'],
        routes: [{ host, to }],
        limits: { requestsPerConnection: 0 },
        shedAfter: 'off',
      },
      admin: { listen: '127.0.0.1:0' },
      workers,
    }),
  );
  pinToServerCore(daemon.child.pid ?? 0);
  return daemon;
}

async function measure(daemon: RunningDaemon, kind: string, directory: string): Promise<Sample> {
  const load: Load = { path: '/', connections, anew: kind === 'new', hosts: 0, seconds };
  const pids = (await daemon.json<Status>('/v1/status')).workers.map(({ pid }) => pid);
  const before = pids.map(processorMicroseconds);
  const target = {
    server: String(pids.length),
    pid: daemon.child.pid ?? 0,
    port: daemon.port('router.http'),
    stop: () => daemon.stop(),
  };
  const [round, during] = await Promise.all([runRound(target, load, directory), openFilesSoon(daemon)]);
  const used = pids.map((pid, i) => processorMicroseconds(pid) - (before[i] ?? 0));
  return {
    workers: pids.length,
    kind,
    microsecondsPerUnit: round.microsecondsPerUnit,
    failures: round.failures,
    spread: Math.max(...used) / Math.min(...used),
    openFiles: during,
  };
}

/** In the middle of a round. */
async function openFilesSoon(daemon: RunningDaemon): Promise<readonly number[]> {
  await new Promise((resolve) => setTimeout(resolve, (seconds * 1000) / 2));
  return (await daemon.json<Status>('/v1/status')).workers.map(({ openFiles }) => openFiles);
}

export async function run(args: readonly string[]): Promise<number> {
  const rounds = args[0] === '--rounds' ? Number(args[1]) : 3;
  if (!Number.isInteger(rounds) || rounds < 1) {
    process.stderr.write('usage: npm run bench -- workers [--rounds N]\n');
    return 2;
  }
  needPackages({ nginx: 'nginx-light', wrk: 'wrk', taskset: 'util-linux' });
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const started: { stop(): Promise<unknown> }[] = [];
  const samples: Sample[] = [];
  try {
    started.push(await startBackends(directory));
    const daemons = [await start(directory, 1), await start(directory, 2)];
    started.push(...daemons);
    for (const kind of ['kept', 'new'])
      for (let round = -warmRounds; round < rounds; round++)
        for (const daemon of daemons) {
          const sample = await measure(daemon, kind, directory);
          if (round >= 0) samples.push(sample);
        }
  } finally {
    for (const one of started.reverse()) await one.stop();
    rmSync(directory, { recursive: true });
  }
  return report(samples);
}

function report(samples: readonly Sample[]): number {
  const of = (workers: number, kind: string): readonly Sample[] =>
    samples.filter((one) => one.workers === workers && one.kind === kind);
  const cost = (workers: number, kind: string): number =>
    median(of(workers, kind).map(({ microsecondsPerUnit }) => microsecondsPerUnit));
  const goals = ['kept', 'new'].map((kind) => {
    const ratio = cost(2, kind) / cost(1, kind);
    const spread = median(of(2, kind).map((one) => one.spread));
    return { kind, ratio, mostRatio, spread, mostSpread, isMet: ratio <= mostRatio && spread <= mostSpread };
  });
  const rows = goals.map(({ kind, ratio, spread, isMet }) => [
    `${connections} ${kind}`,
    cost(1, kind).toFixed(2),
    cost(2, kind).toFixed(2),
    ratio.toFixed(2),
    spread.toFixed(2),
    of(2, kind).at(-1)?.openFiles.join(' + ') ?? '',
    isMet ? 'met' : 'MISSED',
  ]);
  const head = ['connections', 'µs CPU/request of 1', 'of 2', 'ratio', 'busiest ÷ idlest', 'descriptors', ''];
  process.stdout.write(table([head, ...rows]));
  keepResult('workers', { goals, samples });
  return goals.filter(({ isMet }) => !isMet).length === 0 ? 0 : 1;
}
