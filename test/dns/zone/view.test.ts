// The zone view: its law over random histories, the names of a task, and what a change costs.

import t from 'tap';
import fc from 'fast-check';
import { agentId, frameworkId, taskId, type ClusterEvent, type Task } from '../../../src/cluster/index.ts';
import { createZoneView, type RecordSources, type ZoneOptions } from '../../../dns/index.ts';
import { rrsOf } from '../../../dns/zone/index.ts';
import { arbitraryHistory } from '../../cluster/arbitrary-events.ts';
import { testViewLaw } from '../../contracts/view.ts';
import {
  dropTask,
  liveZone,
  putTask,
  sampleAgent,
  sampleFramework,
  sampleMasters,
  samplePort,
  sampleTask,
  snapshotOf,
  workedExample,
} from '../samples.ts';

/** Names that meet, names that need cutting, and discovery names beside those of the common histories. */
const discoveryNames = [null, 'web', 'a.b-c', 'a-b.c', 'x'.repeat(63), 'bad..name', 'Up.Case'] as const;
const histories = fc
  .tuple(arbitraryHistory, fc.array(fc.constantFrom(...discoveryNames), { minLength: 1, maxLength: 9 }))
  .map(([events, names]) => events.map((event, i) => renamed(event, names, i)));

function renamed(event: ClusterEvent, names: readonly (string | null)[], i: number): ClusterEvent {
  const rename = (task: Task, j: number): Task =>
    Object.freeze({ ...task, discoveryName: names[(i + j) % names.length] ?? null });
  if (event.type === 'task' && event.task !== null) return { ...event, task: rename(event.task, 0) };
  if (event.type !== 'resync') return event;
  return { ...event, picture: { ...event.picture, tasks: event.picture.tasks.map(rename) } };
}

t.test('law', async (t) => {
  testViewLaw(t, () => createZoneView({}), { histories });
});

t.test('law with other settings', async (t) => {
  const options: ZoneOptions = {
    ipSources: ['host', 'netinfo'],
    ipSelection: 'first-source',
    enforceRFC952: true,
    masterOrder: 'stable',
  };
  testViewLaw(t, () => createZoneView(options), { histories, runs: 100 });
});

function linesOf(options: ZoneOptions, events: readonly ClusterEvent[], suffix: string): readonly string[] {
  const view = createZoneView(options);
  view.rebuild(snapshotOf(...events));
  const lines = view.print().split('\n');
  return lines.filter((line) => (line.split(' ')[0] ?? '').endsWith(suffix));
}

t.test('the worked example of the specification', async (t) => {
  const lines = linesOf({ ipSources: ['host', 'netinfo'] }, [putTask(workedExample())], '.marathon.mesos.');
  const slaves = linesOf({}, [putTask(workedExample())], '.slave.mesos.');
  t.strictSame(lines, [
    '_app-sub-group._tcp.marathon.mesos. 60 IN SRV 0 1 31000 app-sub-group-u3no4-s0.marathon.mesos.',
    '_app.sub.group._tcp.marathon.mesos. 60 IN SRV 0 1 31000 app.sub.group-u3no4-s0.marathon.mesos.',
    '_http._app-sub-group._tcp.marathon.mesos. 60 IN SRV 0 1 31000 app-sub-group-u3no4-s0.marathon.mesos.',
    '_http._app.sub.group._tcp.marathon.mesos. 60 IN SRV 0 1 31000 app.sub.group-u3no4-s0.marathon.mesos.',
    'app-sub-group-u3no4-s0.marathon.mesos. 60 IN A 10.0.0.7',
    'app-sub-group.marathon.mesos. 60 IN A 10.0.0.7',
    'app.sub.group-u3no4-s0.marathon.mesos. 60 IN A 10.0.0.7',
    'app.sub.group.marathon.mesos. 60 IN A 10.0.0.7',
  ]);
  t.strictSame(slaves, [
    '_app-sub-group._tcp.marathon.slave.mesos. 60 IN SRV 0 1 31000 app-sub-group-u3no4-s0.marathon.slave.mesos.',
    '_app-sub-group._udp.marathon.slave.mesos. 60 IN SRV 0 1 31000 app-sub-group-u3no4-s0.marathon.slave.mesos.',
    '_app.sub.group._tcp.marathon.slave.mesos. 60 IN SRV 0 1 31000 app.sub.group-u3no4-s0.marathon.slave.mesos.',
    '_app.sub.group._udp.marathon.slave.mesos. 60 IN SRV 0 1 31000 app.sub.group-u3no4-s0.marathon.slave.mesos.',
    'app-sub-group-u3no4-s0.marathon.slave.mesos. 60 IN A 10.0.0.7',
    'app-sub-group.marathon.slave.mesos. 60 IN A 10.0.0.7',
    'app.sub.group-u3no4-s0.marathon.slave.mesos. 60 IN A 10.0.0.7',
    'app.sub.group.marathon.slave.mesos. 60 IN A 10.0.0.7',
  ]);
});

