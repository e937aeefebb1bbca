// The system's clock and sleeping on any clock.

import t from 'tap';
import { sleep, systemClock } from '../../src/runtime/index.ts';
import { manualClock } from './manual-clock.ts';
import { turns } from './loopback.ts';

t.test('sleep ends with its time, and leaves nothing behind', async (t) => {
  const clock = manualClock();
  let isAwake = false;
  const slept = sleep(clock, 100, new AbortController().signal).then(() => (isAwake = true));
  clock.advance(99);
  await turns(2);
  t.equal(isAwake, false);
  clock.advance(1);
  await slept;
  t.equal(clock.pending, 0);
});

t.test('sleep ends when its signal aborts, also beforehand', async (t) => {
  const clock = manualClock();
  const abort = new AbortController();
  const slept = sleep(clock, 100, abort.signal);
  abort.abort();
  await slept;
  await sleep(clock, 100, abort.signal);
  t.equal(clock.pending, 0);
});

t.test('a timer of the system’s clock fires once, or never when cancelled', async (t) => {
  const fired: string[] = [];
  const keepsAlive = setInterval(() => undefined, 1000);
  await new Promise<void>((resolve) => {
    systemClock.after(1, () => fired.push('cancelled')).cancel();
    systemClock.after(1, () => fired.push('kept'));
    systemClock.after(5, resolve);
  });
  clearInterval(keepsAlive);
  t.strictSame(fired, ['kept']);
  t.ok(systemClock.monotonic() <= systemClock.monotonic());
});
