// What happens in the cluster reaches the stream in Mesos's own order (orchestrator spec §1.8 and §1.9).
import t from 'tap';
import { createFakeCluster, manualClock, startFakeMasters } from '../../src/fakes/index.ts';
import type { FakeCluster, MesosEvent } from '../../src/fakes/index.ts';
import { call, recordsUntil, subscribe } from './wire.ts';

function watch(cluster: FakeCluster): string[] {
  const told: string[] = [];
  cluster.onEvent(({ event }) => told.push(event === undefined ? '?' : brief(event)));
  return told;
}

function brief(event: MesosEvent): string {
  switch (event.type) {
    case 'TASK_ADDED':
      return `+${event.task_added.task.task_id.value} ${event.task_added.task.state}`;
    case 'TASK_UPDATED':
      return `${event.task_updated.status.task_id.value} ${event.task_updated.state}`;
    case 'AGENT_ADDED':
      return `+agent ${event.agent_added.agent.agent_info.id.value.slice(-2)}`;
    case 'AGENT_REMOVED':
      return `-agent ${event.agent_removed.agent_id.value.slice(-2)}`;
    case 'FRAMEWORK_ADDED':
      return `+framework ${event.framework_added.framework.framework_info.name}${event.framework_added.framework.recovered ? ' recovered' : ''}`;
    case 'FRAMEWORK_UPDATED':
      return `framework ${event.framework_updated.framework.framework_info.name}`;
    case 'FRAMEWORK_REMOVED':
      return `-framework ${event.framework_removed.framework_info.name}`;
    case 'HEARTBEAT':
      return 'heartbeat';
  }
}

function setUp() {
  const clock = manualClock();
  const cluster = createFakeCluster({ clock });
  const agents = [cluster.addAgent(), cluster.addAgent()];
  const framework = cluster.addFramework({ name: 'marathon' });
  const start = (taskId: string, agent = 0) => {
    const at = agents[agent] ?? '';
    cluster.launch({
      framework,
      name: 'web',
      taskId,
      agent: at,
      network: { mode: 'docker-user', name: 'ovl' },
      ports: [{ containerPort: 80 }],
    });
    cluster.starting(taskId);
    cluster.running(taskId);
  };
  return { clock, cluster, agents, framework, start };
}

void t.test('launch, kill with grace, crash', async (t) => {
  const { clock, cluster, start } = setUp();
  const told = watch(cluster);
  start('a');
  const killed = cluster.kill('a', { graceMs: 5000 });
  clock.advance(4999);
  t.equal(cluster.task('a')?.state, 'TASK_KILLING');
  clock.advance(1);
  await killed;
  start('b');
  cluster.crash('b');
  t.same(told, [
    '+a TASK_STAGING',
    'a TASK_STARTING',
    'a TASK_RUNNING',
    'a TASK_KILLING',
    'a TASK_KILLED',
    '+b TASK_STAGING',
    'b TASK_STARTING',
    'b TASK_RUNNING',
    'b TASK_FAILED',
  ]);
  t.same(
    [...cluster.view().completedTasks].map(({ task_id }) => task_id.value),
    ['a', 'b'],
  );
});

void t.test("Docker's statuses carry the agent's address but for RUNNING", (t) => {
  const { cluster, start } = setUp();
  start('a');
  cluster.update('a', 'TASK_KILLING');
  const addresses = cluster
    .task('a')
    ?.statuses?.map(({ state, container_status: found }) => [
      state,
      found?.network_infos?.[0]?.ip_addresses?.[0]?.ip_address,
    ]);
  t.same(addresses, [
    ['TASK_STARTING', '10.0.1.11'],
    ['TASK_RUNNING', '10.0.100.2'],
    ['TASK_KILLING', '10.0.1.11'],
  ]);
  t.end();
});

void t.test('an agent is lost without AGENT_REMOVED and returns with its tasks first', (t) => {
  const { cluster, agents, start } = setUp();
  start('a');
  start('b', 1);
  const told = watch(cluster);
  cluster.loseAgent(agents[0] ?? '');
  t.same(
    [...cluster.view().unreachableTasks].map(({ task_id }) => task_id.value),
    ['a'],
  );
  t.equal(cluster.agents().length, 1);
  cluster.returnAgent(agents[0] ?? '');
  t.same(told, ['a TASK_UNREACHABLE', '+a TASK_RUNNING', '+agent S0']);
  t.equal(cluster.task('a')?.statuses?.length, 2, 'the agent never knew of the verdict');
  t.end();
});

void t.test('without PARTITION_AWARE a lost task is TASK_LOST; a master-made status has no uuid', (t) => {
  const { cluster, agents } = setUp();
  const framework = cluster.addFramework({ name: 'old', capabilities: [] });
  cluster.launch({ framework, name: 'job', taskId: 'x', agent: agents[0] ?? '' });
  cluster.running('x');
  cluster.loseAgent(agents[0] ?? '');
  const status = cluster.task('x')?.statuses?.at(-1);
  t.match(status, { state: 'TASK_LOST', source: 'SOURCE_MASTER', reason: 'REASON_AGENT_REMOVED', uuid: undefined });
  t.end();
});

