// Random events of a small cluster: few ids, so that tasks collide, come back, move and share addresses and labels.

import fc from 'fast-check';
import {
  agentId,
  appKey,
  backendKey,
  frameworkId,
  noLabels,
  taskId,
  taskKey,
  type Agent,
  type App,
  type ClusterEvent,
  type Framework,
  type Labels,
  type Masters,
  type Task,
  type TaskPort,
} from '../../src/cluster/index.ts';

const frameworkIds = ['fw1', 'fw2'] as const;
const agentIps = ['10.0.0.1', '10.0.0.2', '10.0.0.3'] as const;
const containerIps = ['9.0.0.1', '9.0.0.2', '9.0.0.3', 'fd01:b::1', 'fd01:b::2'] as const;
const vipLabels = [
  '/web:80',
  'web:80',
  '/web:81',
  '/api.v2:80',
  '192.0.2.1:53',
  'fd01:c::5:80',
  'noport',
  '/x:0',
] as const;
const vipNames = ['web.marathon', 'web.kafka', 'api.v2.marathon'] as const;
const states = [
  'TASK_RUNNING',
  'TASK_RUNNING',
  'TASK_RUNNING',
  'TASK_KILLING',
  'TASK_STAGING',
  'TASK_UNREACHABLE',
] as const;

const frozen = <T extends object>(value: T): T => Object.freeze(value);
const ofNumber = fc.integer({ min: 0, max: 5 });

const labels: fc.Arbitrary<Labels> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(noLabels) },
  fc.constantFrom<Labels>({ vip_port0: 'tcp://old:80' }, { vip_port7: 'tcp://far:80' }, { VIP_0: '/misplaced:80' }),
);

const port: fc.Arbitrary<TaskPort> = fc
  .record({
    name: fc.constantFrom(null, 'http'),
    protocol: fc.constantFrom('tcp', 'tcp', 'udp', 'sctp'),
    scope: fc.constantFrom('host' as const, 'container' as const),
    number: fc.constantFrom(0, 80, 31000, 31001),
    network: fc.constantFrom(null, 'dcos'),
    vips: fc.uniqueArray(fc.constantFrom(...vipLabels), { maxLength: 3 }),
  })
  .map(({ number, ...rest }) =>
    frozen({
      ...rest,
      hostPort: rest.scope === 'host' ? number : null,
      containerPort: rest.scope === 'container' ? number : null,
      labels: frozen(Object.fromEntries(rest.vips.map((vip, i) => [`VIP_${i}`, vip]))),
    }),
  );

/** Shape and liveness of one of twelve tasks. */
const arbitraryTask: fc.Arbitrary<Task> = fc
  .record({
    n: ofNumber,
    framework: fc.constantFrom(...frameworkIds),
    state: fc.constantFrom(...states),
    agentIp: fc.constantFrom(null, ...agentIps),
    healthy: fc.constantFrom(null, true, false),
    hasHealthCheck: fc.boolean(),
    addresses: fc.uniqueArray(fc.constantFrom(...containerIps), { maxLength: 2 }),
    networkMode: fc.constantFrom('host' as const, 'bridge' as const, 'container' as const),
    ports: fc.array(port, { maxLength: 2 }),
    mapped: fc.boolean(),
    labels,
    app: fc.constantFrom(null, '/a', '/b'),
    ready: fc.constantFrom(null, null, false),
  })
  .map((draw) => {
    const framework = frameworkId(draw.framework);
    const id = taskId(`t${draw.n}`);
    return frozen<Task>({
      key: taskKey(framework, id),
      frameworkId: framework,
      framework: draw.framework === 'fw1' ? 'marathon' : 'kafka',
      id,
      name: `task${draw.n}`,
      discoveryName: null,
      agentId: agentId(`agent-${draw.agentIp ?? 'unknown'}`),
      agentIp: draw.agentIp,
      agentIps: draw.agentIp === null ? [] : [draw.agentIp],
      zone: null,
      state: draw.state,
      healthy: draw.healthy,
      hasHealthCheck: draw.hasHealthCheck,
      addresses: draw.addresses.map((ip) => ({ ip, network: 'dcos' })),
      networkMode: draw.networkMode,
      containerizer: 'mesos',
      ports: draw.ports,
      mappings: draw.mapped ? [{ protocol: 'tcp', hostPort: 31000, containerPort: 80 }] : [],
      hostPorts: [31000, 31001],
      labels: draw.labels,
      statusLabels: noLabels,
      executorId: null,
      graceMs: null,
      runningSince: null,
      appKey: draw.app === null ? null : appKey('marathon', draw.app),
      appVersion: null,
      appHealth: null,
      ready: draw.ready,
    });
  });

