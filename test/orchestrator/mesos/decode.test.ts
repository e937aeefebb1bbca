// Decoding of tasks, agents and frameworks: one table per form of network, both spellings, and what is doubtful in each.

import t from 'tap';
import { agentId, taskJson, type Task } from '../../../src/cluster/index.ts';
import {
  decodeAgent,
  decodeExecutor,
  decodeFramework,
  decodeMaster,
} from '../../../src/orchestrator/mesos/decode-cluster.ts';
import { decodeStatus } from '../../../src/orchestrator/mesos/decode-status.ts';
import { decodeTask, placeTask, updatedTask } from '../../../src/orchestrator/mesos/decode.ts';
import { addressOfPid, attributesOf, reservedPorts } from '../../../src/orchestrator/mesos/fields.ts';

const id = (value: string) => ({ value });
const labels = (entries: Readonly<Record<string, string>>) => ({
  labels: Object.entries(entries).map(([key, value]) => ({ key, value })),
});
const port = (number: number, name: string, entries: Readonly<Record<string, string>>, protocol = 'tcp') => ({
  number,
  name,
  protocol,
  labels: labels(entries),
});
const running = (ips: readonly string[], more: object = {}, network: object = {}) => ({
  state: 'TASK_RUNNING',
  timestamp: 100.5,
  container_status: { network_infos: [{ ip_addresses: ips.map((ip_address) => ({ ip_address })), ...network }] },
  ...more,
});
const base = {
  name: 'web.shop',
  task_id: id('t1'),
  framework_id: id('F'),
  agent_id: id('S'),
  state: 'TASK_RUNNING',
};
const agent = decodeAgent({ agent_info: { id: id('S'), hostname: 'h' }, pid: 'slave(1)@10.0.1.11:5051' });
const framework = decodeFramework({ framework_info: { id: id('F'), name: 'marathon' } });

function decode(raw: object, executor?: object): Task {
  const draft = decodeTask({ ...base, ...raw });
  if (draft === null || agent === null || framework === null) throw new Error('not decoded');
  const found = executor === undefined ? undefined : (decodeExecutor(executor) ?? undefined);
  return placeTask(draft, { agent, framework, executor: found, former: undefined });
}

