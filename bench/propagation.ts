// From the byte of an event on the master's socket to the changed answer of DNS, VIP and route, in clusters of several sizes; the cold
// start, the memory of each process, how long a worker stood still, and what one event costs.

import { parseArgs } from 'node:util';
import { sleep, startCluster, type MeasuredCluster } from './propagation-cluster.ts';
import { propagationReport, type Burst, type Measured } from './propagation-report.ts';

const sizes = [1_000, 10_000, 50_000];
const rounds = 200;
/** Flips whose cost is measured: slow enough that each is folded alone. */
const paidFlips = 3_000;
const paidSeconds = 10;

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { tasks: { type: 'string', multiple: true }, burst: { type: 'boolean' }, moves: { type: 'string' } },
  });
  const measured: Measured[] = [];
  const wanted = values.tasks?.map(Number) ?? sizes;
  for (const tasks of wanted) {
    const burst = values.burst === true && tasks === wanted.at(-1);
    measured.push(await measure(tasks, Number(values.moves ?? rounds), burst));
  }
  return propagationReport('propagation', measured);
}

async function measure(tasks: number, moves: number, withBurst: boolean): Promise<Measured> {
  const cluster = await startCluster(tasks);
  try {
    const { coldStart } = cluster;
    await sleep(2_000);
    const latencies = await cluster.moves(moves);
    const cost = await cluster.costOf(paidFlips, paidSeconds);
    // After the start's garbage: what a daemon has for the rest of its days.
    const memory = cluster.memory();
    const burst: Burst | null = withBurst ? await cluster.burst(10_000, 30) : null;
    return { tasks, coldStart, memory, latencies, cost, burst, restart: await restart(cluster) };
  } finally {
    await cluster.stop();
  }
}

/** The daemon again, with the snapshot that it saved and a master that never answers: how soon DNS does. */
const restart = (cluster: MeasuredCluster): Promise<number> => cluster.restartWithoutMaster();
