// Slices: long work gives the loop a turn at least every 2 ms, counted across chunks: a `for await` over buffered chunks never leaves the
// microtask queue by itself (node26.md §B7). Work in steps is the same for what must be done at once where it is short.

import type { Clock } from '../runtime/index.ts';

const sliceMs = 2;

export interface Slices {
  /** Whether this slice has lasted its time. Cheap enough to ask per element. */
  late(): boolean;
  /** Lets the loop turn if the slice is over. */
  breathe(): Promise<void>;
}

export function createSlices(clock: Clock): Slices {
  let startedAt = clock.monotonic();
  const late = (): boolean => clock.monotonic() - startedAt >= sliceMs;
  return {
    late,
    async breathe() {
      if (!late()) return;
      await new Promise<void>((resolve) => setImmediate(resolve));
      startedAt = clock.monotonic();
    },
  };
}

/** Work that may be interrupted where it yields. */
export type Steps = Generator<void, void, void>;

/** Records to be looked at between two yields. */
export const recordsPerStep = 64;

export interface StepQueue {
  /** Does the work after what came before it: before it returns where all of it fits into a slice, else over several turns. */
  add(work: () => Steps): void;
  /** Resolves when nothing is left. */
  idle(): Promise<void>;
}

/** `onBug`: work threw; what waits behind it is dropped. */
export function createStepQueue(clock: Clock, onBug: (error: unknown) => void): StepQueue {
  const waiting: (() => Steps)[] = [];
  let current: Steps | null = null;
  let isBusy = false;
  let waiters: (() => void)[] = [];
  const turn = (): void => {
    const slices = createSlices(clock);
    try {
      for (;;) {
        current ??= waiting.shift()?.() ?? null;
        if (current === null) break;
        if (current.next().done === true) current = null;
        else if (slices.late()) return void setImmediate(turn);
      }
    } catch (error) {
      current = null;
      waiting.length = 0;
      onBug(error);
    }
    isBusy = false;
    const woken = waiters;
    waiters = [];
    for (const wake of woken) wake();
  };
  return {
    add(work) {
      waiting.push(work);
      if (isBusy) return;
      isBusy = true;
      turn();
    },
    idle: () => (isBusy ? new Promise<void>((resolve) => waiters.push(resolve)) : Promise.resolve()),
  };
}
