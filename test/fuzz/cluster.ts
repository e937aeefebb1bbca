// Simulation of the cluster: each seed is a history with faults in virtual time, held against what the master's state gives. A seed that
// fails is printed and replays alone.

import { simulate } from '../simulation/simulate.ts';
import { runFuzz } from './fuzz-run.ts';

const defaultCount = 1000;

/** `--count` seeds from `--seed` on. */
export function run(args: readonly string[]): Promise<number> {
  return runFuzz('cluster', args, defaultCount, async ({ count, seed }, progress) => {
    const sums = { tasks: 0, restarts: 0, failovers: 0 };
    for (let n = 0; n < count; n++) {
      const one = await simulate(seed + n).catch((error: unknown) => {
        const what = error instanceof Error ? error.message : String(error);
        throw new Error(`seed ${seed + n}: ${what}\n     alone: npm run fuzz -- cluster --count 1 --seed ${seed + n}`);
      });
      for (const key of ['tasks', 'restarts', 'failovers'] as const) sums[key] += one[key];
      progress('seeds', n + 1);
    }
    process.stdout.write(
      `     cluster: ${sums.failovers} failovers, ${sums.restarts} restarts, ${sums.tasks} tasks at the end\n`,
    );
  });
}
