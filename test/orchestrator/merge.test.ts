// Merging: who speaks for what, whom the first picture waits for, and that step by step equals all at once.

import { deepStrictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { sampleTask } from '../cluster/sample-task.ts';
import {
  appKey,
  emptySnapshot,
  frameworkId,
  noLabels,
  noMasters,
  reduce,
  type App,
  type ClusterEvent,
  type Framework,
  type Picture,
  type Snapshot,
  type Task,
} from '../../src/cluster/index.ts';
import { mergeOrchestrators, type MergeOptions } from '../../src/orchestrator/index.ts';
import { MergeState } from '../../src/orchestrator/merge-state.ts';
import type { Steps } from '../../src/orchestrator/slices.ts';
import type { Orchestrator } from '../../src/ports/index.ts';
import { systemClock, type Clock } from '../../src/runtime/index.ts';
import { follow } from './harness.ts';

/** A source that says what the test lets it say. */
function puppet(name: string): Orchestrator & { say(...events: readonly ClusterEvent[]): void } {
  const waiting: ClusterEvent[][] = [];
  let wake = (): void => undefined;
  return {
    name,
    say(...events) {
      waiting.push([...events]);
      wake();
    },
    async *watch(signal) {
      signal.addEventListener('abort', () => wake());
      while (!signal.aborted) {
        const batch = waiting.shift();
        if (batch !== undefined) yield batch;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

function task(framework: string, id: string, more: Partial<Task> = {}): Task {
  return sampleTask(id, { frameworkId: frameworkId(framework), name: 'web.shop', discoveryName: 'web.shop', ...more });
}

function app(marathon: string, id: string, framework: string | null): App {
  return {
    key: appKey(marathon, id),
    marathon,
    frameworkId: framework === null ? null : frameworkId(framework),
    id,
    labels: noLabels,
    networkMode: 'host',
    ports: [],
    healthChecks: [],
    hasReadinessChecks: false,
    instances: 1,
    version: null,
    deploying: false,
    inferred: false,
  };
}

const framework = (id: string, name: string): Framework => ({
  id: frameworkId(id),
  name,
  hostname: '',
  pid: null,
  webuiUrl: null,
  active: true,
});

const resync = (picture: Partial<Picture>): ClusterEvent => ({
  type: 'resync',
  picture: { tasks: [], agents: [], frameworks: [], apps: [], masters: noMasters, ...picture },
});

const webKey = appKey('marathon', '/shop/web');
const known = { appKey: webKey, appVersion: 'v1', appHealth: 'failing', ready: false, hostPorts: [9, 8] } as const;

/** Merges two puppets' first words. */
async function merged(first: ClusterEvent, second: ClusterEvent, options: MergeOptions = {}): Promise<Snapshot> {
  const [one, two] = [puppet('one'), puppet('two')];
  const followed = follow(mergeOrchestrators([one, two], options));
  one.say(first);
  two.say(second);
  await followed.until('the picture', (snapshot) => snapshot.synced);
  await followed.stop();
  return followed.snapshot;
}

t.test('Mesos speaks for life and address, Marathon for the app', async (t) => {
  const mesos = resync({
    frameworks: [framework('F', 'marathon')],
    tasks: [task('F', 'a', { state: 'TASK_KILLING', hostPorts: [8, 9] })],
  });
  const marathon = resync({
    apps: [app('marathon', '/shop/web', 'F')],
    tasks: [task('F', 'a', { ...known, agentIp: '10.9.9.9' })],
  });
  for (const [first, second] of [
    [mesos, marathon],
    [marathon, mesos],
  ] as const) {
    const snapshot = await merged(first, second);
    t.match([...snapshot.tasks.values()], [{ state: 'TASK_KILLING', agentIp: '10.0.0.1', ...known }]);
    t.equal(snapshot.tasks.size, 1);
  }
});

t.test('a Marathon without framework id is joined by name', async (t) => {
  const mesos = resync({ frameworks: [framework('F', 'marathon')], tasks: [task('F', 'a')] });
  const marathon = resync({
    apps: [app('marathon', '/shop/web', null)],
    tasks: [task('marathon', 'a', known), task('marathon', 'gone', known)],
  });
  const snapshot = await merged(mesos, marathon);
  t.same([...snapshot.tasks.keys()], ['F/a']);
  t.match([...snapshot.tasks.values()][0], known);
  t.equal(snapshot.apps.get(webKey)?.frameworkId, 'F');
});

t.test('what only Marathon knows stands by itself where Mesos does not speak for the framework', async (t) => {
  const mesos = resync({ frameworks: [framework('F', 'marathon')] });
  const other = resync({ tasks: [task('G', 'b', known), task('F', 'unknown-to-mesos', known)] });
  t.same([...(await merged(mesos, other)).tasks.keys()], ['G/b']);
});

t.test(
  'while a new master awaits an agent, Marathon’s word on its tasks counts, but not on those that Mesos ended',
  async (t) => {
    const [mesos, marathon] = [puppet('mesos'), puppet('marathon')];
    const followed = follow(mergeOrchestrators([mesos, marathon]));
    t.teardown(() => followed.stop());
    const awaited = new Set([task('F', 'a').agentId]);
    mesos.say({ type: 'awaited', agents: awaited }, resync({}));
    marathon.say(
      resync({ apps: [app('marathon', '/shop/web', 'F')], tasks: ['a', 'b'].map((id) => task('F', id, known)) }),
    );
    await followed.until('what Marathon knows', (snapshot) => snapshot.tasks.size === 2);
    const b = task('F', 'b', { state: 'TASK_KILLING' });
    // Its scheduler is back before its agents are.
    mesos.say({ type: 'framework', id: frameworkId('F'), framework: framework('F', 'marathon') });
    mesos.say({ type: 'task', key: b.key, task: b });
    await followed.until('the word of Mesos', () => followed.task('b')?.state === 'TASK_KILLING');
    t.ok(followed.task('a'), 'of the other nothing was said');
    mesos.say({ type: 'task', key: b.key, task: null });
    await followed.until('its end', (snapshot) => snapshot.tasks.size === 1);
    t.ok(followed.task('a'));
    mesos.say({ type: 'awaited', agents: new Set() });
    await followed.until('the agent is back without it', (snapshot) => snapshot.tasks.size === 0);
  },
);

t.test('apps of two Marathons with one id stay apart', async (t) => {
  const snapshot = await merged(
    resync({ apps: [app('marathon', '/web', 'F')] }),
    resync({ apps: [app('marathon-contract', '/web', 'G')] }),
  );
  t.same([...snapshot.apps.keys()].sort(), ['marathon-contract/web', 'marathon/web']);
});

t.test(
  'a source that is lost at the start does not keep the others from serving, and is folded in when it comes',
  async (t) => {
    const [mesos, marathon] = [puppet('mesos'), puppet('marathon')];
    const followed = follow(mergeOrchestrators([mesos, marathon], { patienceMs: 30 }));
    t.teardown(() => followed.stop());
    marathon.say({ type: 'lost-contact', source: 'marathon', at: 1, reason: 'refused' });
    mesos.say(resync({ frameworks: [framework('F', 'marathon')], tasks: [task('F', 'a')] }));
    await followed.until('the picture of one', (snapshot) => snapshot.synced);
    t.equal(followed.snapshot.sources.get('marathon')?.state, 'lost');
    marathon.say(
      { type: 'contact', source: 'marathon', at: 2 },
      resync({ apps: [app('marathon', '/shop/web', 'F')], tasks: [task('F', 'a', known)] }),
    );
    await followed.until('both', () => followed.task('a')?.appKey === webKey);
    t.equal(followed.events.filter((event) => event.type === 'resync').length, 1);
  },
);

t.test('patience ends with an empty table, not with an empty picture', async (t) => {
  const mesos = puppet('mesos');
  const followed = follow(mergeOrchestrators([mesos], { patienceMs: 1 }));
  t.teardown(() => followed.stop());
  mesos.say({ type: 'lost-contact', source: 'mesos', at: 1, reason: 'refused' });
  await followed.until('the loss', (snapshot) => snapshot.sources.get('mesos')?.state === 'lost');
  t.notOk(followed.snapshot.synced);
  mesos.say(resync({ tasks: [task('F', 'a')] }));
  await followed.until('the picture', (snapshot) => snapshot.synced);
});

t.test('apps are made up from labels where no Marathon is asked', async (t) => {
  const port = { name: 'http', scope: 'host', containerPort: null, network: null, vips: [], labels: noLabels } as const;
  const labelled = task('F', 'a', {
    labels: { HAPROXY_GROUP: 'external' },
    hostPorts: [80, 81],
    ports: [
      { ...port, protocol: 'tcp', hostPort: 81 },
      { ...port, protocol: 'udp', hostPort: 81 },
    ],
  });
  const picture = resync({
    frameworks: [framework('F', 'marathon')],
    tasks: [labelled, task('F', 'plain', { name: 'plain' })],
  });
  const snapshot = await merged(picture, resync({}), { inferApps: true });
  t.same([...snapshot.apps.keys()], [webKey]);
  t.match(snapshot.apps.get(webKey), {
    id: '/shop/web',
    marathon: 'marathon',
    inferred: true,
    frameworkId: 'F',
    instances: 1,
  });
  t.match(snapshot.apps.get(webKey)?.ports, [{ index: 0, protocol: 'tcp,udp', hostPortIndex: 1, servicePort: null }]);
  t.same([...(snapshot.tasksOfApp.get(webKey) ?? [])], ['F/a']);
  t.equal((await merged(picture, resync({}))).apps.size, 0, 'only where allowed');
  const real = await merged(picture, resync({ apps: [app('marathon', '/other', 'F')] }), { inferApps: true });
  t.same([...real.apps.keys()], ['marathon/other'], 'a real app ends it');
});

/** Few ids, so that everything meets. */
const event: fc.Arbitrary<ClusterEvent> = fc.oneof(
  fc
    .record({
      owner: fc.constantFrom('F', 'G', 'marathon'),
      id: fc.constantFrom('a', 'b'),
      alive: fc.boolean(),
      more: fc.constantFrom<Partial<Task>>(
        {},
        known,
        { appKey: webKey },
        { labels: { HAPROXY_GROUP: 'x' } },
        { state: 'TASK_KILLING' },
      ),
    })
    .map(({ owner, id, alive, more }): ClusterEvent => {
      const record = task(owner, id, more);
      return { type: 'task', key: record.key, task: alive ? record : null };
    }),
  fc
    .record({ id: fc.constantFrom('F', 'G'), name: fc.constantFrom('marathon', 'other'), alive: fc.boolean() })
    .map(({ id, name, alive }): ClusterEvent => ({
      type: 'framework',
      id: frameworkId(id),
      framework: alive ? framework(id, name) : null,
    })),
  fc
    .record({ name: fc.constantFrom('marathon', 'other'), owner: fc.constantFrom('F', null), alive: fc.boolean() })
    .map(({ name, owner, alive }): ClusterEvent => {
      const record = app(name, '/shop/web', owner);
      return { type: 'app', key: record.key, app: alive ? record : null };
    }),
  fc.constantFrom<ClusterEvent>(
    { type: 'awaited', agents: new Set() },
    { type: 'awaited', agents: new Set([task('F', 'a').agentId]) },
  ),
  fc.constant(resync({})),
  fc.constant(
    resync({ tasks: [task('F', 'a'), task('marathon', 'b', known)], frameworks: [framework('F', 'marathon')] }),
  ),
);

const byKey = (picture: Picture): unknown => ({
  tasks: new Map(picture.tasks.map((one) => [one.key, one])),
  apps: new Map(picture.apps.map((one) => [one.key, one])),
  frameworks: new Map(picture.frameworks.map((one) => [one.id, one])),
});

function finish(steps: Steps): void {
  while (steps.next().done !== true);
}

t.test('step by step equals all at once', async (t) => {
  const steps = fc.array(fc.tuple(fc.nat(2), fc.array(event, { minLength: 1, maxLength: 3 })), { maxLength: 20 });
  fc.assert(
    fc.property(steps, fc.boolean(), (said, infer) => {
      const stepwise = new MergeState(3, infer);
      const snapshot = emptySnapshot();
      for (const [source, events] of said) {
        finish(stepwise.fold(source, events));
        finish(stepwise.settle());
        for (const change of stepwise.take()) reduce(snapshot, change);
      }
      const atOnce = new MergeState(3, infer);
      for (const [source, events] of said) finish(atOnce.fold(source, events));
      finish(atOnce.settle());
      deepStrictEqual(byKey(stepwise.picture()), byKey(atOnce.picture()));
      const { tasks, apps, frameworks } = snapshot;
      const told = {
        tasks: [...tasks.values()],
        apps: [...apps.values()],
        frameworks: [...frameworks.values()],
        agents: [],
        masters: noMasters,
      };
      deepStrictEqual(byKey(told), byKey(atOnce.picture()));
    }),
    { numRuns: 1500, seed: 5 },
  );
  t.pass('alike');
});

t.test('a large picture takes many turns, and is told in one piece all the same', async (t) => {
  const [mesos, other] = [puppet('mesos'), puppet('other')];
  let elapsed = 0;
  // Every slice is over as soon as somebody looks.
  const clock: Clock = { ...systemClock, monotonic: () => (elapsed += 10) };
  const merged = mergeOrchestrators([mesos, other], { clock, patienceMs: 60_000 });
  const names = (prefix: string): Task[] => Array.from({ length: 500 }, (_, i) => task('F', `${prefix}${i}`));
  mesos.say(resync({ tasks: names('old'), frameworks: [framework('F', 'marathon')] }));
  other.say(resync({ tasks: [task('G', 'g0')], frameworks: [framework('G', 'other')] }));
  const abort = new AbortController();
  let batch = 0;
  let said = 0;
  const seen: string[] = [];
  for await (const events of merged.watch(abort.signal)) {
    const tasks = events.filter((event) => event.type === 'task');
    const gone = tasks.filter((event) => event.task === null && event.key.startsWith('F/old')).length;
    const come = tasks.filter((event) => event.task !== null && event.key.startsWith('F/new')).length;
    if (events[0]?.type === 'resync') seen.push(`${events[0].picture.tasks.length} at first`);
    else if (gone + come > 0) seen.push(`${gone} gone, ${come} come`);
    if (batch++ === 0) mesos.say(resync({ tasks: names('new'), frameworks: [framework('F', 'marathon')] }));
    if (said++ < 20) other.say({ type: 'task', key: task('G', 'g1').key, task: task('G', `g1`, { graceMs: said }) });
    if (seen.length === 2) abort.abort();
  }
  t.same(seen, ['501 at first', '500 gone, 500 come']);
});

t.test('a bug in a source ends the merge with it', async (t) => {
  const bad: Orchestrator = {
    name: 'bad',
    // eslint-disable-next-line require-yield -- it breaks before it says anything
    async *watch() {
      throw new RangeError('a bug');
    },
  };
  const reading = async (): Promise<void> => {
    for await (const _ of mergeOrchestrators([bad, puppet('mesos')]).watch(new AbortController().signal));
  };
  await t.rejects(reading(), /a bug/);
});
