// Coalescing: the first call runs in this turn, what follows is gathered from the first call on and never put off.

import t from 'tap';
import { coalesce } from '../../src/runtime/index.ts';
import { turns } from './loopback.ts';
import { manualClock } from './manual-clock.ts';

t.test('calls of one turn are one run, at once', async (t) => {
  const clock = manualClock();
  let runs = 0;
  const coalesced = coalesce(clock, 2, () => runs++);
  for (let i = 0; i < 5; i++) coalesced.request();
  t.equal(runs, 0, 'not inside of the call');
  await turns(1);
  t.equal(runs, 1);
  t.equal(clock.pending, 0);
});

t.test('a steady stream waits for its gathering time and no longer', async (t) => {
  const clock = manualClock();
  let runs = 0;
  const coalesced = coalesce(clock, 2, () => runs++);
  coalesced.request();
  await turns(1);
  clock.advance(1);
  coalesced.request();
  clock.advance(1);
  coalesced.request();
  t.equal(runs, 1);
  clock.advance(1);
  t.equal(runs, 2, 'two after the first request, though another came in between');
  clock.advance(2);
  coalesced.request();
  await turns(1);
  t.equal(runs, 3, 'after a pause at once again');
});

t.test('an action that takes longer than the gathering is followed by a pause as long', async (t) => {
  const clock = manualClock();
  let runs = 0;
  const coalesced = coalesce(clock, 2, () => {
    runs++;
    clock.advance(20);
  });
  coalesced.request();
  await turns(1);
  coalesced.request();
  clock.advance(19);
  t.equal(runs, 1);
  clock.advance(1);
  t.equal(runs, 2);
});

t.test('nothing runs after cancel', async (t) => {
  const clock = manualClock();
  let runs = 0;
  const coalesced = coalesce(clock, 2, () => runs++);
  coalesced.request();
  coalesced.cancel();
  coalesced.request();
  await turns(2);
  clock.advance(10);
  t.equal(runs, 0);
});
