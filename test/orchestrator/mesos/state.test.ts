// The merge rules: upserts, what waits for what, who goes when, and what an empty picture may not do.

import t from 'tap';
import { appKey, frameworkId, noMasters, type ClusterEvent, type Task } from '../../../src/cluster/index.ts';
import { createSlices } from '../../../src/orchestrator/slices.ts';
import { systemClock } from '../../../src/runtime/index.ts';
import { createFold, pictureOf, shape, type Fold } from './fold.ts';

const whole = shape.state({
  tasks: [shape.task('F', 't1', 'S1'), shape.task('F', 't2', 'S2')],
  agents: [shape.agent('S1', '10.0.0.1'), shape.agent('S2', '10.0.0.2')],
  frameworks: [shape.framework('F', 'marathon')],
});

const taskOf = (fold: Fold, id: string): Task | undefined =>
  [...fold.state.tables.tasks.values()].find((task) => task.id === id);
const ids = (fold: Fold): string[] => [...fold.state.tables.tasks.values()].map((task) => task.id).sort();
const kinds = (events: readonly ClusterEvent[]): string[] => events.map((event) => event.type);

async function loaded(): Promise<Fold> {
  const fold = createFold();
  await fold.load(whole);
  return fold;
}

t.test('an event that changes nothing says nothing', async (t) => {
  const fold = await loaded();
  t.same(await fold.load(whole), []);
  t.same(fold.state.apply(shape.added(shape.task('F', 't1', 'S1')), 0), []);
  t.same(fold.state.apply({ type: 'HEARTBEAT' }, 0), []);
  t.same(fold.state.apply({ type: 'FROM_THE_FUTURE', task_added: {} }, 0), []);
});

t.test('a task that comes before its agent and framework is told again when they arrive', async (t) => {
  const fold = createFold();
  fold.state.apply(shape.added(shape.task('G', 'early', 'S9')), 0);
  t.match(taskOf(fold, 'early'), { agentIp: null, framework: '' });
  t.same(kinds(fold.state.apply(shape.agentAdded(shape.agent('S9', '10.0.0.9')), 0)), ['agent', 'task']);
  t.same(kinds(fold.state.apply(shape.frameworkAdded(shape.framework('G', 'kafka')), 0)), ['framework', 'task']);
  t.match(taskOf(fold, 'early'), { agentIp: '10.0.0.9', framework: 'kafka' });
});

t.test('the outer state wins over that of the status', async (t) => {
  const fold = await loaded();
  const event = shape.updated('F', 't1', 'S1', 'TASK_UNREACHABLE');
  event.task_updated.state = 'TASK_FINISHED';
  t.same(fold.state.apply(event, 0), [{ type: 'task', key: 'F/t1', task: null }]);
});

t.test('an update of an unknown task is kept until the task comes', async (t) => {
  const fold = await loaded();
  t.same(fold.state.apply(shape.updated('F', 'new', 'S1', 'TASK_RUNNING', { healthy: true }), 0), []);
  t.equal(fold.state.wish, 'executors');
  fold.state.apply(shape.added(shape.task('F', 'new', 'S1', { state: 'TASK_STAGING' })), 0);
  t.match(taskOf(fold, 'new'), { state: 'TASK_RUNNING', healthy: true });
  t.equal(fold.state.wish, null);
});

t.test('a task that comes as ended goes', async (t) => {
  const fold = await loaded();
  fold.state.apply(shape.added(shape.task('F', 't1', 'S1', { state: 'TASK_KILLED' })), 0);
  t.same(ids(fold), ['t2']);
});

t.test('an unreachable task stays known, and its agent is inactive once all of its tasks are', async (t) => {
  const fold = await loaded();
  fold.state.apply(shape.added(shape.task('F', 't3', 'S1')), 0);
  const lost = { source: 'SOURCE_MASTER', reason: 'REASON_AGENT_REMOVED' };
  fold.state.apply(shape.updated('F', 't1', 'S1', 'TASK_UNREACHABLE', lost), 0);
  t.same(
    [...fold.state.tables.agents.values()].map((agent) => agent.active),
    [true, true],
  );
  t.same(kinds(fold.state.apply(shape.updated('F', 't3', 'S1', 'TASK_LOST', lost), 0)).sort(), ['agent', 'task']);
  t.same(
    [...fold.state.tables.agents.values()].map((agent) => agent.active),
    [false, true],
  );
  t.match(taskOf(fold, 't1'), { state: 'TASK_UNREACHABLE', agentIp: '10.0.0.1' });
  fold.state.apply(shape.added(shape.task('F', 't1', 'S1')), 0);
  fold.state.apply(shape.agentAdded(shape.agent('S1', '10.0.0.1')), 0);
  t.match(taskOf(fold, 't1'), { state: 'TASK_RUNNING' });
  t.same(
    [...fold.state.tables.agents.values()].map((agent) => agent.active),
    [true, true],
  );
});

