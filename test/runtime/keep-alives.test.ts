// Keepalive is set on sockets that live on, and on no others.

import type { Socket } from 'node:net';
import t from 'tap';
import { createKeepAlives } from '../../src/runtime/keep-alives.ts';
import { manualClock } from './manual-clock.ts';

t.test('who lives on is asked after fifteen seconds of silence, who is gone costs nothing', (t) => {
  const clock = manualClock();
  const keepAlives = createKeepAlives(clock);
  const asked: string[] = [];
  const socketOf = (name: string): Socket =>
    ({ setKeepAlive: (isOn: boolean, ms: number) => asked.push(`${name} ${isOn} ${ms}`) }) as unknown as Socket;
  const [short, long, late] = [socketOf('short'), socketOf('long'), socketOf('late')];
  keepAlives.enter(short);
  keepAlives.enter(long);
  clock.advance(4_000);
  keepAlives.leave(short);
  clock.advance(1_000);
  keepAlives.enter(late);
  t.same(asked, [], 'not within its first seconds');
  clock.advance(5_000);
  t.same(asked, ['long true 15000']);
  clock.advance(5_000);
  t.same(asked, ['long true 15000', 'late true 15000'], 'each once');
  t.equal(clock.pending, 0, 'nothing left to look at');
  keepAlives.enter(short);
  keepAlives.leave(short);
  t.equal(clock.pending, 0);
  keepAlives.enter(short);
  clock.advance(10_000);
  t.equal(asked.length, 3);
  t.end();
});
