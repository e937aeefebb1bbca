// First: the first by address, the next only where it fails: one backend works and the others stand by.

import type { Candidate, Chooser } from './candidate.ts';
import { untriedFrom } from './untried.ts';

export const firstInOrder = (candidates: readonly Candidate[]): Chooser => ({
  choose: (_, tried) => untriedFrom(candidates, 0, tried),
});
