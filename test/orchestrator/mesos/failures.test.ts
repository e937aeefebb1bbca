// Failures between the masters and the source, each through a switch of the fakes and named by what happens. Those of one stream's bytes
// and of a plain leader's death are in mesos-orchestrator.test.ts, those of a snapshot's guard with their times in state.test.ts.

import t from 'tap';
import { createFakeCluster, startFakeMasters, type MasterFaults } from '../../../src/fakes/index.ts';
import { createMesosOrchestrator, type SourceAuth } from '../../../src/orchestrator/index.ts';
import { createMetrics } from '../../../src/runtime/index.ts';
import { counted, follow, surroundings } from '../harness.ts';
import { isRunning, quick, scene, type Scene } from './scene.ts';

const reason = ({ followed }: Scene): string => followed.snapshot.sources.get('mesos')?.reason ?? '';
const losses = ({ followed }: Scene): number => followed.events.filter((one) => one.type === 'lost-contact').length;
const removals = ({ followed }: Scene): unknown[] =>
  followed.events.filter((event) => event.type === 'task' && event.task === null);

t.test('half-open: the connection stays, nothing is read or written any more', async (t) => {
  const here = await scene(t);
  await here.followed.until('the task', () => isRunning(here.followed, here.taskId));
  for (const index of [0, 1, 2]) here.masters.faults(index).halfOpen = true;
  await here.followed.until('the loss', () => /too long/.test(reason(here)));
  t.ok(isRunning(here.followed, here.taskId), 'what was said last serves');
  here.masters.faults(1).halfOpen = false;
  here.masters.lead(1);
  await here.followed.until('another master', () => here.masters.subscribers(1) === 1);
  t.same(removals(here), []);
});

t.test('a stream that pauses, with heartbeats due, is left and taken up again', async (t) => {
  const here = await scene(t, { masters: { count: 1 } });
  await here.followed.until('the task', () => isRunning(here.followed, here.taskId));
  here.masters.faults(0).stall = true;
  await here.followed.until('the loss', () => /too long/.test(reason(here)));
  here.masters.faults(0).stall = false;
  here.cluster.setHealth(here.taskId, false);
  await here.followed.until('what came later', () => here.followed.task(here.taskId)?.healthy === false);
  t.same(removals(here), []);
});

t.test('slow: each write waits, and the stream is kept', async (t) => {
  const here = await scene(t, {
    masters: { faults: { delayMs: 20 } },
    options: { limits: { ...quick, idleMs: 20_000 } },
  });
  await here.followed.until('the task', () => isRunning(here.followed, here.taskId));
  here.cluster.setHealth(here.taskId, false);
  await here.followed.until('its health', () => here.followed.task(here.taskId)?.healthy === false);
  t.equal(losses(here), 0);
});

t.test('huge: a first record over the limit is refused with its size, a larger limit takes it', async (t) => {
  const here = await scene(t, { masters: { count: 1 }, options: { recordBytes: 1000 } });
  await here.followed.until('the refusal', () => /record of \d+ bytes, at most 1000/.test(reason(here)));
  t.notOk(here.followed.snapshot.synced);
});

t.test('a gateway zips the stream', async (t) => {
  const here = await scene(t, { masters: { count: 1, faults: { gzipStream: true } } });
  await here.followed.until('the task', () => isRunning(here.followed, here.taskId));
  here.cluster.setHealth(here.taskId, false);
  await here.followed.until('an event', () => here.followed.task(here.taskId)?.healthy === false);
  t.equal(losses(here), 0);
});

for (const answers of ['gzip', 'bom'] as const) {
  t.test(`a reading of the whole comes as ${answers}`, async (t) => {
    const limits = { ...quick, rereadMs: 50 };
    const here = await scene(t, { masters: { count: 1, faults: { answers } }, options: { limits } });
    await here.followed.until('the task', () => isRunning(here.followed, here.taskId));
    here.cluster.silently(here.taskId, 'TASK_FINISHED');
    await here.followed.until('its end', () => here.followed.task(here.taskId) === undefined);
    t.equal(losses(here), 0, 'by the reading alone: the stream lives');
  });
}