const forms: readonly (readonly [string, object, object])[] = [
  [
    'host network',
    {
      statuses: [running(['10.0.1.11'])],
      resources: [{ name: 'ports', ranges: { range: [{ begin: 80, end: 80 }] } }],
      discovery: { name: 'lb.edge', ports: { ports: [port(80, 'http', { VIP_0: '/lb:80' })] } },
    },
    {
      discoveryName: 'lb.edge',
      networkMode: 'host',
      containerizer: null,
      hostPorts: [80],
      mappings: [],
      addresses: [{ ip: '10.0.1.11', network: null }],
      ports: [{ scope: 'host', hostPort: 80, containerPort: null, vips: ['/lb:80'] }],
    },
  ],
  [
    'Docker bridge',
    {
      statuses: [running(['10.0.250.2'])],
      container: {
        type: 'DOCKER',
        docker: { network: 'BRIDGE', port_mappings: [{ host_port: 21080, container_port: 80, protocol: 'tcp' }] },
      },
      discovery: { ports: { ports: [port(21080, 'http', { 'network-scope': 'host' })] } },
    },
    {
      networkMode: 'bridge',
      containerizer: 'docker',
      mappings: [{ protocol: 'tcp', hostPort: 21080, containerPort: 80 }],
      ports: [{ scope: 'host', hostPort: 21080, containerPort: 80 }],
    },
  ],
  [
    'Docker user network without host port',
    {
      statuses: [running(['10.0.100.2'], {}, { name: 'ovl' })],
      container: { type: 'DOCKER', docker: { network: 'USER' }, network_infos: [{ name: 'ovl' }] },
      discovery: {
        ports: {
          ports: [
            port(80, 'http', {
              'network-scope': 'container',
              'network-name': 'ovl',
              VIP_0: '/a:1',
              vip_x: '/b:2',
              Vip_0: '/c:3',
            }),
          ],
        },
      },
    },
    {
      networkMode: 'container',
      addresses: [{ ip: '10.0.100.2', network: 'ovl' }],
      ports: [{ scope: 'container', hostPort: null, containerPort: 80, network: 'ovl', vips: ['/a:1', '/b:2'] }],
    },
  ],
  [
    'Mesos bridge',
    {
      statuses: [running(['10.0.251.7'], {}, { name: 'mesos-bridge' })],
      container: {
        type: 'MESOS',
        network_infos: [
          { name: 'mesos-bridge', port_mappings: [{ host_port: 24080, container_port: 8080, protocol: 'TCP' }] },
        ],
      },
      discovery: { ports: { ports: [port(24080, 'http', { 'network-scope': 'host' }, 'TCP')] } },
    },
    {
      networkMode: 'bridge',
      containerizer: 'mesos',
      ports: [{ protocol: 'tcp', scope: 'host', hostPort: 24080, containerPort: 8080 }],
    },
  ],
  [
    'two networks, both families',
    {
      statuses: [
        {
          state: 'TASK_RUNNING',
          timestamp: 1,
          container_status: {
            network_infos: [
              { name: 'a', ip_addresses: [{ ip_address: '10.0.100.2' }, { ip_address: 'FD00::2' }] },
              { name: 'b', ip_addresses: [{ ip_address: '10.0.101.2' }, { ip_address: 'no address' }] },
            ],
          },
        },
      ],
      container: { type: 'MESOS', network_infos: [{ name: 'a' }, { name: 'b' }] },
    },
    {
      networkMode: 'container',
      addresses: [
        { ip: '10.0.100.2', network: 'a' },
        { ip: 'fd00::2', network: 'a' },
        { ip: '10.0.101.2', network: 'b' },
      ],
    },
  ],
  [
    'a framework that names no scope, on an overlay with a mapping',
    {
      statuses: [running(['10.0.100.9'], {}, { name: 'ovl' })],
      container: {
        type: 'MESOS',
        network_infos: [{ name: 'ovl', port_mappings: [{ host_port: 31000, container_port: 9092, protocol: 'tcp' }] }],
      },
      discovery: { ports: { ports: [port(9092, 'broker', {}), port(9093, 'plain', {}), port(0, 'none', {})] } },
    },
    {
      ports: [
        { name: 'broker', scope: 'host', hostPort: 31000, containerPort: 9092 },
        { name: 'plain', scope: 'container', hostPort: null, containerPort: 9093 },
      ],
    },
  ],
  [
    'old task labels for VIPs',
    {
      statuses: [running(['10.0.1.11'])],
      resources: [{ name: 'ports', ranges: { range: [{ begin: 31000, end: 31001 }] } }],
      labels: labels({
        vip_PORT0: 'tcp:///web:80',
        VIP_PORT1: 'udp://1.2.3.4:53',
        vip_PORT7: 'tcp:///beyond:1',
        vip_PORT1: 'http://x:1',
      }),
      discovery: { ports: { ports: [port(31000, 'http', {})] } },
    },
    {
      ports: [
        { name: 'http', hostPort: 31000, vips: ['/web:80'] },
        { name: null, protocol: 'udp', scope: 'host', hostPort: 31001, vips: ['1.2.3.4:53'] },
      ],
    },
  ],
];

for (const [what, raw, wanted] of forms) {
  t.test(what, async (t) => {
    const task = decode(raw);
    t.match(task, { ...wanted, key: 'F/t1', framework: 'marathon', agentIp: '10.0.1.11' });
    t.equal(task.ports.length, ((wanted as { ports?: unknown[] }).ports ?? []).length);
    t.ok(Object.isFrozen(task));
  });
}

t.test('a pod takes network, mappings and labels from its executor until its status tells', async (t) => {
  const executor = {
    executor_info: {
      executor_id: id('pod'),
      framework_id: id('F'),
      labels: labels({ team: 'db', role: 'pod' }),
      container: {
        type: 'MESOS',
        network_infos: [{ name: 'ovl', port_mappings: [{ host_port: 26033, container_port: 6033, protocol: 'tcp' }] }],
      },
    },
    agent_id: id('S'),
  };
  const task = decode(
    {
      executor_id: id('pod'),
      state: 'TASK_STAGING',
      labels: labels({ role: 'container' }),
      container: { type: 'MESOS' },
      discovery: { name: 'pxc.db', ports: { ports: [port(26033, 'sql', { 'network-scope': 'host' })] } },
    },
    executor,
  );
  t.match(task, { networkMode: 'container', labels: { team: 'db', role: 'container' }, executorId: 'pod' });
  t.match(task.ports, [{ hostPort: 26033, containerPort: 6033 }]);
  const alone = decode({
    executor_id: id('pod'),
    state: 'TASK_STAGING',
    discovery: { ports: { ports: [port(26033, 'sql', { 'network-scope': 'host' })] } },
  });
  t.match(alone.ports, [{ hostPort: 26033, containerPort: null }]);
  const network = { name: 'ovl', port_mappings: [{ host_port: 26033, container_port: 6033, protocol: 'tcp' }] };
  const later = updatedTask(alone, 'TASK_RUNNING', decodeStatus(running(['10.0.104.34'], {}, network)));
  t.match(later, {
    networkMode: 'container',
    addresses: [{ ip: '10.0.104.34', network: 'ovl' }],
    ports: [{ containerPort: 6033 }],
  });
});

