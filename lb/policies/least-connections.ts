// Least connections: who has the least under way for its weight; equals take turns.

import type { Random } from '../../src/runtime/index.ts';
import type { Candidate, Chooser } from './candidate.ts';
import { slotsOf } from './slots.ts';

export function leastConnections(candidates: readonly Candidate[], random: Random): Chooser {
  const turns = slotsOf(candidates);
  let turn = Math.floor(random() * turns.length);
  return {
    choose(_, tried) {
      if (turns.length === 0) return null;
      if (++turn >= turns.length) turn = 0;
      const first = turns[turn] as Candidate;
      let best = tried === null || !tried.has(first.backend.key) ? first : null;
      if (best !== null && best.tally.inFlight === 0) return best.backend;
      let least = best === null ? Infinity : load(best);
      for (const candidate of candidates) {
        const { backend } = candidate;
        if (load(candidate) >= least || tried?.has(backend.key) === true) continue;
        least = load(candidate);
        best = candidate;
      }
      return best?.backend ?? null;
    },
  };
}

const load = ({ tally, weight }: Candidate): number => tally.inFlight / weight;
