// Normal traffic beside those who want to take the router down, or do so without wanting: the latency of the one, the memory under the
// other. Rounds without and with a disturbance in turn, with the same load; the disturbance begins with its round, so that its building up
// counts, and has processes of its own on the load's core, behind the load: what is measured is what it does to the router, not to wrk.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startDaemon } from '../test/feature/daemon.ts';
import { clusterState } from './cluster-state.ts';
import { pinToServerCore, startPeer } from './processes.ts';
import { median } from './results.ts';
import { attacks, badHost, badPorts, type BadBackend, type Sizes } from './router-attacker.ts';
import { type Load, type RouterSample, runRound } from './router-load.ts';
import { backendPorts, host, listening, type Target } from './router-peers.ts';

export interface HostileResult {
  readonly name: string;
  /** Medians of the rounds. */
  readonly undisturbedP99: number;
  readonly p99: number;
  readonly undisturbedMegabytes: number;
  readonly megabytes: number;
  readonly rounds: readonly HostileRound[];
}

interface HostileRound {
  readonly undisturbed: RouterSample;
  readonly disturbed: RouterSample;
}

export const fullSize: Sizes = { idle: 10_000, slowHeads: 500, slowClients: 200, bodyBytes: 1024 ** 3 };

interface Plan {
  readonly seconds: number;
  readonly rounds: number;
}

const normal = { path: '/', connections: 16, anew: false, hosts: 0 } as const;
/** Until our compiler has settled. */
const warmSeconds = 8;

/** `only`: the disturbances whose names hold one of these words; none: all. */
export async function runHostile(
  directory: string,
  plan: Plan,
  sizes: Sizes,
  only: readonly string[] = [],
): Promise<readonly HostileResult[]> {
  const backends = attacker('backends', String(sizes.bodyBytes));
  const daemon = await start(directory, sizes);
  try {
    await Promise.all([badPorts.slow, badPorts.giant, badPorts.deaf].map(listening));
    await runRound(daemon, { ...normal, seconds: warmSeconds }, directory);
    const results: HostileResult[] = [];
    const names = Object.keys(attacks).filter((name) => only.length === 0 || only.some((word) => name.includes(word)));
    for (const name of names) {
      const result = await measure(name, daemon, directory, plan, sizes);
      process.stderr.write(`${name}: p99 ${result.p99} ms (${result.undisturbedP99} ms), ${result.megabytes} MB\n`);
      results.push(result);
    }
    return results;
  } finally {
    await daemon.stop();
    await backends.stop();
  }
}

/** Ranks behind what measures: an attacker's own work must not be what makes the load wait. */
const attacker = (...args: readonly string[]): { stop(): Promise<void> } =>
  startPeer(
    'chrt',
    ['--idle', '0', process.execPath, fileURLToPath(new URL('router-attacker.ts', import.meta.url)), ...args],
    'load',
  );

async function measure(
  name: string,
  daemon: Target,
  directory: string,
  { seconds, rounds }: Plan,
  sizes: Sizes,
): Promise<HostileResult> {
  const load: Load = { ...normal, seconds };
  const measured: HostileRound[] = [];
  const undisturbedMegabytes = residentMegabytes(daemon.pid);
  let megabytes = 0;
  const look = setInterval(() => (megabytes = Math.max(megabytes, residentMegabytes(daemon.pid))), 100);
  try {
    for (let round = 0; round < rounds; round++) {
      // What the round before has left is cleared away first.
      await runRound(daemon, { ...load, seconds: 1 }, directory);
      const undisturbed = await runRound(daemon, load, directory);
      const attack = attacker('attack', name, String(daemon.port), JSON.stringify(sizes));
      try {
        measured.push({ undisturbed, disturbed: await runRound(daemon, load, directory) });
      } finally {
        await attack.stop();
      }
    }
  } finally {
    clearInterval(look);
  }
  const p99 = (of: keyof HostileRound): number => median(measured.map((round) => round[of].p99Milliseconds));
  return {
    name,
    undisturbedP99: p99('undisturbed'),
    p99: p99('disturbed'),
    undisturbedMegabytes,
    megabytes,
    rounds: measured,
  };
}

/** Of the supervisor and its children: the most is the worker's. */
function residentMegabytes(pid: number): number {
  const { stdout } = spawnSync('ps', ['-o', 'rss=', '-p', String(pid), '--ppid', String(pid)], { encoding: 'utf8' });
  return Math.round(stdout.split('\n').reduce((sum, line) => sum + Number(line), 0) / 1024);
}

/** With a worker of its own, as it is deployed. */
async function start(directory: string, sizes: Sizes): Promise<Target> {
  const state = join(directory, 'state.json');
  writeFileSync(state, JSON.stringify(clusterState({ apps: 1, instances: 1 })));
  const bad = Object.entries(badPorts).map(([name, port]) => ({ host: badHost(name as BadBackend), ports: [port] }));
  const routes = [{ host, ports: backendPorts }, ...bad].map(({ host, ports }) => ({
    host,
    to: ports.map((port) => `http://127.0.0.1:${port}`),
  }));
  const daemon = await startDaemon(
    JSON.stringify({
      cluster: [{ file: { path: state } }],
      router: {
        http: ['127.0.0.1:0'],
        https: [],
        routes,
        limits: { requestsPerConnection: 0, connections: sizes.idle * 2 },
      },
      admin: { listen: '127.0.0.1:0' },
      workers: 1,
    }),
    { patienceMs: 60_000 },
  );
  const pid = daemon.child.pid ?? 0;
  pinToServerCore(pid);
  return { server: 'isthmus', pid, port: daemon.port('router.http'), stop: () => daemon.stop() };
}
