// Two choices: of two drawn by weight, the one that promises the shorter wait: its latency as a moving average, times what is under way
// there. What is slow or fails gets less without being taken out.

import type { Candidate, Chooser } from './candidate.ts';
import { mixedIndex } from './mix.ts';
import { slotsOf } from './slots.ts';
import { untriedFrom } from './untried.ts';

export function twoChoices(candidates: readonly Candidate[]): Chooser {
  const slots = slotsOf(candidates);
  return {
    choose(hash, tried) {
      const { length } = slots;
      if (length === 0) return null;
      const first = mixedIndex(hash, 0, length);
      const one = slots[first] as Candidate;
      // Never the same slot twice: of two backends both are looked at.
      const other = length === 1 ? one : (slots[(first + 1 + mixedIndex(hash, 1, length - 1)) % length] as Candidate);
      const best = cost(other) < cost(one) ? other : one;
      if (tried === null || !tried.has(best.backend.key)) return best.backend;
      return untriedFrom(slots, first, tried);
    },
  };
}

/** A backend of which nothing is known is taken for quick: it is how one learns. */
const cost = ({ tally }: Candidate): number => (tally.latencyMs() + 0.1) * (tally.inFlight + 1);
