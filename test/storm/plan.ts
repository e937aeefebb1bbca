// The troubles of a storm, drawn from its seed: what happens, and when.

import { seededRandom } from '../../src/runtime/index.ts';

const troubles = [
  'scale',
  'deploy',
  'crash a task',
  'fail the master over',
  'rotate certificates',
  'reload',
  'kill control',
  'kill a worker',
  'stop a worker',
  'upgrade',
  'let the liar change its lie',
] as const;

export type Trouble = (typeof troubles)[number];

export interface PlannedTrouble {
  /** Milliseconds from the begin. */
  readonly atMs: number;
  readonly trouble: Trouble;
  /** From 0 to 1: which of several. */
  readonly pick: number;
}

/** How often each is drawn; upgrades have their moments. */
const weights: readonly (readonly [Trouble, number])[] = [
  ['scale', 5],
  ['deploy', 3],
  ['crash a task', 3],
  ['fail the master over', 1],
  ['rotate certificates', 3],
  ['reload', 2],
  ['kill control', 1],
  ['kill a worker', 1],
  ['stop a worker', 1],
  ['let the liar change its lie', 2],
];

/** Processes get as long to come back before the next loses its own: with all of them gone nobody could serve. */
const processPauseMs = 7_000;
const ofProcesses: ReadonlySet<Trouble> = new Set([
  'reload',
  'kill control',
  'kill a worker',
  'stop a worker',
  'upgrade',
]);
const total = weights.reduce((sum, [, weight]) => sum + weight, 0);

/** Two upgrades, at a third and at two thirds, and something else every one to three seconds, with quiet at both ends. */
export function planStorm(seconds: number, seed: number): readonly PlannedTrouble[] {
  const random = seededRandom(seed);
  const endMs = seconds * 1000 - 4_000;
  const upgrades = [1 / 3, 2 / 3].map((part) => Math.round(part * seconds * 1000));
  const plan: PlannedTrouble[] = upgrades.map((atMs) => ({ atMs, trouble: 'upgrade', pick: 0 }));
  const busy = [...upgrades];
  for (let atMs = 3_000; atMs < endMs; atMs += 1_000 + Math.round(2_000 * random())) {
    const trouble = draw(random());
    const pick = random();
    if (ofProcesses.has(trouble)) {
      if (busy.some((other) => Math.abs(other - atMs) < processPauseMs)) continue;
      busy.push(atMs);
    }
    plan.push({ atMs, trouble, pick });
  }
  return plan.sort((a, b) => a.atMs - b.atMs);
}

function draw(at: number): Trouble {
  let left = at * total;
  for (const [trouble, weight] of weights) {
    left -= weight;
    if (left < 0) return trouble;
  }
  return 'scale';
}