t.test('addresses and health come from the newest TASK_RUNNING alone', async (t) => {
  const health = { health_check: { type: 'TCP' } };
  const statuses = [
    { ...running(['10.0.1.11']), state: 'TASK_STARTING', timestamp: 1 },
    { ...running(['10.0.100.2']), timestamp: 2, healthy: true },
    {
      ...running(['10.0.100.3']),
      timestamp: 3,
      healthy: false,
      labels: [{ key: 'Docker.NetworkSettings.IPAddress', value: '1.2.3.4' }],
    },
    { ...running(['10.0.100.2']), timestamp: 3, healthy: true },
    { ...running(['10.0.1.11']), state: 'TASK_KILLING', timestamp: 4 },
  ];
  const task = decode({ statuses, ...health });
  t.match(task, { healthy: false, hasHealthCheck: true, addresses: [{ ip: '10.0.100.3' }], runningSince: 3000 });
  t.same(task.statusLabels, { 'Docker.NetworkSettings.IPAddress': '1.2.3.4' });
  t.match(decode({ statuses, ...health, state: 'TASK_KILLING' }), { healthy: null, addresses: [{ ip: '10.0.100.3' }] });
  const killing = updatedTask(task, 'TASK_KILLING', decodeStatus(statuses[4]));
  t.match(killing, { state: 'TASK_KILLING', healthy: null, addresses: [{ ip: '10.0.100.3' }] });
  t.match(updatedTask(task, 'TASK_RUNNING', decodeStatus({ state: 'TASK_RUNNING', timestamp: 5, healthy: true })), {
    healthy: true,
    addresses: [{ ip: '10.0.100.3' }],
  });
  t.match(decode({ statuses: [], ...health }), { healthy: null, addresses: [], runningSince: null });
});

t.test('both spellings give the same task', async (t) => {
  const discovery = {
    name: 'web.shop',
    ports: { ports: [port(31000, 'http', { VIP_0: '/w:1', 'network-scope': 'host' })] },
  };
  const v1 = decode({
    statuses: [running(['10.0.1.11'], { healthy: true })],
    resources: [
      {
        name: 'ports',
        ranges: {
          range: [
            { begin: 31000, end: 31000 },
            { begin: 31002, end: 31003 },
          ],
        },
      },
    ],
    labels: labels({ a: 'b' }),
    discovery,
  });
  const v0 = decodeTask({
    id: 't1',
    name: 'web.shop',
    framework_id: 'F',
    slave_id: 'S',
    executor_id: '',
    state: 'TASK_RUNNING',
    statuses: [running(['10.0.1.11'], { healthy: true })],
    resources: { cpus: 1, ports: '[31000-31000, 31002-31003]' },
    labels: [{ key: 'a', value: 'b' }],
    discovery,
  });
  t.ok(v0);
  if (v0 === null || agent === null || framework === null) return;
  t.strictSame(placeTask(v0, { agent, framework, executor: undefined, former: undefined }), v1);
  t.strictSame(v1.hostPorts, [31000, 31002, 31003]);
});

t.test('a task without its ids is none', async (t) => {
  for (const raw of [
    null,
    'text',
    [],
    {},
    { ...base, task_id: {} },
    { ...base, framework_id: id('') },
    { ...base, agent_id: 5 },
  ]) {
    t.equal(decodeTask(raw), null);
  }
  t.ok(decodeTask({ ...base, statuses: {}, labels: 'x', discovery: { ports: {} }, resources: {}, state: 'TASK_NEW' }));
  t.equal(decodeTask({ ...base, state: 'TASK_NEW' })?.state, 'TASK_UNKNOWN');
});

t.test('the kill grace is in milliseconds', async (t) => {
  t.equal(decode({ kill_policy: { grace_period: { nanoseconds: 90_000_000_000 } } }).graceMs, 90_000);
  t.equal(decode({}).graceMs, null);
});

