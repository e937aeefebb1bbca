// One storm: load on every function, troubles by plan, and the reckoning at its end.

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { faultOf, type Excuse, type Fault } from './blame.ts';
import { patient } from './patience.ts';
import { planStorm } from './plan.ts';
import { holdingsOf, type Holdings } from './processes.ts';
import { makeScene } from './scene.ts';
import type { Counts, FromLoad, Loss, Targets, ToLoad } from './targets.ts';
import { runTools, type ToolRun } from './tools.ts';
import { TroubleMaker } from './trouble-maker.ts';

export interface Judged extends Loss {
  readonly fault: Fault;
}

export interface StormReport {
  readonly seconds: number;
  readonly counts: Readonly<Record<string, Counts>>;
  readonly tools: readonly ToolRun[];
  readonly losses: readonly Judged[];
  readonly excuses: readonly Excuse[];
  readonly done: readonly { readonly at: number; readonly what: string }[];
  readonly startedAt: number;
  /** Before the first trouble under load, and after the last connection closed. */
  readonly before: Holdings;
  readonly after: Holdings;
  readonly warnings: Readonly<Record<string, number>>;
}

export interface StormOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly workers: number;
  /** Part of the usual load. */
  readonly rate: number;
  /** What happens, for whoever watches. */
  say(line: string): void;
}

const wait = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

export async function runStorm({ seconds, seed, workers, rate, say }: StormOptions): Promise<StormReport> {
  const scene = await makeScene(workers);
  const root = scene.daemon.child.pid ?? 0;
  try {
    const load = startLoad(scene.targets, rate);
    const maker = new TroubleMaker(scene, () => load.open());
    const unwatch = maker.watchTasks();
    const startedAt = Date.now();
    let isOver = false;
    const tools = runTools(scene.targets, () => isOver || Date.now() > startedAt + seconds * 1000 - 8_000);
    let before = holdingsOf(root);
    for (const planned of planStorm(seconds, seed)) {
      await wait(Math.max(0, startedAt + planned.atMs - Date.now()));
      if (maker.done.length === 0) before = holdingsOf(root);
      const what = await maker.make(planned);
      if (what !== '') say(`${clockOf(Date.now() - startedAt)}  ${what.padEnd(52)} lost so far ${load.losses.length}`);
    }
    await wait(Math.max(0, startedAt + seconds * 1000 - Date.now()));
    isOver = true;
    say('the last troubles come to their end');
    await maker.settle();
    say('the last requests are answered');
    const ran = await tools;
    const counts = await load.end();
    unwatch();
    say('former processes end');
    const after = await atRest(root, before.processes);
    const losses = [...load.losses, ...ran.flatMap((tool) => tool.losses)];
    return {
      seconds,
      counts,
      tools: ran,
      losses: losses.map((loss) => ({ ...loss, fault: faultOf(loss, maker.excuses) })),
      ...{ excuses: maker.excuses, done: maker.done, startedAt, before, after },
      warnings: warningsOf(scene.daemon.log),
    };
  } finally {
    await scene.close();
  }
}

interface Load {
  readonly losses: readonly Loss[];
  open(): number;
  end(): Promise<Readonly<Record<string, Counts>>>;
}

function startLoad(targets: Targets, rate: number): Load {
  const child = fork(fileURLToPath(new URL('load.ts', import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const losses: Loss[] = [];
  let open = 0;
  let last: Readonly<Record<string, Counts>> = {};
  child.on('message', (message: FromLoad) => {
    if (message.type === 'loss') losses.push(message.loss);
    else [last, open] = [message.counts, message.open];
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const tell = (message: ToLoad): void => void child.send(message);
  tell({ type: 'begin', targets, rate });
  return {
    losses,
    open: () => open,
    async end() {
      tell({ type: 'end' });
      const late = setTimeout(() => child.kill('SIGKILL'), patient(60_000));
      await exited;
      clearTimeout(late);
      return last;
    },
  };
}

/** What the daemon holds once former workers have ended: with nobody connected they have no reason to stay. */
async function atRest(root: number, processes: number): Promise<Holdings> {
  let last = holdingsOf(root);
  const latest = Date.now() + patient(40_000);
  for (let quiet = 0; (quiet < 6 || last.processes > processes) && Date.now() < latest;) {
    await wait(500);
    const now = holdingsOf(root);
    quiet = now.processes === last.processes && now.descriptors === last.descriptors ? quiet + 1 : 0;
    last = now;
  }
  return last;
}

function warningsOf(log: readonly Readonly<Record<string, unknown>>[]): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const { level, msg } of log) {
    if (level !== 'warn' && level !== 'error' && level !== 'fatal') continue;
    const key = `${level}: ${String(msg)}`;
    found[key] = (found[key] ?? 0) + 1;
  }
  return found;
}

export function clockOf(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
}
