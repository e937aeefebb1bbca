// One opinion on each backend, of checks, real traffic and operators.

import t, { type Test } from 'tap';
import { createHealth, type CheckRule, type Health, type HealthOptions } from '../../../lb/health/index.ts';
import type { TryReport } from '../../../lb/index.ts';
import { taskKey, frameworkId, taskId, type Backend, type ClusterEvent } from '../../../src/cluster/index.ts';
import { createMetrics, type Logger } from '../../../src/runtime/index.ts';
import { backend } from '../../contracts/policy.ts';
import { manualClock, type ManualClock } from '../../runtime/manual-clock.ts';

interface Bench {
  readonly health: Health;
  readonly clock: ManualClock;
  /** `10.0.0.1:80 failing` for each verdict, in order. */
  readonly said: string[];
  readonly logged: string[];
  /** Addresses that were asked. */
  readonly asked: string[];
  /** What the next probes find. */
  answer: string | null | undefined;
  /** Moves time on; probes answer in between. */
  pass(ms: number): Promise<void>;
  metric(name: string): readonly number[];
}

function bench(t: Test, options: Partial<HealthOptions> = {}): Bench {
  const clock = manualClock();
  const metrics = createMetrics();
  const logged: string[] = [];
  const write = (fields: object, text: string): void => void logged.push(`${text} ${JSON.stringify(fields)}`);
  const log = { debug: write, info: write, warn: write, error: write } as unknown as Logger;
  const state: Omit<Bench, 'health'> = {
    clock,
    said: [],
    logged,
    asked: [],
    answer: null,
    async pass(ms) {
      for (let left = ms; left > 0; left -= 100) {
        clock.advance(Math.min(100, left));
        await settled();
      }
    },
    metric(name) {
      const found = metrics.read().find((one) => one.name === `isthmus_${name}`);
      return found?.values.map(({ value }) => value) ?? [];
    },
  };
  const health = createHealth({
    ...{ checks: true, eject: true, panicRatio: 0.5, clock, random: () => 0.5, log, metrics },
    probe: (at) => {
      state.asked.push(`${at.ip}:${at.port}`);
      return Promise.resolve(state.answer);
    },
    onVerdicts: (events: readonly ClusterEvent[]) => {
      for (const event of events)
        if (event.type === 'checked') state.said.push(`${event.backend} ${event.verdict ?? 'none'}`);
    },
    ...options,
  });
  t.teardown(() => health.stop());
  return Object.assign(state, { health });
}

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

const rule: CheckRule = { kind: 'tcp', intervalMs: 1000, fall: 3, rise: 2 };
const keys = (count: number): Backend[] => Array.from({ length: count }, (_, i) => backend(i + 1));
const report = (n: number, some: Partial<TryReport>): TryReport => {
  return { backend: backend(n).key, ok: 0, unreachable: 0, failed: 0, tail: 0, ...some };
};

t.test(
  'a backend falls after as many failures as its rule says, rises after as many passes, each told once',
  async (t) => {
    const b = bench(t);
    b.health.follow('a', { backends: [backend(1)], check: rule });
    await b.pass(1500);
    t.strictSame(b.said, ['10.0.0.1:80 passing']);
    b.answer = 'the connection was refused';
    await b.pass(2000);
    t.equal(b.said.length, 1, 'two failures are not three');
    await b.pass(1000);
    t.strictSame(b.said.slice(1), ['10.0.0.1:80 failing']);
    t.match(b.health.why(backend(1).key), /our own check: the connection was refused/);
    t.strictSame(b.metric('lb_backends_failing'), [1]);
    b.answer = null;
    await b.pass(1000);
    t.equal(b.said.length, 2, 'one pass is not two');
    await b.pass(1000);
    t.strictSame(b.said.slice(2), ['10.0.0.1:80 passing']);
    t.equal(b.health.why(backend(1).key), null);
    t.equal(b.logged.length, 2, 'one line a turn');
  },
);

t.test('probes are spread, bounded, and shared by the sets of a backend', async (t) => {
  let running = 0;
  let most = 0;
  const ends: (() => void)[] = [];
  const b = bench(t, {
    random: () => 0,
    probe: () => {
      most = Math.max(most, ++running);
      return new Promise((resolve) => void ends.push(() => (running--, resolve(null))));
    },
  });
  const many = Array.from({ length: 300 }, (_, i) => backend(i));
  b.health.follow('a', { backends: many, check: rule });
  b.health.follow('b', { backends: many, check: rule });
  b.clock.advance(1);
  t.equal(most, 256);
  for (let done = 0; done < 300; done++) {
    ends[done]?.();
    await settled();
  }
  t.equal(ends.length, 300, 'each once, though it stands in two sets');
  t.equal(most, 256);
});

