// Those that look every so often share a timer, and leave none behind.

import t from 'tap';
import { createRounds } from '../../src/runtime/rounds.ts';
import { manualClock } from './manual-clock.ts';

t.test('one timer for all of a period, each looked at within one', (t) => {
  const clock = manualClock();
  const rounds = createRounds(clock);
  const seen: string[] = [];
  const first = rounds.join(1_000, () => seen.push('first'));
  clock.advance(900);
  const late = rounds.join(1_000, () => seen.push('late'));
  t.equal(clock.pending, 1);
  clock.advance(100);
  t.same(seen, ['first', 'late']);
  first.cancel();
  first.cancel();
  clock.advance(1_000);
  t.same(seen, ['first', 'late', 'late'], 'again and again');
  const other = rounds.join(10, () => late.cancel());
  t.equal(clock.pending, 2, 'another period has a timer of its own');
  clock.advance(10);
  t.equal(clock.pending, 1, 'who leaves last takes the timer along');
  other.cancel();
  t.equal(clock.pending, 0);
  clock.advance(5_000);
  t.equal(seen.length, 3);
  t.end();
});

t.test('one that leaves in its look is not looked at again', (t) => {
  const clock = manualClock();
  const rounds = createRounds(clock);
  let looks = 0;
  const only = rounds.join(10, () => {
    looks++;
    only.cancel();
  });
  clock.advance(100);
  t.equal(looks, 1);
  t.equal(clock.pending, 0);
  const again = rounds.join(10, () => looks++);
  clock.advance(10);
  t.equal(looks, 2, 'who comes later starts anew');
  again.cancel();
  t.equal(clock.pending, 0);
  t.end();
});
