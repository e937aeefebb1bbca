// Round robin: one backend after the other, by weight. Goes on where the picker before stopped, so that a change does not favour the first.

import type { Policy, Picker } from '../../src/ports/index.ts';
import type { Random } from '../../src/runtime/index.ts';
import { slotsOf } from './slots.ts';

const positions = new WeakMap<Picker, () => number>();

/** `random` chooses the first start: workers that all began with the first backend would move in step. */
export function roundRobin(random: Random): Policy {
  return (set, previous) => {
    const slots = slotsOf(set);
    const carried = previous === null ? undefined : positions.get(previous)?.();
    let position = slots.length === 0 ? 0 : (carried ?? Math.floor(random() * slots.length)) % slots.length;
    const picker: Picker = {
      set,
      pick({ tried }) {
        for (let i = 0; i < slots.length; i++) {
          const backend = slots[position];
          if (++position >= slots.length) position = 0;
          if (backend !== undefined && (tried === null || !tried.has(backend.key))) return backend;
        }
        return null;
      },
    };
    positions.set(picker, () => position);
    return picker;
  };
}
