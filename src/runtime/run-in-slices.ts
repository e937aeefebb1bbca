// Long synchronous work in slices: a generator's steps run until the slice is over, then the loop has its turn.

import type { Timer } from './clock.ts';

/**
 * Runs `steps` to their end, `sliceMs` of each turn, the first slice at once; then `onDone`, which for short work is before this returns.
 * A step that throws ends it there: what it throws is the caller's of that turn. `cancel` on the result ends it between two slices.
 */
export function runInSlices(steps: Iterator<unknown>, sliceMs: number, onDone: () => void): Timer {
  let turn: NodeJS.Immediate | null = null;
  const slice = (): void => {
    turn = null;
    const startedAt = performance.now();
    while (steps.next().done !== true) {
      if (performance.now() - startedAt < sliceMs) continue;
      turn = setImmediate(slice);
      return;
    }
    onDone();
  };
  slice();
  return {
    cancel() {
      if (turn !== null) clearImmediate(turn);
    },
  };
}

/** The same for who waits: rejects with what a step throws. */
export async function walkInSlices(steps: Iterable<unknown>, sliceMs: number): Promise<void> {
  let startedAt = performance.now();
  for (const _ of steps) {
    if (performance.now() - startedAt < sliceMs) continue;
    await new Promise((resolve) => setImmediate(resolve));
    startedAt = performance.now();
  }
}

/** All in order, `size` at a time; the last part may be shorter, or empty. */
export function* inParts<T>(all: Iterable<T>, size: number): Generator<readonly T[]> {
  let part: T[] = [];
  for (const one of all) {
    if (part.push(one) < size) continue;
    yield part;
    part = [];
  }
  yield part;
}