t.test('without discovery information the SRV records point to the agent', async (t) => {
  const task = sampleTask({ id: taskId('a'), hostPorts: [31000] });
  t.strictSame(linesOf({}, [putTask(task)], '_tcp.marathon.mesos.'), [
    '_web._tcp.marathon.mesos. 60 IN SRV 0 1 31000 web-o556e-s0.marathon.slave.mesos.',
  ]);
});

t.test('addresses by source and selection', async (t) => {
  const task = sampleTask({
    addresses: [
      { ip: '9.0.1.2', network: 'dcos' },
      { ip: '9.0.1.3', network: 'dcos' },
      { ip: 'fd01:b::1', network: 'dcos6' },
    ],
    statusLabels: {
      'MesosContainerizer.NetworkSettings.IPAddress': '7.7.7.7',
      'Docker.NetworkSettings.IPAddress': 'nonsense',
    },
  });
  const cases: readonly (readonly [ZoneOptions, readonly string[]])[] = [
    [{}, ['A 9.0.1.2', 'AAAA fd01:b::1']],
    [{ ipSelection: 'first-source' }, ['A 9.0.1.2', 'A 9.0.1.3', 'AAAA fd01:b::1']],
    [{ ipSources: ['host', 'netinfo'] }, ['A 10.0.0.7', 'AAAA fd01:b::1']],
    [{ ipSources: ['docker', 'mesos', 'host'] }, ['A 7.7.7.7']],
    [{ ipSources: ['docker'] }, []],
  ];
  for (const [options, wanted] of cases) {
    const lines = linesOf(options, [putTask(task)], '').filter((line) => line.startsWith('web.marathon.mesos. '));
    t.strictSame(
      lines.map((line) => line.replace(/^.* IN /, '')),
      wanted,
      JSON.stringify(options),
    );
  }
});

t.test('only running tasks that can be placed are published', async (t) => {
  const hidden: readonly Partial<Task>[] = [
    { state: 'TASK_KILLING' },
    { state: 'TASK_STAGING' },
    { state: 'TASK_UNREACHABLE' },
    { agentIp: null, agentIps: [] },
    { framework: '' },
  ];
  for (const changes of hidden) {
    t.strictSame(linesOf({}, [putTask(sampleTask(changes))], '.marathon.mesos.'), [], JSON.stringify(changes));
  }
});

t.test('masters, agents and frameworks', async (t) => {
  const events: ClusterEvent[] = [
    { type: 'masters', masters: sampleMasters },
    { type: 'agent', id: agentId('x-S0'), agent: sampleAgent('x-S0', '10.0.0.7') },
    { type: 'agent', id: agentId('x-S1'), agent: sampleAgent('x-S1', '10.0.0.8') },
    { type: 'agent', id: agentId('x-S2'), agent: sampleAgent('x-S2', null) },
    {
      type: 'framework',
      id: frameworkId('f'),
      framework: sampleFramework('f', 'Marathon.Prod', 'scheduler-1@10.0.0.9:8080'),
    },
    { type: 'framework', id: frameworkId('g'), framework: sampleFramework('g', 'bad', 'scheduler-1@nowhere:8080') },
  ];
  t.strictSame(linesOf({ listenAddresses: ['10.0.0.3'] }, events, 'mesos.'), [
    '_framework._tcp.marathon.prod.mesos. 60 IN SRV 0 1 8080 marathon.prod.mesos.',
    '_leader._tcp.mesos. 60 IN SRV 0 1 5050 leader.mesos.',
    '_leader._udp.mesos. 60 IN SRV 0 1 5050 leader.mesos.',
    '_slave._tcp.mesos. 60 IN SRV 0 1 5051 slave.mesos.',
    'leader.mesos. 60 IN A 10.0.0.1',
    'marathon.prod.mesos. 60 IN A 10.0.0.9',
    'master.mesos. 60 IN A 10.0.0.1',
    'master.mesos. 60 IN A 10.0.0.2',
    'master0.mesos. 60 IN A 10.0.0.1',
    'master1.mesos. 60 IN A 10.0.0.2',
    'mesos-dns.mesos. 60 IN A 10.0.0.3',
    'mesos. 60 IN NS ns1.mesos.',
    'mesos. 60 IN SOA ns1.mesos. root.ns1.mesos. 0 60 600 86400 5',
    'ns1.mesos. 60 IN A 10.0.0.3',
    'slave.mesos. 60 IN A 10.0.0.7',
    'slave.mesos. 60 IN A 10.0.0.8',
  ]);
});

