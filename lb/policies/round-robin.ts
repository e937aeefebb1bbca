// Round robin: one backend after the other, by weight. Goes on where the picker before stopped, so that a change does not favour the first.

import type { Random } from '../../src/runtime/index.ts';
import type { Candidate, Chooser } from './candidate.ts';
import { slotsOf } from './slots.ts';

const positions = new WeakMap<Chooser, () => number>();

/** `random` chooses the first start: workers that all began with the first backend would move in step. */
export function roundRobin(candidates: readonly Candidate[], former: Chooser | null, random: Random): Chooser {
  const slots = slotsOf(candidates);
  const carried = former === null ? undefined : positions.get(former)?.();
  let position = slots.length === 0 ? 0 : (carried ?? Math.floor(random() * slots.length)) % slots.length;
  const chooser: Chooser = {
    choose(_, tried) {
      for (let i = 0; i < slots.length; i++) {
        const { backend } = slots[position] as Candidate;
        if (++position >= slots.length) position = 0;
        if (tried === null || !tried.has(backend.key)) return backend;
      }
      return null;
    },
  };
  positions.set(chooser, () => position);
  return chooser;
}
