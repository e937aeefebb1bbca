// A clock that a test moves by hand.

import type { Clock } from '../../src/runtime/index.ts';

export interface ManualClock extends Clock {
  /** Moves time on and runs what falls due, in order; actions may set further timers. */
  advance(ms: number): void;
  /** Timers that are set. */
  readonly pending: number;
}

interface Due {
  readonly at: number;
  readonly action: () => void;
}

export function manualClock(startMs = 1_000_000): ManualClock {
  let now = startMs;
  const timers = new Set<Due>();
  const next = (until: number): Due | undefined =>
    [...timers]
      .filter((timer) => timer.at <= until)
      .reduce<Due | undefined>((first, timer) => (first && first.at <= timer.at ? first : timer), undefined);
  return {
    now: () => now,
    monotonic: () => now - startMs,
    after(ms, action) {
      const timer = { at: now + ms, action };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    advance(ms) {
      const until = now + ms;
      for (let timer = next(until); timer !== undefined; timer = next(until)) {
        timers.delete(timer);
        now = Math.max(now, timer.at);
        timer.action();
      }
      now = until;
    },
    get pending() {
      return timers.size;
    },
  };
}
