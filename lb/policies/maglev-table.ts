// Maglev's table (Eisenbud et al., NSDI 2016, §3.4): slots dealt out so that equal hashes meet the same backend, and a change of the set
// moves little more than the share of what changed. Made of keys and weights alone: the same in every worker, on every edge, in every plane.

import { hashOfText, mix } from './mix.ts';
import type { Weighted } from './candidate.ts';

/** Primes. A set's size decides, and it crosses a border seldom: another table size moves every client. */
const sizes = [2039, 16381, 65521] as const;
/** Slots for each candidate, at least; then no share is off by more than a few parts in a hundred. */
const slotsEach = 16;

export function maglevSize(candidates: number): number {
  return sizes.find((size) => size >= candidates * slotsEach) ?? sizes[sizes.length - 1] ?? 0;
}

/** For each of `size` slots (a prime, more than there are candidates) the index of its candidate. Empty without candidates. */
export function maglevTable(candidates: readonly Weighted[], size: number): Uint16Array {
  if (candidates.length === 0) return new Uint16Array(0);
  const walks = candidates.map(({ backend, weight }) => walkOf(backend.key, weight, size));
  const heaviest = walks.reduce((most, { weight }) => Math.max(most, weight), 0);
  const table = new Uint16Array(size);
  const taken = new Uint8Array(size);
  for (let filled = 0; ;) {
    for (const [index, walk] of walks.entries()) {
      walk.owed += walk.weight / heaviest;
      if (walk.owed < 1) continue;
      walk.owed -= 1;
      while (taken[walk.at] === 1) walk.at = (walk.at + walk.skip) % size;
      table[walk.at] = index;
      taken[walk.at] = 1;
      if (++filled === size) return table;
    }
  }
}

interface Walk {
  at: number;
  readonly skip: number;
  readonly weight: number;
  owed: number;
}

/** Each candidate prefers the slots in an order of its own. */
function walkOf(key: string, weight: number, size: number): Walk {
  const hash = hashOfText(key);
  return { at: mix(hash, 1) % size, skip: (mix(hash, 2) % (size - 1)) + 1, weight, owed: 0 };
}