t.test('where we ourselves lack sockets nothing is said of the backend', async (t) => {
  const b = bench(t);
  b.health.follow('a', { backends: [backend(1)], check: rule });
  b.answer = undefined;
  await b.pass(6000);
  t.strictSame(b.said, []);
  t.ok(b.asked.length > 4);
});

t.test('a check is made where its rule says, the most telling one of several, and not of what is ending', async (t) => {
  const b = bench(t);
  const other = { ip: '10.0.0.9', port: 8081 };
  b.health.follow('a', { backends: [backend(1)], check: rule });
  b.health.follow('b', { backends: [backend(1)], check: { ...rule, kind: 'http' }, checkAt: () => other });
  await b.pass(1000);
  t.strictSame(b.asked, ['10.0.0.9:8081']);
  b.health.follow('b', null);
  await b.pass(1000);
  t.strictSame(b.asked, ['10.0.0.9:8081', '10.0.0.1:80']);
  b.health.follow('a', { backends: [backend(1, { state: 'draining', weight: 0 })], check: rule });
  await b.pass(5000);
  t.equal(b.asked.length, 2);
  t.equal(b.clock.pending, 0);
});

t.test('a backend that is gone takes its verdict along', async (t) => {
  const b = bench(t);
  b.answer = 'no';
  b.health.follow('a', { backends: [backend(1)], check: rule });
  await b.pass(4000);
  b.health.follow('a', { backends: [], check: rule });
  t.strictSame(b.said, ['10.0.0.1:80 failing', '10.0.0.1:80 none']);
  t.strictSame(b.metric('lb_backend_up'), []);
});

t.test('failures in a row eject, unreachable ones count twice; a success between them saves', async (t) => {
  const b = bench(t);
  b.health.follow('a', { backends: keys(4), check: null });
  b.health.hear([report(1, { failed: 4, tail: 4 }), report(2, { unreachable: 2, tail: 4 })]);
  t.strictSame(b.said, []);
  b.health.hear([report(1, { ok: 1, failed: 3, tail: 3 })]);
  t.strictSame(b.said, []);
  b.health.hear([report(2, { unreachable: 1, tail: 2 })]);
  t.strictSame(b.said, ['10.0.0.2:80 failing']);
  const other = bench(t);
  other.health.follow('a', { backends: keys(4), check: null });
  other.health.hear([report(1, { failed: 4, tail: 4 })]);
  other.health.hear([report(1, { failed: 1, tail: 1 })]);
  t.strictSame(other.said, ['10.0.0.1:80 failing'], 'five, over two words');
  t.match(b.health.why(backend(2).key), /left out since tries failed in a row/);
  t.strictSame(b.metric('lb_ejections_total'), [1]);
  t.strictSame(b.metric('lb_backends_ejected'), [1]);
});

t.test('half of twenty tries in ten seconds eject; older ones do not count', async (t) => {
  const b = bench(t);
  b.health.follow('a', { backends: keys(4), check: null });
  b.health.hear([report(1, { ok: 12, failed: 9, tail: 1 })]);
  t.strictSame(b.said, []);
  await b.pass(11_000);
  b.health.hear([report(1, { ok: 5, failed: 9, tail: 1 })]);
  t.strictSame(b.said, [], 'fourteen are too few to tell');
  b.health.hear([report(1, { ok: 4, failed: 2, tail: 1 })]);
  t.strictSame(b.said, ['10.0.0.1:80 failing']);
});

t.test('three in ten at most, one at least, and never the last that is up', async (t) => {
  const dead = (n: number): TryReport => report(n, { unreachable: 9, tail: 18 });
  const ejectedOf = (count: number, downs = 0): number => {
    const b = bench(t);
    const backends = keys(count).map((one, i) => (i < downs ? { ...one, state: 'down' as const, weight: 0 } : one));
    b.health.follow('a', { backends, check: null });
    b.health.hear(backends.map((_, i) => dead(i + 1)));
    return b.said.length;
  };
  t.equal(ejectedOf(1), 0);
  t.equal(ejectedOf(2), 1);
  t.equal(ejectedOf(3), 1);
  t.equal(ejectedOf(10), 3);
  t.equal(ejectedOf(3, 2), 0 + 1, 'one that is down already may be left out, the last good one not');
});