void t.test('graceful removal, framework removal', (t) => {
  const { cluster, agents, framework, start } = setUp();
  start('a');
  start('b', 1);
  const told = watch(cluster);
  cluster.removeAgent(agents[0] ?? '');
  cluster.removeFramework(framework);
  t.same(told, ['a TASK_LOST', '-agent S0', 'b TASK_KILLED', '-framework marathon']);
  t.end();
});

void t.test('failover: recovered agents, then tasks of unknown frameworks after their agent', (t) => {
  const { cluster, agents, framework, start } = setUp();
  start('a');
  start('b', 1);
  const id = cluster.masterId;
  cluster.failover();
  t.not(cluster.masterId, id);
  const view = cluster.view();
  t.same([[...view.tasks], [...view.frameworks], [...view.agents]], [[], [], []]);
  t.equal([...view.recoveredAgents].length, 2);
  const told = watch(cluster);
  cluster.crash('b');
  t.same(told, [], 'nobody hears of agents that have not come back');
  cluster.reregisterAgent(agents[0] ?? '');
  cluster.resubscribeFramework(framework);
  cluster.reregisterAgent(agents[1] ?? '');
  t.same(told, ['+agent S0', '+framework marathon recovered', '+a TASK_RUNNING', 'framework marathon', '+agent S1']);
  t.equal([...cluster.view().recoveredAgents].length, 0);
  t.end();
});

void t.test('a scheduler that is away: later states without an event, told when it is back', (t) => {
  const { cluster, framework, start } = setUp();
  start('a');
  cluster.disconnectFramework(framework);
  const told = watch(cluster);
  cluster.setHealth('a', false);
  cluster.end('a', 'TASK_FINISHED');
  t.same(told, ['a TASK_RUNNING']);
  t.match(cluster.task('a'), { state: 'TASK_FINISHED' });
  t.equal(cluster.task('a')?.statuses?.at(-1)?.state, 'TASK_RUNNING', 'state is newer than status');
  t.equal(cluster.tasks().length, 1, 'terminal and not acknowledged: still listed');
  cluster.resubscribeFramework(framework);
  t.same(told.slice(1), ['framework marathon', 'a TASK_FINISHED']);
  t.equal(cluster.tasks().length, 0);
  cluster.addAgent();
  start('b');
  const before = told.length;
  cluster.silently('b', 'TASK_FAILED');
  t.equal(told.length, before);
  t.end();
});

void t.test('versions hide health events and recovered frameworks', async (t) => {
  const { cluster, agents, start } = setUp();
  const masters = await Promise.all([
    startFakeMasters(cluster, { version: '1.6' }),
    startFakeMasters(cluster, { version: '1.11' }),
  ]);
  t.teardown(() => Promise.all(masters.map((each) => each.close())));
  start('a');
  const streams = await Promise.all(masters.map((each) => subscribe(each.url())));
  await Promise.all(streams.map((stream) => recordsUntil(stream, 2)));
  cluster.setHealth('a', true);
  cluster.failover();
  cluster.reregisterAgent(agents[0] ?? '');
  cluster.update('a', 'TASK_FINISHED');
  const [old, fresh] = await Promise.all([recordsUntil(streams[0]!, 5), recordsUntil(streams[1]!, 7)]);
  t.same(
    old?.slice(2).map(({ type }) => type),
    ['AGENT_ADDED', 'TASK_ADDED', 'TASK_UPDATED'],
  );
  t.same(
    fresh?.slice(2).map(({ type }) => type),
    ['TASK_UPDATED', 'AGENT_ADDED', 'FRAMEWORK_ADDED', 'TASK_ADDED', 'TASK_UPDATED'],
  );
  streams.forEach((stream) => {
    stream.close();
  });
});

void t.test('masters fail over to an empty view', async (t) => {
  const { cluster, start } = setUp();
  start('a');
  const masters = await startFakeMasters(cluster, { count: 2 });
  t.teardown(() => masters.close());
  const stream = await subscribe(masters.url());
  await recordsUntil(stream, 2);
  masters.failover(1);
  t.equal(await stream.ended, 'end');
  const reply = await call(masters.url(), 'GET_STATE');
  t.match(JSON.parse(reply.body.toString()), {
    get_state: { get_tasks: { tasks: [] }, get_agents: { agents: [], recovered_agents: [{ port: 5051 }, {}] } },
  });
  cluster.recover();
  t.equal(cluster.tasks().length, 1);
  t.equal(cluster.agents().length, 2);
});

void t.test('the same seed gives the same cluster', (t) => {
  const ids = () => {
    const { cluster, start } = setUp();
    start('a');
    return JSON.stringify([...cluster.view().tasks]) + cluster.masterId;
  };
  t.equal(ids(), ids());
  t.end();
});
