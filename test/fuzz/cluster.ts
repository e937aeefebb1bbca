// Simulation of the cluster: each seed is a history with faults in virtual time, held against what the master's state gives. A seed that
// fails is printed with what had happened, cut to the fewest steps that fail, and replays alone.

import { spawn } from 'node:child_process';
import { simulate, SimulationFailure, type Simulated, type SimulationTools } from '../simulation/simulate.ts';
import { largeSize, smallSize, type SimulationSize } from '../simulation/simulation-size.ts';
import { runFuzz } from './fuzz-run.ts';

const defaultCount = 1000;
const defaultLargeSteps = 30;
const sizeOptions = ['--agents', '--tasks', '--steps'] as const;
type Sizes = Partial<Record<(typeof sizeOptions)[number], number>>;

/** Two pictures of 100,000 tasks, the texts of all of them and three sets of views are more than V8 takes by itself. */
const heapFlag = '--max-old-space-size=12288';
const largeTasks = 20_000;
const tellEveryMs = 2000;

/**
 * `--count` seeds from `--seed` on. `--steps N`: histories of that length. `--agents N --tasks N`: clusters of that size from the
 * start. `tools`: for tests.
 */
export async function run(args: readonly string[], tools: SimulationTools = {}): Promise<number> {
  const { sizes, others } = parted(args);
  const size = sizeOf(sizes);
  if ((sizes['--tasks'] ?? 0) > largeTasks && !process.execArgv.includes(heapFlag)) return again(args);
  const given = Object.entries(sizes);
  const textOf = (some: typeof given): string => some.map(([option, value]) => ` ${option} ${value}`).join('');
  const options = textOf(given.filter(([option]) => option !== '--steps'));
  const work: Parameters<typeof runFuzz>[3] = async ({ count, seed }, progress) => {
    const sums = new Map<string, number>();
    for (let n = 0; n < count; n++) {
      const telling = { ...(size.churn > 0 ? { onStep: teller(size.steps) } : {}), ...tools };
      const one = await simulate(seed + n, size, telling).catch(async (failure: unknown) => {
        throw new Error(await toldFailure(seed + n, size, options, failure, tools));
      });
      add(sums, one);
      progress('seeds', n + 1);
    }
    process.stdout.write(tableOf(count, sums));
  };
  return runFuzz('cluster', others, defaultCount, work, textOf(given));
}

function parted(args: readonly string[]): { readonly sizes: Sizes; readonly others: readonly string[] } {
  const sizes: Sizes = {};
  const isSize = (text: string | undefined): text is keyof Sizes => sizeOptions.some((option) => option === text);
  const others = args.filter((arg, i) => {
    if (isSize(arg)) sizes[arg] = Number(args[i + 1]);
    return !isSize(arg) && !isSize(args[i - 1]);
  });
  return { sizes, others };
}

function sizeOf({ '--agents': agents, '--tasks': tasks, '--steps': steps }: Sizes): SimulationSize {
  if (agents === undefined && tasks === undefined) return { ...smallSize, steps: steps ?? smallSize.steps };
  return largeSize(agents ?? Math.ceil((tasks ?? 0) / 10), tasks ?? 10 * (agents ?? 0), steps ?? defaultLargeSteps);
}

/** The same in a process that may use more memory. */
function again(args: readonly string[]): Promise<number> {
  const main = new URL('main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [...process.execArgv, heapFlag, main, 'cluster', ...args], {
    stdio: 'inherit',
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

function teller(steps: number): NonNullable<SimulationTools['onStep']> {
  const startedAt = Date.now();
  let toldAt = 0;
  return (step, did, tasks) => {
    if (Date.now() - toldAt < tellEveryMs && step + 1 < steps) return;
    toldAt = Date.now();
    const seconds = Math.round((toldAt - startedAt) / 1000);
    const memory = Math.round(process.memoryUsage.rss() / 1e6);
    process.stderr.write(
      `cluster: step ${step + 1} of ${steps} (${did}), ${tasks} tasks, ${seconds} s, ${memory} MB\n`,
    );
  };
}

/** What failed, with the command that repeats it. A small history is tried with ever more steps first: the shortest is told. */
async function toldFailure(
  seed: number,
  size: SimulationSize,
  options: string,
  failure: unknown,
  tools: SimulationTools,
): Promise<string> {
  if (!(failure instanceof SimulationFailure)) throw failure;
  const { steps, shortest } = await shortened(seed, size, failure, tools);
  const before = shortest.history.slice(-10).join(', ');
  const alone = `npm run fuzz -- cluster --count 1 --seed ${seed}${options} --steps ${steps}`;
  const longer = steps === size.steps ? '' : `\n     with ${size.steps} steps: ${failure.message}`;
  return `seed ${seed}: ${shortest.message}\n     before: ${before}${longer}\n     alone: ${alone}`;
}

async function shortened(
  seed: number,
  size: SimulationSize,
  failure: SimulationFailure,
  tools: SimulationTools,
): Promise<{ readonly steps: number; readonly shortest: SimulationFailure }> {
  // Shorter ones are the same history, with quiet earlier.
  for (let steps = 1; size.churn === 0 && steps < size.steps; steps++) {
    try {
      await simulate(seed, { ...size, steps }, tools);
    } catch (shortest) {
      if (shortest instanceof SimulationFailure) return { steps, shortest };
      throw shortest;
    }
  }
  return { steps: size.steps, shortest: failure };
}

function add(sums: Map<string, number>, one: Simulated): void {
  for (const [name, value] of Object.entries(one)) sums.set(name, (sums.get(name) ?? 0) + Number(value));
}

const titles: Readonly<Record<keyof Simulated, string>> = {
  tasks: 'tasks at the end',
  agents: 'agents at the end',
  marathons: 'seeds with a Marathon',
  failovers: 'failovers of masters',
  restarts: 'restarts of the daemon',
  events: 'events told by masters',
  subscriptions: 'streams begun',
  readings: 'readings of masters',
  marathonReadings: 'readings of Marathon',
  looks: 'looks at a task that must be shown',
  virtualMinutes: 'minutes of virtual time',
};

function tableOf(count: number, sums: ReadonlyMap<string, number>): string {
  const rows = Object.entries(titles).map(
    ([key, title]) => [title, (sums.get(key) ?? 0).toLocaleString('en')] as const,
  );
  rows.unshift(['seeds', count.toLocaleString('en')]);
  rows.push(['peak of memory, MB', Math.round(process.resourceUsage().maxRSS / 1024).toLocaleString('en')]);
  return rows.map(([title, value]) => `     ${title.padEnd(36)}${value.padStart(14)}\n`).join('');
}