t.test('this machine, and serials as dcos-net has them', async (t) => {
  const zone = 'thisnode.thisdcos.directory.';
  const own = (listenAddresses: readonly string[]): readonly string[] =>
    linesOf({ listenAddresses }, [], zone).filter((line) => / A+ /.test(line));
  t.strictSame(own(['198.51.100.1', '10.0.0.3', '10.0.0.4', 'fd00::3']), [
    `${zone} 5 IN A 10.0.0.3`,
    `${zone} 5 IN AAAA fd00::3`,
  ]);
  t.strictSame(own(['127.0.0.1']), [`${zone} 5 IN A 127.0.0.1`]);
  const soa = linesOf({ fixedSerials: true, now: () => 9e11 }, [], 'zk.').find((line) => line.includes(' SOA '));
  t.equal(soa, 'zk. 5 IN SOA ns.spartan. support.mesosphere.com. 1 60 180 86400 1');
});

t.test('numbers of masters', async (t) => {
  const at = (n: number): { ip: string; port: number } => ({ ip: `10.0.0.${n}`, port: 5050 });
  const numbers = (all: readonly number[], leader: number, options: ZoneOptions = {}): string => {
    const events: ClusterEvent[] = [{ type: 'masters', masters: { leader: at(leader), all: all.map(at) } }];
    const lines = linesOf(options, events, '.mesos.').filter((line) => /^master\d/.test(line));
    return lines.map((line) => line.replace(/^master(\d).*\.(\d+)$/, '$1=$2')).join(' ');
  };
  t.equal(numbers([8, 6, 7], 6), '0=8 1=6 2=7');
  t.equal(numbers([8, 8], 6), '0=8 1=6', 'a leader that is not listed comes last, doubles count once');
  t.equal(numbers([9, 3], 9), '0=9 1=3');
  t.equal(numbers([9, 3], 9, { masterOrder: 'stable' }), '0=3 1=9');
});

t.test('dcos-net names: agent, container, and what is reached', async (t) => {
  const suffix = 'dcos.thisdcos.directory.';
  const overlay = { name: 'app.sub.group', addresses: [{ ip: '9.0.1.2', network: 'dcos' }] };
  const short = (task: Task): readonly string[] =>
    linesOf({}, [putTask(task)], `.${suffix}`).map((line) => line.replace(`.${suffix} 5 IN`, ''));
  t.strictSame(short(sampleTask(overlay)), [
    'app-sub-group.marathon.agentip A 10.0.0.7',
    'app-sub-group.marathon.autoip A 9.0.1.2',
    'app-sub-group.marathon.containerip A 9.0.1.2',
  ]);
  const mapped = { ...overlay, mappings: [{ protocol: 'tcp', hostPort: 31000, containerPort: 80 }] };
  t.ok(
    short(sampleTask(mapped)).includes('app-sub-group.marathon.autoip A 10.0.0.7'),
    'a host port makes it the agent',
  );
  t.strictSame(short(sampleTask({ name: 'x' })), ['x.marathon.agentip A 10.0.0.7', 'x.marathon.autoip A 10.0.0.7']);
});

t.test('a VIP has a name while a task asks for it and an address is given', async (t) => {
  const zone = liveZone();
  const task = sampleTask({ ports: [samplePort({ vips: ['/my/web:80', '192.0.2.1:80'] })] });
  const lines = (): readonly string[] =>
    zone.view
      .print()
      .split('\n')
      .filter((line) => line.includes('marathon.l4lb.'));
  zone.feed(putTask(task));
  t.strictSame(lines(), []);
  zone.feed({ type: 'allocated', name: 'myweb.marathon', allocation: { ip4: '11.0.0.9', ip6: 'fd01:c::9' } });
  t.strictSame(lines(), [
    '9.0.0.11.in-addr.arpa. 5 IN PTR myweb.marathon.l4lb.thisdcos.directory.',
    'myweb.marathon.l4lb.thisdcos.directory. 5 IN A 11.0.0.9',
  ]);
  zone.feed(putTask({ ...task, state: 'TASK_KILLING' }));
  t.equal(lines().length, 2, 'a task being killed still serves what it has');
  zone.feed(dropTask(task));
  t.strictSame(lines(), []);
});

