// Time for the fakes: the system's, or one that a test moves by hand.
export interface FakeClock {
  // Milliseconds since 1970.
  now(): number;
  // Calls back once after ms; the returned function cancels.
  after(ms: number, callback: () => void): () => void;
}

export interface ManualClock extends FakeClock {
  // Moves time on and runs what falls due, in order; callbacks may set further timers.
  advance(ms: number): void;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

export function systemClock(): FakeClock {
  return {
    now: () => Date.now(),
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms);
      return () => {
        clearTimeout(timer);
      };
    },
  };
}

export function manualClock(startMs = Date.parse('2024-09-03T01:00:00.000Z')): ManualClock {
  const timers = new Set<Timer>();
  let now = startMs;
  let order = 0;
  const due = (until: number): Timer | undefined =>
    [...timers].filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0];
  return {
    now: () => now,
    after(ms, callback) {
      const timer = { at: now + ms, order: order++, callback };
      timers.add(timer);
      return () => {
        timers.delete(timer);
      };
    },
    advance(ms) {
      const until = now + ms;
      for (let timer = due(until); timer !== undefined; timer = due(until)) {
        timers.delete(timer);
        now = timer.at;
        timer.callback();
      }
      now = until;
    },
  };
}