const arbitraryAgent: fc.Arbitrary<Agent> = fc
  .record({ ip: fc.constantFrom(...agentIps), active: fc.boolean() })
  .map(({ ip, active }) => ({
    id: agentId(`agent-${ip}`),
    ip,
    ips: [ip],
    hostname: ip,
    port: 5051,
    region: null,
    zone: null,
    attributes: {},
    active,
  }));

const arbitraryFramework: fc.Arbitrary<Framework> = fc
  .record({ id: fc.constantFrom(...frameworkIds), active: fc.boolean() })
  .map(({ id, active }) => ({
    id: frameworkId(id),
    name: id === 'fw1' ? 'marathon' : 'kafka',
    hostname: 'sched',
    pid: null,
    webuiUrl: null,
    active,
  }));

const arbitraryApp: fc.Arbitrary<App> = fc
  .record({ id: fc.constantFrom('/a', '/b'), instances: ofNumber })
  .map(({ id, instances }) => ({
    key: appKey('marathon', id),
    marathon: 'marathon',
    frameworkId: frameworkId('fw1'),
    id,
    labels: noLabels,
    networkMode: 'host' as const,
    ports: [],
    healthChecks: [],
    hasReadinessChecks: false,
    instances,
    version: null,
    deploying: false,
    inferred: false,
  }));

const arbitraryMasters: fc.Arbitrary<Masters> = fc.constantFrom('10.0.0.1', '10.0.0.2').map((ip) => {
  const leader = { ip, port: 5050 };
  return { leader, all: [leader] };
});

const arbitraryResync: fc.Arbitrary<ClusterEvent> = fc
  .record({
    tasks: fc.uniqueArray(arbitraryTask, { selector: ({ key }) => key, maxLength: 6 }),
    agents: fc.uniqueArray(arbitraryAgent, { selector: ({ id }) => id, maxLength: 3 }),
    frameworks: fc.uniqueArray(arbitraryFramework, { selector: ({ id }) => id, maxLength: 2 }),
    apps: fc.uniqueArray(arbitraryApp, { selector: ({ key }) => key, maxLength: 2 }),
    masters: arbitraryMasters,
  })
  .map((picture) => ({ type: 'resync' as const, picture }));

const arbitraryVerdict: fc.Arbitrary<ClusterEvent> = fc
  .record({
    ip: fc.constantFrom(...agentIps, ...containerIps),
    port: fc.constantFrom(80, 31000, 31001),
    verdict: fc.constantFrom(null, 'passing' as const, 'failing' as const, 'drained' as const),
  })
  .map(({ ip, port: number, verdict }) => ({ type: 'checked' as const, backend: backendKey(ip, number), verdict }));

const arbitraryAllocation: fc.Arbitrary<ClusterEvent> = fc
  .record({
    name: fc.constantFrom(...vipNames),
    allocation: fc.constantFrom(null, { ip4: '11.0.0.1', ip6: null }, { ip4: '11.0.0.2', ip6: 'fd01:c::1' }),
  })
  .map((draw) => ({ type: 'allocated' as const, ...draw }));

export const arbitraryEvent: fc.Arbitrary<ClusterEvent> = fc.oneof(
  { weight: 12, arbitrary: arbitraryTask.map((task) => ({ type: 'task' as const, key: task.key, task })) },
  { weight: 4, arbitrary: arbitraryTask.map(({ key }) => ({ type: 'task' as const, key, task: null })) },
  { weight: 2, arbitrary: arbitraryResync },
  { weight: 3, arbitrary: arbitraryVerdict },
  { weight: 3, arbitrary: arbitraryAllocation },
  { weight: 1, arbitrary: arbitraryAgent.map((agent) => ({ type: 'agent' as const, id: agent.id, agent })) },
  {
    weight: 1,
    arbitrary: arbitraryFramework.map((framework) => ({ type: 'framework' as const, id: framework.id, framework })),
  },
  { weight: 1, arbitrary: arbitraryApp.map((app) => ({ type: 'app' as const, key: app.key, app })) },
  { weight: 1, arbitrary: arbitraryMasters.map((masters) => ({ type: 'masters' as const, masters })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<ClusterEvent>(
      { type: 'contact', source: 'mesos', at: 1 },
      { type: 'lost-contact', source: 'mesos', at: 2, reason: 'r' },
    ),
  },
);

/** Starts with a whole picture, as an orchestrator does. */
export const arbitraryHistory: fc.Arbitrary<readonly ClusterEvent[]> = fc
  .tuple(arbitraryResync, fc.array(arbitraryEvent, { maxLength: 30 }))
  .map(([first, rest]) => [first, ...rest]);