t.test('a VIP’s name has addresses of the families of its backends', async (t) => {
  const zone = liveZone();
  const types = (): string =>
    zone.view
      .print()
      .split('\n')
      .flatMap((line) => /^pair\.marathon\.l4lb\S* 5 IN (\S+)/.exec(line)?.[1] ?? [])
      .join(' ');
  const vips = ['/pair:80'];
  const own = { scope: 'container', hostPort: null, containerPort: 9000, vips } as const;
  const old = sampleTask({ id: taskId('pair.1'), ports: [samplePort({ vips })] });
  const young = sampleTask({
    id: taskId('pair.2'),
    networkMode: 'container',
    addresses: [{ ip: 'fd01:b::7', network: 'ovl6' }],
    ports: [samplePort(own)],
  });
  zone.feed({ type: 'allocated', name: 'pair.marathon', allocation: { ip4: '11.0.0.9', ip6: 'fd01:c::9' } });
  zone.feed(putTask(old));
  t.equal(types(), 'A');
  zone.feed(putTask(young));
  t.equal(types(), 'A AAAA');
  zone.feed(dropTask(old));
  t.equal(types(), 'AAAA');
  zone.feed(putTask({ ...young, addresses: [] }));
  t.equal(types(), '', 'without an address there is no backend');
  zone.feed(putTask({ ...young, ports: [samplePort({ ...own, protocol: 'sctp' })] }));
  t.equal(types(), '', 'VIPs are for TCP and UDP');
});

t.test('a change touches the names of its task alone, however many tasks there are', async (t) => {
  const costs = [10, 1000].map((count) => {
    const others = Array.from({ length: count }, (_, i) =>
      putTask(sampleTask({ id: taskId(`o${i}`), name: `other${i}` })),
    );
    const zone = liveZone({}, ...others);
    const before = zone.view.touchedNames;
    zone.feed(putTask(workedExample()));
    return zone.view.touchedNames - before;
  });
  t.equal(costs[0], costs[1]);
  t.ok((costs[0] ?? 0) > 0 && (costs[0] ?? 0) <= 20, `${costs[0]} names`);
});

t.test('a change that no record shows changes nothing', async (t) => {
  const zone = liveZone({}, putTask(workedExample()));
  const change = zone.feed(putTask({ ...workedExample(), healthy: false }));
  t.strictSame(change, { set: [], removed: [] });
  t.equal(zone.snapshot.version, 2, 'although the task did change');
});

t.test('instances share a name, and the last one takes it away', async (t) => {
  const zone = liveZone();
  const [one, two] = [
    sampleTask({ id: taskId('w1') }),
    sampleTask({ id: taskId('w2'), agentIp: '10.0.0.8', agentIps: ['10.0.0.8'] }),
  ];
  const addresses = (): number => zone.view.table.get('web.marathon.mesos.')?.split('\n').length ?? 0;
  zone.feed(putTask(one));
  zone.feed(putTask(two));
  t.equal(addresses(), 2);
  t.strictSame(zone.view.sourcesOf('web.marathon.mesos.'), [
    { record: 'A 10.0.0.7', sources: [one.key] },
    { record: 'A 10.0.0.8', sources: [two.key] },
  ]);
  zone.feed(dropTask(one));
  t.equal(addresses(), 1);
  zone.feed(putTask({ ...two, state: 'TASK_KILLING' }));
  t.equal(addresses(), 0);
});

t.test('people are told of names that mix and names that were cut', async (t) => {
  const zone = liveZone();
  zone.feed(putTask(sampleTask({ id: taskId('1'), discoveryName: 'a.b-c' })));
  t.strictSame(zone.view.diagnostics(), []);
  zone.feed(putTask(sampleTask({ id: taskId('2'), discoveryName: 'a-b.c' })));
  t.match(zone.view.diagnostics(), [{ value: 'a-b-c.marathon.mesos.', severity: 'warn', reason: /share this name/ }]);
  zone.feed(putTask(sampleTask({ id: taskId('2'), discoveryName: 'x'.repeat(60) })));
  t.match(zone.view.diagnostics(), [{ value: 'x'.repeat(60), reason: /shortened/ }]);
});

t.test('reverse names of agents and of addresses that tasks have to themselves', async (t) => {
  const agent = (hostname: string): ClusterEvent => ({
    type: 'agent',
    id: agentId('x-S0'),
    agent: { ...sampleAgent('x-S0', '10.0.0.7'), hostname },
  });
  const events = [putTask(workedExample()), putTask(sampleTask({ id: taskId('b') })), agent('Agent7.example')];
  const reverse = (hostname: string): readonly string[] =>
    linesOf({}, [...events.slice(0, 2), agent(hostname)], '.in-addr.arpa.').map((line) => line.replace(' 60 IN', ''));
  t.strictSame(reverse('Agent7.example'), [
    '2.1.0.9.in-addr.arpa. PTR app-sub-group-u3no4-s0.marathon.mesos.',
    '7.0.0.10.in-addr.arpa. PTR agent7.example.',
  ]);
  t.ok(reverse('10.0.0.7').includes('7.0.0.10.in-addr.arpa. PTR slave.mesos.'), 'an address is no host name');
});

