// Gathers bursts: the first call runs the action in this turn's setImmediate, calls within `gatherMs` of a run wait for one common run.
// The wait starts with the first call and is never re-armed, so a steady stream cannot starve the action (p99 in node26.md §D).

import type { Clock, Timer } from './clock.ts';

export interface Coalesced {
  /** Asks for a run; the action runs once for all calls until it starts. */
  request(): void;
  /** No run starts after this. */
  cancel(): void;
}

export function coalesce(clock: Clock, gatherMs: number, action: () => void): Coalesced {
  let lastRun = -Infinity;
  let pending: { cancel(): void } | null = null;
  let cancelled = false;
  const run = (): void => {
    pending = null;
    lastRun = clock.monotonic();
    if (!cancelled) action();
  };
  return {
    request() {
      if (pending !== null || cancelled) return;
      pending = clock.monotonic() - lastRun < gatherMs ? clock.after(gatherMs, run) : immediately(run);
    },
    cancel() {
      cancelled = true;
      pending?.cancel();
      pending = null;
    },
  };
}

function immediately(action: () => void): Timer {
  const immediate = setImmediate(action);
  return { cancel: () => clearImmediate(immediate) };
}