t.test('one that was left out comes back when it answers, after waits that grow', async (t) => {
  const b = bench(t);
  b.health.follow('a', { backends: keys(3), check: null });
  b.answer = 'no';
  b.health.hear([report(1, { unreachable: 3, tail: 6 })]);
  await b.pass(1900);
  t.equal(b.asked.length, 0);
  await b.pass(200);
  t.equal(b.asked.length, 1);
  await b.pass(3800);
  t.equal(b.asked.length, 1, 'the second wait is twice the first');
  b.answer = null;
  await b.pass(200);
  t.strictSame(b.said, ['10.0.0.1:80 failing', '10.0.0.1:80 none']);
  b.health.hear([report(1, { unreachable: 3, tail: 6 })]);
  await b.pass(7900);
  t.equal(b.said.length, 3, 'out again soon after: the wait goes on growing');
  await b.pass(300);
  t.equal(b.said.length, 4);
  await b.pass(61_000);
  b.health.hear([report(1, { unreachable: 3, tail: 6 })]);
  await b.pass(2100);
  t.equal(b.said.length, 6, 'good for a minute, and the past is forgotten');
});

t.test('a set with nothing better takes back what was left out', async (t) => {
  const b = bench(t);
  b.health.follow('a', { backends: keys(2), check: null });
  b.health.hear([report(1, { unreachable: 3, tail: 6 })]);
  b.health.follow('a', {
    backends: [backend(1, { state: 'down', weight: 0 }), backend(2, { state: 'down', weight: 0 })],
    check: null,
  });
  t.strictSame(b.said, ['10.0.0.1:80 failing', '10.0.0.1:80 none']);
});

t.test('an operator goes before checks, and is not forgotten for them', async (t) => {
  const b = bench(t);
  const { key } = backend(1);
  b.health.follow('a', { backends: [backend(1)], check: rule });
  await b.pass(600);
  b.health.drain(key);
  b.answer = 'no';
  await b.pass(4000);
  t.strictSame(b.said, ['10.0.0.1:80 passing', '10.0.0.1:80 drained']);
  t.strictSame(b.health.drained(), [key]);
  b.health.undrain(key);
  t.equal(b.said.at(-1), '10.0.0.1:80 failing');
});

t.test('with checks and ejection off nothing runs, and operators may still drain', async (t) => {
  const b = bench(t, { checks: false, eject: false });
  b.health.follow('a', { backends: keys(3), check: rule });
  b.health.hear([report(1, { unreachable: 9, tail: 18 })]);
  t.equal(b.clock.pending, 0);
  t.strictSame(b.said, []);
  b.health.drain(backend(1).key);
  t.strictSame(b.said, ['10.0.0.1:80 drained']);
});

t.test('reports of backends that stand in no set are dropped', async (t) => {
  const b = bench(t);
  b.health.hear([report(7, { unreachable: 9, tail: 18 })]);
  t.strictSame(b.said, []);
});

t.test('who takes traffic, which sets are in panic, which backends a task has', async (t) => {
  const b = bench(t);
  const task = taskKey(frameworkId('f'), taskId('t'));
  const failing = { state: 'down', weight: 0, failing: true } as const;
  b.health.follow('a', { backends: [backend(1), backend(2, failing), backend(3, { ...failing, task })], check: null });
  b.health.follow('b', { backends: [backend(2), backend(4, { task })], check: null });
  t.strictSame([...b.metric('lb_backend_up')].sort(), [0, 1, 1, 1]);
  t.strictSame(b.metric('lb_sets_in_panic'), [1]);
  t.strictSame(
    b.health.backendsOf(task).map(({ ip }) => ip),
    ['10.0.0.3', '10.0.0.4'],
  );
  b.health.follow('a', null);
  t.strictSame(b.metric('lb_backend_up'), [1, 1]);
});

t.test('drains of before are kept for what is there, and forgotten for what has gone', async (t) => {
  const b = bench(t);
  for (const n of [1, 2]) b.health.drain(backend(n).key);
  b.health.follow('a', { backends: [backend(1)], check: null });
  b.health.settle();
  t.strictSame(b.health.drained(), [backend(1).key]);
  t.equal(b.said.at(-1), '10.0.0.2:80 none');
  b.health.follow('a', { backends: [], check: null });
  t.strictSame(b.health.drained(), []);
});