for (const answers of ['cut', 'not-json'] as const) {
  t.test(`a reading of the whole comes as ${answers}: it costs nothing but itself`, async (t) => {
    const metrics = createMetrics();
    const limits = { ...quick, rereadMs: 50 };
    const here = await scene(t, {
      masters: { count: 1, faults: { answers } },
      options: { limits, ...surroundings(metrics) },
    });
    await here.followed.until('the task', () => isRunning(here.followed, here.taskId));
    here.cluster.silently(here.taskId, 'TASK_FINISHED');
    const other = here.cluster.launch({ framework: here.framework, name: 'other', network: { mode: 'host' } });
    await here.followed.until('the stream goes on', () => here.followed.task(other) !== undefined);
    t.equal(counted(metrics, 'orchestrator_events_total', { source: 'mesos', type: 'GET_STATE' }), 0);
    here.masters.faults(0).answers = null;
    await here.followed.until('the next reading', () => here.followed.task(here.taskId) === undefined);
    t.equal(losses(here), 0);
  });
}

for (const [what, faults, told] of [
  ['a page of a gateway with 502', { page: 'html-502' }, /502/],
  ['a master that is elected and has not read its registry', { recovering: true }, /503/],
] as const satisfies readonly (readonly [string, Partial<MasterFaults>, RegExp])[]) {
  t.test(`${what} is said, not believed, and passes`, async (t) => {
    const here = await scene(t, { masters: { count: 1 } });
    await here.followed.until('the task', () => isRunning(here.followed, here.taskId));
    Object.assign(here.masters.faults(0), faults);
    here.masters.disturb(0, 'reset');
    await here.followed.until('the refusal', () => told.test(reason(here)));
    t.ok(isRunning(here.followed, here.taskId));
    Object.assign(here.masters.faults(0), { page: null, recovering: false });
    here.cluster.setHealth(here.taskId, false);
    await here.followed.until('the stream', () => here.followed.task(here.taskId)?.healthy === false);
    t.same(removals(here), []);
  });
}

for (const [what, faults] of [
  ['wants other credentials', { auth: { user: 'u', password: 'p', realm: 'readwrite' } }],
  ['is forbidden to a principal of claims alone', { claimsWithoutValue: true }],
] as const satisfies readonly (readonly [string, Partial<MasterFaults>])[]) {
  t.test(`the stream ${what}, /state does not: it is polled`, async (t) => {
    const here = await scene(t, { masters: { faults } });
    await here.followed.until('the task', () => isRunning(here.followed, here.taskId));
    here.cluster.end(here.taskId, 'TASK_FINISHED');
    await here.followed.until('its end', () => here.followed.task(here.taskId) === undefined);
    t.equal(here.masters.subscribers(), 0, 'no stream told it');
  });
}

t.test('the master evicts its oldest subscriber: it comes back, without a storm', async (t) => {
  const metrics = createMetrics();
  const here = await scene(t, {
    masters: { count: 1, faults: { subscriberLimit: 1 } },
    options: surroundings(metrics),
  });
  await here.followed.until('the task', () => isRunning(here.followed, here.taskId));
  const other = follow(createMesosOrchestrator({ masters: here.masters.urls, limits: quick, ...surroundings() }));
  t.teardown(() => other.stop());
  await here.followed.until('the eviction', () => losses(here) > 0);
  await here.followed.until('the return', () => here.followed.snapshot.sources.get('mesos')?.state === 'live');
  t.ok(isRunning(here.followed, here.taskId));
  t.same(removals(here), []);
});

t.test('tasks come before their agent: they are told, and get its address with it', async (t) => {
  const here = await scene(t);
  await here.followed.until('the task', () => isRunning(here.followed, here.taskId));
  const agent = here.followed.task(here.taskId)?.agentId as string;
  here.cluster.loseAgent(agent);
  await here.followed.until('unreachable', () => here.followed.task(here.taskId)?.state === 'TASK_UNREACHABLE');
  await here.followed.until('the agent is inactive', ({ agents }) => agents.get(agent as never)?.active !== true);
  here.cluster.returnAgent(agent);
  await here.followed.until('back', () => isRunning(here.followed, here.taskId));
  t.type(here.followed.task(here.taskId)?.agentIp, 'string');
  t.same(removals(here), [], 'it was known all along');
});

