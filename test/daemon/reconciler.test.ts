// The reconciler: one call at a time, changes joined meanwhile, and everything written again after a failure.

import t from 'tap';
import { createReconciler } from '../../src/daemon/reconciler.ts';
import type { AnyChange } from '../../src/daemon/tables.ts';
import type { Plane } from '../../src/ports/index.ts';
import { silentLogger } from '../../src/runtime/index.ts';
import { manualClock } from '../runtime/manual-clock.ts';

const set = (...keys: readonly string[]): AnyChange => ({ set: keys.map((key) => [key, key] as const), removed: [] });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function scene(): {
  readonly calls: string[];
  readonly clock: ReturnType<typeof manualClock>;
  readonly reconciler: ReturnType<typeof createReconciler>;
  readonly problems: (string | null)[];
  end(error?: Error): Promise<void>;
} {
  const calls: string[] = [];
  const problems: (string | null)[] = [];
  let finish: (error?: Error) => void = () => undefined;
  const call = (text: string): Promise<void> => {
    calls.push(text);
    return new Promise((resolve, reject) => (finish = (error) => (error === undefined ? resolve() : reject(error))));
  };
  const plane: Plane<unknown> = {
    name: 'zone',
    replace: (table) => call(`replace ${[...table.keys()].join(',')}`),
    apply: (change) => call(`apply ${change.set.map(([key]) => key).join(',')}`),
  };
  const clock = manualClock();
  const table = new Map([['a', 'a']]);
  const onProblem = (): void => void problems.push(reconciler.problem());
  const reconciler = createReconciler({ plane, table, clock, random: () => 0.5, log: silentLogger, onProblem });
  const end = async (error?: Error): Promise<void> => {
    finish(error);
    await turn();
  };
  return { calls, clock, reconciler, problems, end };
}

t.test('one call at a time; what comes meanwhile is one call', async (t) => {
  const { calls, reconciler, end } = scene();
  void reconciler.replace();
  void reconciler.apply(set('b'));
  const done = reconciler.apply(set('c'));
  await turn();
  t.same(calls, ['replace a']);
  await end();
  t.same(calls, ['replace a', 'apply b,c']);
  await end();
  await done;
  t.equal(reconciler.problem(), null);
});

t.test('after a failure changes wait, and all is written again', async (t) => {
  const { calls, clock, reconciler, problems, end } = scene();
  const failed = reconciler.apply(set('b'));
  await end(new Error('no'));
  await failed;
  t.equal(reconciler.problem(), 'no');
  await reconciler.apply(set('c'));
  t.same(calls, ['apply b'], 'no increment on an unknown state');
  clock.advance(11_000);
  t.same(calls, ['apply b', 'replace a']);
  await end();
  t.equal(reconciler.problem(), null);
  t.same(problems, [null], 'told that it serves again');
  reconciler.stop();
});
