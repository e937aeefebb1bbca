// Random: the request's hash chooses, by weight. Equal hashes meet the same backend while the set stays.

import type { Policy } from '../../src/ports/index.ts';
import { slotsOf } from './slots.ts';

/** Fresh draws after a tried backend; then the neighbours are walked, so that an untried one is always found. */
const draws = 4;

export function randomChoice(): Policy {
  return (set) => {
    const slots = slotsOf(set);
    return {
      set,
      pick({ hash, tried }) {
        for (let draw = 0; draw < draws; draw++) {
          const backend = slots[at(hash, draw, slots.length)];
          if (backend !== undefined && (tried === null || !tried.has(backend.key))) return backend;
          if (tried === null) return null;
        }
        const start = at(hash, draws, slots.length);
        for (let i = 0; i < slots.length; i++) {
          const backend = slots[(start + i) % slots.length];
          if (backend !== undefined && tried?.has(backend.key) !== true) return backend;
        }
        return null;
      },
    };
  };
}

/** MurmurHash3's finaliser: hashes that differ in any bit (addresses of one network) spread over all slots. */
function at(hash: number, draw: number, length: number): number {
  let mixed = (hash + Math.imul(draw, 0x9e3779b9)) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return Math.floor((((mixed ^ (mixed >>> 16)) >>> 0) / 4294967296) * length);
}