t.test('an agent leaves in order: its tasks and it go', async (t) => {
  const here = await scene(t);
  const agent = here.cluster.addAgent();
  const task = here.cluster.launch({ framework: here.framework, name: 'x', agent, network: { mode: 'host' } });
  here.cluster.running(task);
  await here.followed.until('the task', () => isRunning(here.followed, task));
  here.cluster.removeAgent(agent);
  await here.followed.until(
    'both gone',
    ({ agents }) => here.followed.task(task) === undefined && !agents.has(agent as never),
  );
  t.ok(isRunning(here.followed, here.taskId));
});

t.test('a failover of a version that does not tell of recovered frameworks', async (t) => {
  const here = await scene(t, { masters: { version: '1.6' } });
  await here.followed.until('the task', () => isRunning(here.followed, here.taskId));
  here.masters.failover(1);
  await here.followed.until('the empty master', () => here.masters.subscribers(1) === 1);
  here.cluster.recover();
  const next = here.cluster.launch({ framework: here.framework, name: 'next', network: { mode: 'host' } });
  await here.followed.until('what came later', () => here.followed.task(next) !== undefined);
  t.equal(here.followed.task(here.taskId)?.framework, 'marathon');
  t.ok(isRunning(here.followed, here.taskId));
  t.same(removals(here), []);
});

t.test('a second failover while the first is not over', async (t) => {
  const here = await scene(t);
  await here.followed.until('the task', () => isRunning(here.followed, here.taskId));
  here.masters.failover(1);
  await here.followed.until('the first', () => here.masters.subscribers(1) === 1);
  here.masters.failover(2);
  await here.followed.until('the second', () => here.masters.subscribers(2) === 1);
  t.ok(isRunning(here.followed, here.taskId), 'held');
  here.cluster.recover();
  here.cluster.end(here.taskId, 'TASK_FINISHED');
  await here.followed.until('its end', () => here.followed.task(here.taskId) === undefined);
});

t.test('two frameworks with one name stay two, through a failover', async (t) => {
  const here = await scene(t);
  const twin = here.cluster.addFramework({ name: 'marathon' });
  const task = here.cluster.launch({ framework: twin, name: 'web', network: { mode: 'host' } });
  here.cluster.running(task);
  await here.followed.until('both', () => isRunning(here.followed, task) && isRunning(here.followed, here.taskId));
  t.not(here.followed.task(task)?.frameworkId, here.followed.task(here.taskId)?.frameworkId);
  here.masters.failover(1);
  await here.followed.until('the empty master', () => here.masters.subscribers(1) === 1);
  here.cluster.recover();
  here.cluster.removeFramework(twin);
  await here.followed.until('the end of one', () => here.followed.task(task) === undefined);
  t.ok(isRunning(here.followed, here.taskId));
});

t.test('a new cluster is empty, and that is a first picture', async (t) => {
  const cluster = createFakeCluster({ seed: 5 });
  const masters = await startFakeMasters(cluster, { count: 1, heartbeatMs: 100 });
  const auth: SourceAuth = { token: 'abc' };
  const followed = follow(createMesosOrchestrator({ masters: masters.urls, auth, limits: quick, ...surroundings() }));
  t.teardown(async () => {
    await followed.stop();
    await masters.close();
    await cluster.close();
  });
  await followed.until('the picture', (snapshot) => snapshot.synced);
  t.equal(followed.snapshot.tasks.size, 0);
  const agent = cluster.addAgent();
  const framework = cluster.addFramework({ name: 'f' });
  const task = cluster.launch({ framework, name: 'x', agent, network: { mode: 'host' } });
  await followed.until('the first task', () => followed.task(task) !== undefined);
});
