// A stream is idle when nothing came for too long, and not when its own process had no time to read what came.

import t from 'tap';
import { watchIdle } from '../../src/orchestrator/idle.ts';
import type { Clock } from '../../src/runtime/index.ts';

/** Timers that are run by hand, as late as one likes. */
function handClock(): { readonly clock: Clock; run(atMs: number): void } {
  let now = 0;
  let due: (() => void) | null = null;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after(_ms, callback) {
      due = callback;
      return { cancel: () => void (due = null) };
    },
  };
  return {
    clock,
    run(atMs) {
      now = atMs;
      const callback = due;
      due = null;
      callback?.();
    },
  };
}

t.test('silence in time is silence', async (t) => {
  const { clock, run } = handClock();
  let idle = 0;
  const watch = watchIdle(clock, 1000, () => idle++);
  run(500);
  watch.touch();
  run(1000);
  t.equal(idle, 0);
  run(1500);
  t.equal(idle, 1);
});

t.test('a watch that was held up looks once more', async (t) => {
  const { clock, run } = handClock();
  let idle = 0;
  const watch = watchIdle(clock, 1000, () => idle++);
  run(9000);
  t.equal(idle, 0, 'what came meanwhile has not been read');
  watch.touch();
  run(9250);
  t.equal(idle, 0, 'it was there');
  run(20_000);
  t.equal(idle, 0, 'held up again');
  run(20_250);
  t.equal(idle, 1, 'and nothing was there');
});
