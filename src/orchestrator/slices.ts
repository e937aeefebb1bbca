// Slices: long work gives the loop a turn at least every 2 ms, counted across chunks: a `for await` over buffered chunks never leaves the
// microtask queue by itself (node26.md §B7).

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
