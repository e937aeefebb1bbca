// Prefer local: near backends take everything while enough of them are in health; below that their share falls and the rest overflows.

import type { Random } from '../../src/runtime/index.ts';
import type { Chooser } from './candidate.ts';

/** 1.4 times the share in health: all of it down to 71 % (specs/l7.md §7.2). */
const generosity = 1.4;

/** `healthy`: the share of near backends that are up, 0 to 1. */
export function preferLocal(near: Chooser, far: Chooser, healthy: number, random: Random): Chooser {
  const share = Math.min(1, healthy * generosity);
  return {
    choose(hash, tried) {
      const isNear = share === 1 || random() < share;
      return isNear
        ? (near.choose(hash, tried) ?? far.choose(hash, tried))
        : (far.choose(hash, tried) ?? near.choose(hash, tried));
    },
  };
}
