// Candidates: the backends of a set that may be picked, with their effective weights and tallies. Built once per set.

import type { Backend, BackendSet } from '../../src/cluster/index.ts';
import type { BackendTally } from './ledger.ts';

export interface Candidate {
  readonly backend: Backend;
  /** Above 0. */
  readonly weight: number;
  readonly tally: BackendTally;
}

/** Who chooses among candidates: what a policy is made of. */
export interface Chooser {
  /** No allocation. Null where all are among `tried`, or there is none. */
  choose(hash: number, tried: ReadonlySet<string> | null): Backend | null;
}

export type Weighted = Pick<Candidate, 'backend' | 'weight'>;

export interface Takers {
  readonly takers: readonly Weighted[];
  /** So few are in health that those that fail their checks are used as well. */
  readonly isPanic: boolean;
}

/**
 * Who takes new traffic: what is up, by weight. Where fewer than `panicRatio` (0 to 1; 0: never) of those that a check has spoken on are in
 * health, the failing ones take part too: then the checks are more likely wrong than all of them broken (specs/l7.md §7.2). What is not
 * ready yet, drained, ending or of weight 0 by its labels never does.
 */
export function takersOf(set: BackendSet, panicRatio = 0): Takers {
  const takers: Weighted[] = [];
  let failing = 0;
  for (const backend of set.backends) {
    if (backend.state === 'up' && backend.weight > 0) takers.push({ backend, weight: backend.weight });
    else if (backend.failing === true) failing++;
  }
  if (failing === 0 || takers.length / (takers.length + failing) >= panicRatio) return { takers, isPanic: false };
  for (const backend of set.backends) if (backend.failing === true) takers.push({ backend, weight: 1 });
  return { takers, isPanic: true };
}
