// Randomness comes in from outside: tests seed it, the daemon uses the system's.

/** A number in [0, 1). */
export type Random = () => number;

export const systemRandom: Random = Math.random;

/** Mulberry32: the same numbers for the same seed. For tests, simulations and demos, not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