t.test('a task keeps the address of its agent while that is away', async (t) => {
  const former = decode({});
  const draft = decodeTask(base);
  if (draft === null) throw new Error('not decoded');
  const unknown = { agent: undefined, framework: undefined, executor: undefined };
  t.match(placeTask(draft, { ...unknown, former }), { agentIp: '10.0.1.11', framework: 'marathon' });
  const moved = decodeTask({ ...base, agent_id: id('other') });
  if (moved === null) throw new Error('not decoded');
  t.match(placeTask(moved, { ...unknown, former }), { agentIp: null, agentId: agentId('other') });
});

t.test('agents: address from the pid, from the host name only where that is an address', async (t) => {
  const one = (pid: unknown, hostname: string) => decodeAgent({ id: 'S', hostname, pid });
  t.match(one('slave(1)@10.0.1.11:5052', 'node'), {
    ip: '10.0.1.11',
    ips: ['10.0.1.11'],
    port: 5052,
    hostname: 'node',
  });
  t.match(one('slave(1)@[FD00::1]:5051', 'node'), { ip: 'fd00::1' });
  t.match(one('slave(1)@fd00::1:5051', 'node'), { ip: 'fd00::1', port: 5051 });
  t.match(one(' slave(1)@10.0.1.11:5051 ', 'node'), { ip: '10.0.1.11' });
  t.match(one('slave(1)@name:5051', '10.0.1.12'), { ip: '10.0.1.12', port: 5051 });
  t.match(one(undefined, 'node'), { ip: null, ips: [] });
  t.equal(decodeAgent({ hostname: 'x' }), null);
  t.match(decodeAgent({ agent_info: { id: id('S'), hostname: 'h' }, deactivated: true }), { active: false });
  const domain = { fault_domain: { region: { name: 'r' }, zone: { name: 'z' } } };
  t.match(decodeAgent({ agent_info: { id: id('S'), domain } }), { region: 'r', zone: 'z', active: true });
});

t.test('attributes, ports and pids in every spelling', async (t) => {
  t.same(attributesOf({ rack: 'r1', n: 5 }), { rack: 'r1', n: '5' });
  const list = [
    { name: 'rack', text: { value: 'r1' } },
    { name: 'n', scalar: { value: 5 } },
    { name: 'p', ranges: { range: [{ begin: 1, end: 2 }] } },
    { name: 's', set: { item: ['x', 'y'] } },
  ];
  t.same(attributesOf(list), { rack: 'r1', n: '5', p: '[1-2]', s: '{x, y}' });
  t.same(reservedPorts({ ports: '[3-4, 1-1]' }), [3, 4, 1]);
  t.same(reservedPorts([{ name: 'cpus' }, { name: 'ports', ranges: { range: [{ begin: 9, end: 8 }] } }]), []);
  t.equal(addressOfPid('nothing'), null);
  t.same(decodeMaster({ address: { ip: '10.0.0.11', port: 5050 }, hostname: 'm' }), { ip: '10.0.0.11', port: 5050 });
  t.same(decodeMaster({ hostname: 'm', pid: 'master@10.0.0.12:5050' }), { ip: '10.0.0.12', port: 5050 });
});

t.test('frameworks of both spellings', async (t) => {
  t.match(decodeFramework({ id: 'F', name: 'm', pid: 'scheduler-1@10.0.0.1:1', webui_url: '', active: false }), {
    pid: 'scheduler-1@10.0.0.1:1',
    webuiUrl: null,
    active: false,
  });
  t.match(framework, { id: 'F', name: 'marathon', pid: null, active: true });
});

t.test('a task as the admin API shows it', async (t) => {
  const [, raw] = forms[2] ?? [];
  t.strictSame(JSON.parse(JSON.stringify(taskJson(decode(raw ?? {})))), {
    framework: 'marathon',
    frameworkId: 'F',
    taskId: 't1',
    taskName: 'web.shop',
    discoveryName: null,
    agentIp: '10.0.1.11',
    state: 'TASK_RUNNING',
    mesosHealthy: null,
    hasMesosHealthCheck: false,
    taskIps: ['10.0.100.2'],
    networks: ['ovl'],
    ports: [{ name: 'http', protocol: 'tcp', scope: 'container', vips: ['/a:1', '/b:2'], containerPort: 80 }],
  });
});
