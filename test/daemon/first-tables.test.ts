// The first tables wait for the sources where others serve already, and no longer than they are worth.

import t from 'tap';
import { createFirstTables, liveWithinMs } from '../../src/daemon/first-tables.ts';
import { manualClock } from '../runtime/manual-clock.ts';

function begin(servesAlready: boolean) {
  const clock = manualClock();
  const state = { isLive: false, outs: 0 };
  const first = createFirstTables({ servesAlready, isLive: () => state.isLive, clock, onOut: () => void state.outs++ });
  return { clock, state, first };
}

t.test('at a start they go out as they are made', async (t) => {
  const { state, first } = begin(false);
  first.look();
  t.equal(state.outs, 0, 'there are none yet');
  first.made();
  t.equal(state.outs, 1);
  t.ok(first.areOut);
});

t.test('beside others that serve, saved ones wait for the sources', async (t) => {
  const { clock, state, first } = begin(true);
  first.made();
  first.look();
  t.notOk(first.areOut);
  state.isLive = true;
  first.look();
  t.ok(first.areOut);
  first.look();
  clock.advance(liveWithinMs);
  t.equal(state.outs, 1, 'once');
});

t.test('sources that do not answer are not waited for without end', async (t) => {
  const { clock, state, first } = begin(true);
  clock.advance(liveWithinMs);
  t.notOk(first.areOut, 'without any there is nothing to tell');
  first.made();
  t.equal(state.outs, 1);
});
