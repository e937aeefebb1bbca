// What may happen in a simulation, and which of it does.

import type { Random } from '../../src/runtime/index.ts';

export interface Act {
  readonly name: string;
  /** How often, beside the others. */
  readonly weight: number;
  run(): Promise<void> | void;
}

const nothing: Act = { name: 'nothing', weight: 1, run: () => undefined };

export function pickAct(acts: readonly Act[], random: Random): Act {
  let left = random() * acts.reduce((sum, { weight }) => sum + weight, 0);
  return acts.find(({ weight }) => (left -= weight) < 0) ?? acts[0] ?? nothing;
}