t.test('publish: healthy leaves failing tasks out while others serve the name', async (t) => {
  const zone = liveZone({ publish: 'healthy' });
  const at = (n: number, changes: Partial<Task>): Task =>
    sampleTask({
      id: taskId(`t${n}`),
      agentIp: `10.0.0.${n}`,
      agentIps: [`10.0.0.${n}`],
      hasHealthCheck: true,
      ...changes,
    });
  const ip = ({ record }: RecordSources): string => record.slice(2);
  const ips = (): string => zone.view.sourcesOf('web.marathon.mesos.').map(ip).join(' ');
  zone.feed(putTask(at(1, { healthy: false })));
  t.equal(ips(), '10.0.0.1', 'better a failing one than none');
  zone.feed(putTask(at(2, { healthy: true })));
  t.equal(ips(), '10.0.0.2');
  t.strictSame(
    zone.view.sourcesOf('web.marathon.mesos.').map(({ sources }) => sources.length),
    [1],
  );
  zone.feed(putTask(at(1, { healthy: true })));
  t.equal(ips(), '10.0.0.1 10.0.0.2');
  zone.feed(putTask(at(2, { healthy: null })));
  t.equal(ips(), '10.0.0.1', 'a check that has not passed yet');
  zone.feed(putTask(at(2, { healthy: null, hasHealthCheck: false })));
  t.equal(ips(), '10.0.0.1 10.0.0.2', 'no check: running is enough');
  zone.feed(dropTask(at(1, {})));
  zone.feed(putTask(at(2, { appHealth: 'failing' })));
  t.equal(ips(), '10.0.0.2');
});

t.test('law with a health gate', async (t) => {
  testViewLaw(t, () => createZoneView({ publish: 'healthy' }), { histories, runs: 100 });
});

t.test('serials grow with their zone alone, and go on above those of a control before', async (t) => {
  let now = 1_800_000_000_000;
  const told: string[] = [];
  const zone = liveZone({ now: () => now, onSerial: (apex, serial) => told.push(`${apex} ${serial}`) });
  const serials = (): readonly number[] =>
    ['mesos.', 'dcos.thisdcos.directory.', 'zk.'].map((apex) => zone.view.serialOf(apex));
  const start = 1_800_000_000;
  t.strictSame(serials(), [start, start, start]);
  told.length = 0;
  const change = zone.feed(putTask(sampleTask()));
  t.strictSame(serials(), [start + 1, start + 1, start]);
  t.strictSame(told.sort(), [`dcos.thisdcos.directory. ${start + 1}`, `mesos. ${start + 1}`]);
  const apex = rrsOf(change.set.find(([name]) => name === 'mesos.')?.[1] ?? '').find(({ type }) => type === 'SOA');
  t.match(apex, { serial: start + 1 });
  t.notOk(change.set.some(([name]) => name === 'zk.'));
  t.strictSame(
    zone.feed(putTask(sampleTask({ labels: { a: 'b' } }))),
    { set: [], removed: [] },
    'nothing named changed',
  );
  t.strictSame(zone.view.rebuild(zone.snapshot), { set: [], removed: [] }, 'nor by a rebuild');
  now += 60_000;
  zone.feed(dropTask(sampleTask()));
  t.strictSame(serials(), [start + 60, start + 60, start]);
});

t.test('a leader in spite of the cluster, and the numbers of the SOA', async (t) => {
  const options: ZoneOptions = {
    leaderOverride: 'master@10.9.9.9:5051',
    soaRefreshSeconds: 1,
    soaRetrySeconds: 2,
    soaExpireSeconds: 3,
    soaMinttlSeconds: 4,
  };
  const lines = linesOf(options, [{ type: 'masters', masters: sampleMasters }], 'mesos.');
  t.ok(lines.includes('leader.mesos. 60 IN A 10.9.9.9'));
  t.ok(lines.includes('_leader._tcp.mesos. 60 IN SRV 0 1 5051 leader.mesos.'));
  t.ok(lines.includes('mesos. 60 IN SOA ns1.mesos. root.ns1.mesos. 0 1 2 3 4'));
});
