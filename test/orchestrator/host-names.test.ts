// Host names of agents and frameworks: never waited for, told again with what was found, and kept while they cannot be looked up.

import t from 'tap';
import { agentId, frameworkId, noMasters, taskId, type ClusterEvent } from '../../src/cluster/index.ts';
import { HostNames } from '../../src/orchestrator/host-names.ts';
import { createZoneView } from '../../dns/index.ts';
import { manualClock } from '../runtime/manual-clock.ts';
import { putTask, sampleAgent, sampleFramework, sampleTask, snapshotOf } from '../dns/samples.ts';

const agent = { ...sampleAgent('x-S1', null), hostname: 'Agent-1.corp.example' };
const framework = { ...sampleFramework('f', 'marathon', null), hostname: 'scheduler.corp.example' };
const task = sampleTask({ id: taskId('t'), agentId: agentId('x-S1'), agentIp: null, agentIps: [] });
const picture = { tasks: [task], agents: [agent], frameworks: [framework], apps: [], masters: noMasters };

interface Scene {
  readonly clock: ReturnType<typeof manualClock>;
  readonly names: HostNames;
  readonly asked: string[];
  readonly told: ClusterEvent[][];
  readonly addresses: Map<string, readonly string[]>;
  readonly settled: () => Promise<void>;
}

function scene(): Scene {
  const clock = manualClock();
  const asked: string[] = [];
  const told: ClusterEvent[][] = [];
  const addresses = new Map<string, readonly string[]>();
  const names = new HostNames({
    clock,
    lookup: (host) => {
      asked.push(host);
      const ips = addresses.get(host);
      return ips === undefined ? Promise.reject(new Error('no such host')) : Promise.resolve(ips);
    },
    onFound: (events) => told.push([...events]),
  });
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { clock, names, asked, told, addresses, settled };
}

t.test('what is found is told, for the agent, its tasks and the framework', async (t) => {
  const { names, told, addresses, settled, asked } = scene();
  addresses.set('agent-1.corp.example', ['10.0.0.7', 'fd00::7']);
  addresses.set('scheduler.corp.example', ['10.0.0.9']);
  t.strictSame(names.fill([{ type: 'resync', picture }]), [{ type: 'resync', picture }], 'passed on at once as it is');
  await settled();
  t.strictSame(asked.sort(), ['agent-1.corp.example', 'scheduler.corp.example']);
  const events = told.flat();
  t.match(
    events.find(({ type }) => type === 'agent'),
    { agent: { ip: '10.0.0.7', ips: ['10.0.0.7', 'fd00::7'] } },
  );
  t.match(
    events.find(({ type }) => type === 'task'),
    { task: { agentIp: '10.0.0.7', agentIps: ['10.0.0.7', 'fd00::7'] } },
  );
  const view = createZoneView({});
  view.rebuild(snapshotOf({ type: 'resync', picture }, ...events));
  const lines = view.print().split('\n');
  t.ok(lines.includes('marathon.mesos. 60 IN A 10.0.0.9'));
  t.ok(lines.includes('slave.mesos. 60 IN A 10.0.0.7'));
  t.match(
    names.fill([{ type: 'resync', picture }]),
    [{ picture: { tasks: [{ agentIp: '10.0.0.7' }] } }],
    'known from now on',
  );
  t.match(names.fill([putTask(task)]), [{ task: { agentIp: '10.0.0.7' } }]);
  names.stop();
});

t.test('looked up again: sooner where nothing was found, and a failure takes nothing away', async (t) => {
  const { names, told, addresses, settled, asked, clock } = scene();
  names.fill([{ type: 'agent', id: agent.id, agent }]);
  await settled();
  t.equal(told.length, 0);
  addresses.set('agent-1.corp.example', ['10.0.0.7']);
  clock.advance(5_000);
  await settled();
  t.match(told, [[{ type: 'agent', agent: { ip: '10.0.0.7' } }]]);
  addresses.delete('agent-1.corp.example');
  clock.advance(60_000);
  await settled();
  t.match(names.fill([{ type: 'agent', id: agent.id, agent }]), [{ agent: { ip: '10.0.0.7' } }]);
  addresses.set('agent-1.corp.example', ['10.0.0.8']);
  clock.advance(60_000);
  await settled();
  t.match(told.at(-1), [{ agent: { ip: '10.0.0.8' } }], 'a move is told');
  names.fill([{ type: 'agent', id: agent.id, agent: null }]);
  const before = asked.length;
  clock.advance(60_000);
  await settled();
  clock.advance(600_000);
  await settled();
  t.equal(asked.length, before + 1, 'nobody has the name any more');
  names.stop();
});

t.test('addresses are not looked up, and localhost is loopback', async (t) => {
  const { names, asked, settled } = scene();
  const own = { ...framework, hostname: 'localhost' };
  const events = names.fill([
    { type: 'agent', id: agentId('x-S2'), agent: sampleAgent('x-S2', '10.0.0.8') },
    { type: 'framework', id: frameworkId('f'), framework: own },
    { type: 'framework', id: frameworkId('g'), framework: sampleFramework('g', 'kafka', 'scheduler-1@10.0.0.9:8080') },
  ]);
  await settled();
  t.strictSame(asked, []);
  t.match(events, [{}, { framework: { ips: ['127.0.0.1'] } }, {}]);
  names.stop();
});

t.test(
  'hosts that tasks of Marathon name: looked up beside the events, in every view, kept over a restart',
  async (t) => {
    const { clock, told, addresses, settled, asked } = scene();
    const host = 'Agent-7.corp.example';
    const named = { ...task, agentHost: host };
    const open = (): HostNames =>
      new HostNames({
        clock,
        ofTasks: true,
        lookup: (name) => {
          asked.push(name);
          const ips = addresses.get(name);
          return ips === undefined ? Promise.reject(new Error('no such host')) : Promise.resolve(ips);
        },
        onFound: (events) => told.push([...events]),
      });
    const names = open();
    addresses.set('agent-7.corp.example', ['10.0.0.7']);
    t.match(names.fill([putTask(named)]), [{ task: { agentIp: null } }], 'nobody waits');
    await settled();
    t.match(told, [[{ type: 'task', task: { agentIp: '10.0.0.7', agentIps: ['10.0.0.7'] } }]]);
    t.match(names.fill([putTask(named)]), [{ task: { agentIp: '10.0.0.7' } }]);
    t.equal(asked.length, 1);
    names.fill([{ type: 'task', key: named.key, task: null }]);
    clock.advance(60_000);
    await settled();
    clock.advance(600_000);
    await settled();
    t.equal(asked.length, 2, 'nobody names the host any more');
    names.stop();

    const after = open();
    addresses.clear();
    const saved = { ...named, agentIp: '10.0.0.7', agentIps: ['10.0.0.7'] };
    after.fill([{ type: 'resync', picture: { ...picture, agents: [], frameworks: [], tasks: [saved] } }]);
    t.match(
      after.fill([putTask(named)]),
      [{ task: { agentIp: '10.0.0.7' } }],
      'what was known, while it cannot be asked',
    );
    after.stop();
  },
);