t.test('a framework takes its tasks along, an agent does not', async (t) => {
  const fold = await loaded();
  fold.state.apply(shape.agentRemoved('S1'), 0);
  t.same(ids(fold), ['t1', 't2']);
  fold.state.apply(shape.frameworkRemoved('F'), 0);
  t.same(ids(fold), []);
});

t.test('one bad thing is counted and costs its neighbours nothing', async (t) => {
  const fold = createFold();
  const picture = pictureOf(
    shape.state({
      tasks: [{}, shape.task('F', 't1', 'S1'), { name: 'x' }],
      agents: [{}, shape.agent('S1', '10.0.0.1')],
    }),
  );
  t.equal(picture.tasks.size, 1);
  t.equal(picture.agents.size, 1);
  fold.state.apply(shape.added({}), 0);
  fold.state.apply({ type: 'TASK_UPDATED', task_updated: {} }, 0);
  fold.state.apply({ type: 'AGENT_ADDED' }, 0);
  t.same(fold.skipped, ['task', 'task', 'agent']);
});

t.test('an unknown executor is wished for until a reading', async (t) => {
  const fold = await loaded();
  fold.state.apply(shape.added(shape.task('F', 'pod', 'S1', { executor_id: { value: 'e' } })), 0);
  t.equal(fold.state.wish, 'executors');
  await fold.load(whole);
  t.equal(fold.state.wish, null);
});

t.test('what the stream said during a reading is newer than the reading', async (t) => {
  const fold = await loaded();
  fold.state.beginReread();
  fold.state.apply(shape.updated('F', 't1', 'S1', 'TASK_FINISHED'), 0);
  fold.state.apply(shape.added(shape.task('F', 't9', 'S1')), 0);
  fold.state.apply(shape.updated('F', 't2', 'S2', 'TASK_KILLING'), 0);
  t.same(await fold.load(whole), []);
  t.same(ids(fold), ['t2', 't9']);
  t.match(taskOf(fold, 't2'), { state: 'TASK_KILLING' });
  await fold.load(whole);
  t.same(ids(fold), ['t1', 't2'], 'the next reading is believed');
});

t.test('a master that waits for its agents wipes nothing of theirs', async (t) => {
  const fold = await loaded();
  const failover = shape.state({ recovered: [shape.recovered('S1'), shape.recovered('S2')] });
  t.same(await fold.load(failover, 1000), []);
  t.equal(fold.state.wish, 'recovered');
  t.match(taskOf(fold, 't1'), { framework: 'marathon', agentIp: '10.0.0.1' });
  t.test('additions count at once', async (t) => {
    fold.state.apply(shape.added(shape.task('F', 'fresh', 'S3')), 2000);
    t.same(ids(fold), ['fresh', 't1', 't2']);
  });
  t.test('ten seconds after its agent is back an absent task goes', async (t) => {
    fold.state.apply(shape.agentAdded(shape.agent('S1', '10.0.0.1')), 5000);
    t.same(fold.state.tick(14_999), []);
    t.equal(fold.state.nextTick, 15_000);
    t.same(fold.state.tick(15_000), [{ type: 'task', key: 'F/t1', task: null }]);
    t.same(ids(fold), ['fresh', 't2']);
  });
  t.test('a task that came back is not held any more', async (t) => {
    fold.state.apply(shape.added(shape.task('F', 't2', 'S2')), 16_000);
    fold.state.apply(shape.agentAdded(shape.agent('S2', '10.0.0.2')), 16_000);
    t.equal(fold.state.nextTick, null);
  });
  t.test('when no agent is awaited absence counts', async (t) => {
    const after = shape.state({
      agents: [shape.agent('S1', '10.0.0.1')],
      frameworks: [shape.framework('F', 'marathon')],
    });
    await fold.load(after, 20_000);
    t.same(ids(fold), []);
    t.equal(fold.state.wish, null);
  });
});

t.test('what was saved before a restart is held like what was known', async (t) => {
  const before = await loaded();
  const { tasks, agents, frameworks } = before.state.tables;
  const fold = createFold();
  const strange = Object.freeze({ ...(taskOf(before, 't1') as Task), frameworkId: frameworkId('X') });
  const seed = {
    tasks: [...[...tasks.values()].map((task) => ({ ...task, appKey: appKey('marathon', '/web') })), strange],
    agents: [...agents.values()],
    frameworks: [...frameworks.values()],
    apps: [],
    masters: noMasters,
  };
  await fold.state.tables.seed(seed, createSlices(systemClock));
  t.same(await fold.load(shape.state({ recovered: [shape.recovered('S1'), shape.recovered('S2')] })), []);
  t.same(ids(fold), ['t1', 't2']);
  t.equal(taskOf(fold, 't1')?.appKey, null);
});

