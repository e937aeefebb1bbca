// The Mesos source against fake masters: redirects, failovers, refusals, silence and bad bytes.

import t from 'tap';
import { createMesosOrchestrator } from '../../../src/orchestrator/index.ts';
import { createMetrics } from '../../../src/runtime/index.ts';
import { counted, follow, surroundings } from '../harness.ts';
import { isRunning, quick, scene } from './scene.ts';

t.test('follows tasks from launch to end', async (t) => {
  const { cluster, followed, taskId, framework } = await scene(t);
  await followed.until('the first task', () => isRunning(followed, taskId));
  const added = cluster.launch({ framework, name: 'second', network: { mode: 'host' } });
  await followed.until('a staging task', () => followed.task(added)?.state === 'TASK_STAGING');
  cluster.running(added, { healthy: true });
  await followed.until('its health', () => followed.task(added)?.healthy === true);
  t.equal(followed.task(added)?.framework, 'marathon');
  t.type(followed.task(added)?.agentIp, 'string');
  cluster.end(added, 'TASK_FINISHED');
  await followed.until('its end', () => followed.task(added) === undefined);
  t.ok(isRunning(followed, taskId));
});

t.test('a follower redirects to the leader', async (t) => {
  const { masters, followed, taskId } = await scene(t, { pick: [2] });
  await followed.until('the task', () => isRunning(followed, taskId));
  t.equal(masters.subscribers(0), 1);
  t.same(`http://${followed.snapshot.masters.leader?.ip}:${followed.snapshot.masters.leader?.port}`, masters.url(0));
});

t.test('a killed leader is followed by the next one, and nothing goes meanwhile', async (t) => {
  const { masters, followed, taskId } = await scene(t);
  await followed.until('the task', () => isRunning(followed, taskId));
  await masters.kill(0);
  masters.lead(1);
  await followed.until(
    'the new leader',
    () => masters.subscribers(1) === 1 && followed.snapshot.sources.get('mesos')?.state === 'live',
  );
  t.equal(followed.snapshot.masters.leader?.port, Number(new URL(masters.url(1)).port));
  const gone = followed.events.filter((event) => event.type === 'task' && event.task === null);
  t.same(gone, []);
  t.ok(followed.events.some((event) => event.type === 'lost-contact'));
});

t.test('while nobody leads the last word keeps serving', async (t) => {
  const { masters, followed, taskId } = await scene(t);
  await followed.until('the task', () => isRunning(followed, taskId));
  masters.lead(null);
  await followed.until('the loss', (snapshot) => /503/.test(snapshot.sources.get('mesos')?.reason ?? ''));
  t.ok(isRunning(followed, taskId));
  masters.lead(2);
  await followed.until('the new leader', () => masters.subscribers(2) === 1);
});

t.test('a failover wipes nothing, and what does not come back goes in the end', async (t) => {
  const { cluster, masters, followed, taskId, framework } = await scene(t);
  const other = cluster.addAgent({ zone: 'b' });
  const lost = cluster.launch({ framework, name: 'lost', agent: other, network: { mode: 'host' } });
  cluster.running(lost);
  await followed.until('both tasks', () => isRunning(followed, taskId) && isRunning(followed, lost));
  masters.failover(1);
  await followed.until(
    'the empty master',
    () => masters.subscribers(1) === 1 && followed.snapshot.sources.get('mesos')?.state === 'live',
  );
  t.ok(isRunning(followed, taskId), 'held');
  t.ok(isRunning(followed, lost), 'held');
  t.equal(followed.task(taskId)?.framework, 'marathon');
  const agent = followed.task(taskId)?.agentId as string;
  cluster.reregisterAgent(agent);
  cluster.forgetRecovered(other);
  await followed.until('the end of what stayed away', () => followed.task(lost) === undefined);
  t.ok(isRunning(followed, taskId));
});

t.test('silent changes show at the next reading of the whole', async (t) => {
  const { cluster, followed, taskId } = await scene(t, { options: { limits: { ...quick, rereadMs: 50 } } });
  await followed.until('the task', () => isRunning(followed, taskId));
  cluster.silently(taskId, 'TASK_FINISHED');
  await followed.until('its end', () => followed.task(taskId) === undefined);
  t.notOk(followed.events.some((event) => event.type === 'lost-contact'));
});

t.test('the executor of a new pod is asked for', async (t) => {
  const { cluster, followed, taskId, framework } = await scene(t);
  await followed.until('the first task', () => isRunning(followed, taskId));
  const [container] = cluster.launchPod({
    framework,
    discoveryName: 'pod',
    labels: { team: 'shop' },
    network: { mode: 'ucr-overlay', name: 'ovl' },
    containers: [{ name: 'one' }],
  });
  t.ok(container);
  await followed.until(
    'the labels of its executor',
    () => followed.task(container as string)?.labels['team'] === 'shop',
  );
});

