// Gathers bursts: the first call runs the action in this turn's setImmediate, calls within `gatherMs` of a run wait for one common run.
// The wait starts with the first call and is never re-armed, so a steady stream cannot starve the action (p99 in node26.md §D); and an
// action that took longer is waited for as long as it took, so that it cannot starve what it is asked by.

import type { Clock, Timer } from './clock.ts';

export interface Coalesced {
  /** Asks for a run; the action runs once for all calls until it starts. */
  request(): void;
  /** No run starts after this. */
  cancel(): void;
}

/** After an action that took very long. */
const mostWaitMs = 100;

export function coalesce(clock: Clock, gatherMs: number, action: () => void): Coalesced {
  let lastEnd = -Infinity;
  let waitMs = gatherMs;
  let pending: { cancel(): void } | null = null;
  let cancelled = false;
  const run = (): void => {
    pending = null;
    const startedAt = clock.monotonic();
    if (!cancelled) action();
    lastEnd = clock.monotonic();
    waitMs = Math.max(gatherMs, Math.min(lastEnd - startedAt, mostWaitMs));
  };
  return {
    request() {
      if (pending !== null || cancelled) return;
      pending = clock.monotonic() - lastEnd < waitMs ? clock.after(waitMs, run) : immediately(run);
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
