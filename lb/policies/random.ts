// Random: the least busy of a few that the request's hash draws, by weight. Equal hashes meet the same backend while the set and its load
// stay.

import type { Candidate, Chooser } from './candidate.ts';
import { mixedIndex } from './mix.ts';
import { slotsOf } from './slots.ts';
import { untriedFrom } from './untried.ts';

/** `draws`: 1 is blind chance; 2 halves the worst load, more gain little. Draws are bounded to 1…8. */
export function randomChooser(candidates: readonly Candidate[], draws: number): Chooser {
  const slots = slotsOf(candidates);
  const count = Math.max(1, Math.min(8, draws));
  return {
    choose(hash, tried) {
      let best: Candidate | null = null;
      for (let draw = 0; draw < count; draw++) {
        const drawn = slots[mixedIndex(hash, draw, slots.length)];
        if (drawn === undefined || tried?.has(drawn.backend.key) === true) continue;
        if (best === null || drawn.tally.inFlight < best.tally.inFlight) best = drawn;
      }
      if (best !== null || tried === null) return best?.backend ?? null;
      return untriedFrom(slots, mixedIndex(hash, count, slots.length), tried);
    },
  };
}