t.test('wrong credentials are told, not thrown', async (t) => {
  const auth = { basic: { user: 'u', password: 'p' } };
  const { masters, followed } = await scene(t, {
    masters: { faults: { auth: { kind: 'basic', ...auth.basic } } as never },
  });
  await followed.until('the refusal', (snapshot) => /401/.test(snapshot.sources.get('mesos')?.reason ?? ''));
  t.notOk(followed.snapshot.synced);
  const right = follow(createMesosOrchestrator({ masters: masters.urls, auth, limits: quick, ...surroundings() }));
  t.teardown(() => right.stop());
  await right.until('the picture', (snapshot) => snapshot.synced);
});

t.test('a page of HTML is no master', async (t) => {
  const { masters, followed } = await scene(t, { masters: { count: 1, faults: { page: 'html-200' } } });
  await followed.until('the loss', (snapshot) => /not JSON/.test(snapshot.sources.get('mesos')?.reason ?? ''));
  t.notOk(followed.snapshot.synced);
  masters.faults(0).page = null;
  await followed.until('the picture', (snapshot) => snapshot.synced);
  t.equal(followed.snapshot.sources.get('mesos')?.state, 'live');
});

t.test('a master that accepts and stays silent is left', async (t) => {
  const { masters, followed } = await scene(t, { masters: { count: 1, faults: { silentSubscribe: true } } });
  await followed.until('the loss', (snapshot) => snapshot.sources.get('mesos')?.state === 'lost');
  t.notOk(followed.snapshot.synced);
  masters.faults(0).silentSubscribe = false;
  await followed.until('the picture', (snapshot) => snapshot.synced);
});

t.test('a stream without heartbeats is dead', async (t) => {
  const { masters, followed, taskId } = await scene(t);
  await followed.until('the task', () => isRunning(followed, taskId));
  masters.faults(0).heartbeat = false;
  await followed.until('the loss', (snapshot) => /too long/.test(snapshot.sources.get('mesos')?.reason ?? ''));
  t.ok(isRunning(followed, taskId));
});

for (const what of ['reset', 'end', 'end-mid-record', 'cut-mid-record', 'bad-length', 'oversized-length'] as const) {
  t.test(`a stream that ends by ${what} is taken up again`, async (t) => {
    const { cluster, masters, followed, taskId, framework } = await scene(t);
    await followed.until('the task', () => isRunning(followed, taskId));
    masters.disturb(0, what);
    if (what === 'cut-mid-record') cluster.setHealth(taskId, false);
    await followed.until('the loss', () => followed.events.some((event) => event.type === 'lost-contact'));
    const next = cluster.launch({ framework, name: 'next', network: { mode: 'host' } });
    await followed.until('what came later', () => followed.task(next) !== undefined);
    t.ok(isRunning(followed, taskId));
  });
}

for (const what of ['invalid-utf8', 'empty-record', 'unknown-event'] as const) {
  t.test(`a stream goes on after ${what}`, async (t) => {
    const { cluster, masters, followed, taskId } = await scene(t);
    await followed.until('the task', () => isRunning(followed, taskId));
    masters.disturb(0, what);
    cluster.setHealth(taskId, false);
    await followed.until('the next event', () => followed.task(taskId)?.healthy === false);
    t.notOk(followed.events.some((event) => event.type === 'lost-contact'));
  });
}

t.test('single bytes are as good as whole chunks', async (t) => {
  const { followed, taskId } = await scene(t, {
    masters: { faults: { chunkBytes: 1 } },
    options: { limits: { ...quick, idleMs: 5000 } },
  });
  await followed.until('the task', () => isRunning(followed, taskId));
  t.notOk(followed.events.some((event) => event.type === 'lost-contact'));
});

t.test('masters before 1.5 and those without the call are polled', async (t) => {
  const metrics = createMetrics();
  const { cluster, followed, taskId } = await scene(t, { options: { mode: 'poll', ...surroundings(metrics) } });
  await followed.until('the task', () => isRunning(followed, taskId));
  cluster.end(taskId, 'TASK_FAILED');
  await followed.until('its end', () => followed.task(taskId) === undefined);
  t.ok(counted(metrics, 'orchestrator_events_total', { source: 'mesos', type: 'state' }) >= 2);
  t.equal(followed.events.filter((event) => event.type === 'resync').length, 1);
});

t.test('rights that are missing wipe nothing', async (t) => {
  const { masters, followed, taskId } = await scene(t);
  await followed.until('the task', () => isRunning(followed, taskId));
  for (const index of [0, 1, 2]) masters.faults(index).emptyView = true;
  masters.disturb(0, 'reset');
  await followed.until(
    'the next stream',
    () => followed.events.filter((event) => event.type === 'resync').length === 2,
  );
  t.ok(isRunning(followed, taskId));
});
