// Sixteen histories of a cluster with faults, every second one with a Marathon; `npm run fuzz -- cluster` runs as many as one likes,
// and prints a seed that fails.

import t from 'tap';
import type { ClusterEvent } from '../../src/cluster/index.ts';
import { run } from '../fuzz/cluster.ts';
import type { Spoil } from './follower.ts';
import { simulate, SimulationFailure } from './simulate.ts';

t.setTimeout(120_000);

for (let seed = 1; seed <= 16; seed++) {
  t.test(`seed ${seed}: no live task vanishes, and after quiet all is as the masters say`, async (t) => {
    const { tasks, looks } = await simulate(seed);
    t.ok(tasks > 0, 'something runs at the end');
    t.ok(looks > 100, 'and was looked at');
  });
}

t.test('a seed gives the same history each time', async (t) => {
  t.same(await simulate(5), await simulate(5));
});

/** Forgets that tasks came back or went away, each third time, as a broken merge might. */
function forgetful(): Spoil {
  let told = 0;
  const isKept = (event: ClusterEvent): boolean => event.type !== 'task' || ++told % 3 > 0;
  return (events) => events.filter(isKept);
}

t.test('a follower that misses events is noticed, at the same step with the same words each time', async (t) => {
  const failureOf = (): Promise<unknown> =>
    simulate(3, undefined, { spoil: forgetful() }).catch((error: unknown) => error);
  const [first, second] = [await failureOf(), await failureOf()];
  if (!(first instanceof SimulationFailure) || !(second instanceof SimulationFailure))
    throw new Error('it was not noticed');
  t.equal(second.message, first.message);
  t.equal(second.step, first.step);
  t.same(second.history, first.history);
});

t.test('a seed that fails is printed with what differs, what came before, and how it replays', async (t) => {
  const { restore } = t.intercept(process.stdout, 'write', { value: (text: string) => printed.push(text) > 0 });
  const printed: string[] = [];
  // The spoiler of each history begins anew with it, as the history does.
  let spoil = forgetful();
  let last = Number.NaN;
  const onStep = (step: number): void => {
    if (step <= last) spoil = forgetful();
    last = step;
  };
  const code = await run(['--count', '2', '--seed', '3', '--steps', '12'], {
    spoil: (events) => spoil(events),
    onStep,
  });
  restore();
  const text = printed.join('');
  t.equal(code, 1);
  t.match(text, /^FAIL cluster: seed [34]: .*(not in the snapshot|is not in|differs|are shown)/);
  t.match(text, /\n {5}before: 0 \w+/);
  t.match(text, /\n {5}alone: npm run fuzz -- cluster --count 1 --seed [34] --steps \d+\n/);
});
