// Simulation of the cluster: each seed is a history with faults in virtual time, held against what the master's state gives. A seed that
// fails is printed and replays alone.

import { largeSize, simulate, type SimulationSize } from '../simulation/simulate.ts';
import { runFuzz } from './fuzz-run.ts';

const defaultCount = 1000;
const sizeOptions = ['--agents', '--tasks', '--steps'] as const;

/** `--count` seeds from `--seed` on; `--agents N --tasks N --steps N`: clusters of that size from the start. */
export function run(args: readonly string[]): Promise<number> {
  const sizes: Partial<Record<string, number>> = {};
  const others = args.filter((arg, i) => {
    if (sizeOptions.some((option) => option === arg)) sizes[arg] = Number(args[i + 1]);
    return ![arg, args[i - 1]].some((one) => sizeOptions.some((option) => option === one));
  });
  const size = sizeOf(sizes);
  const sized = Object.entries(sizes).map(([option, value]) => ` ${option} ${value}`);
  return runFuzz('cluster', others, defaultCount, async ({ count, seed }, progress) => {
    const sums = { tasks: 0, restarts: 0, failovers: 0 };
    for (let n = 0; n < count; n++) {
      const one = await simulate(seed + n, size).catch((error: unknown) => {
        const what = error instanceof Error ? error.message : String(error);
        const alone = `npm run fuzz -- cluster --count 1 --seed ${seed + n}${sized.join('')}`;
        throw new Error(`seed ${seed + n}: ${what}\n     alone: ${alone}`);
      });
      for (const key of ['tasks', 'restarts', 'failovers'] as const) sums[key] += one[key];
      progress('seeds', n + 1);
    }
    process.stdout.write(
      `     cluster: ${sums.failovers} failovers, ${sums.restarts} restarts, ${sums.tasks} tasks at the end\n`,
    );
  });
}

function sizeOf(sizes: Partial<Record<string, number>>): SimulationSize | undefined {
  const { '--agents': agents, '--tasks': tasks, '--steps': steps = 60 } = sizes;
  if (agents === undefined && tasks === undefined) return undefined;
  return largeSize(agents ?? Math.ceil((tasks ?? 0) / 10), tasks ?? 10 * (agents ?? 0), steps);
}