t.test('in a picture of a recovering master a listed agent has ten seconds, an unknown one none', async (t) => {
  const fold = await loaded();
  const frameworks = [shape.framework('F', 'marathon')];
  const parts = { agents: [shape.agent('S1', '10.0.0.1')], recovered: [shape.recovered('S7')] };
  await fold.load(shape.state({ ...parts, frameworks }), 0);
  t.same(ids(fold), ['t1']);
  t.equal(fold.state.nextTick, 10_000);
});

t.test('a second failover within the ten seconds of an agent holds its tasks anew', async (t) => {
  const fold = await loaded();
  const frameworks = [shape.framework('F', 'marathon')];
  const recovering = shape.state({ frameworks, recovered: [shape.recovered('S1'), shape.recovered('S2')] });
  await fold.load(recovering, 0);
  fold.state.apply(shape.agentAdded(shape.agent('S1', '10.0.0.1')), 1000);
  t.equal(fold.state.nextTick, 11_000);
  await fold.load(recovering, 5000);
  fold.state.tick(20_000);
  t.same(ids(fold), ['t1', 't2']);
});

t.test(
  'a recovering master that shows agents alone takes nothing: the right to see tasks may be missing',
  async (t) => {
    const fold = await loaded();
    const parts = { agents: [shape.agent('S1', '10.0.0.1'), shape.agent('S2', '10.0.0.2')] };
    const bare = shape.state({ ...parts, recovered: [shape.recovered('S7')] });
    await fold.load(bare, 0);
    t.equal(fold.state.nextTick, null);
    t.same(fold.state.tick(60_000), []);
    fold.state.apply(shape.frameworkAdded(shape.framework('F', 'marathon')), 60_000);
    t.equal(fold.state.nextTick, 10_000, 'until it shows a framework');

    const other = await loaded();
    other.state.beginReread();
    await other.load(bare, 0);
    other.state.apply(shape.added(shape.task('F', 't3', 'S1')), 1000);
    t.equal(other.state.nextTick, null, 'a reading with fewer rights than the stream holds nothing');
    t.same(ids(other), ['t1', 't2', 't3']);
    t.equal(other.state.wish, 'doubt');
  },
);

for (const [what, picture, reason] of [
  ['no agents at all', shape.state({}), /no agents/],
  ['agents without frameworks', shape.state({ agents: [shape.agent('S1', '10.0.0.1')] }), /VIEW_FRAMEWORK/],
] as const) {
  t.test(`${what} never wipe`, async (t) => {
    const fold = await loaded();
    for (const now of [0, 40_000, 80_000])
      t.notOk((await fold.load(picture, now)).some((event) => event.type === 'task'));
    t.same(ids(fold), ['t1', 't2']);
    t.equal(fold.state.wish, 'doubt');
    t.match(fold.notices[0], reason);
  });
}

t.test('more than half gone at once is believed at a second look half a minute later', async (t) => {
  const fold = createFold();
  const numbers = [1, 2, 3, 4, 5];
  const frameworks = [shape.framework('F', 'marathon')];
  const all = numbers.map((n) => shape.task('F', `t${n}`, `S${n}`));
  const agents = numbers.map((n) => shape.agent(`S${n}`, `10.0.0.${n}`));
  await fold.load(shape.state({ tasks: all, agents, frameworks }));
  const few = shape.state({ tasks: all.slice(0, 2), agents: agents.slice(0, 2), frameworks });
  await fold.load(few, 1000);
  t.equal(ids(fold).length, 5);
  await fold.load(few, 20_000);
  t.equal(ids(fold).length, 5);
  await fold.load(few, 31_000);
  t.same(ids(fold), ['t1', 't2']);
  t.equal(fold.state.tables.agents.size, 2);
});

t.test('a large picture lets the loop turn between its tasks', async (t) => {
  const fold = createFold();
  const tasks = Array.from({ length: 50 }, (_, n) => shape.task('F', `t${n}`, 'S1'));
  const seen: number[] = [];
  const breathe = async (): Promise<void> => void seen.push(fold.state.tables.tasks.size);
  await fold.state.load(pictureOf(shape.state({ tasks })), 0, {
    late: () => fold.state.tables.tasks.size % 10 === 0,
    breathe,
  });
  t.same(seen, [10, 20, 30, 40, 50]);
});
