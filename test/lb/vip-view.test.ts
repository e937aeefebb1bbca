// The view of VIPs: its law, and case by case which labels, states and networks give which backends.

import t from 'tap';
import { createVipView, type VipView } from '../../lb/index.ts';
import { appKey, backendKey, reduce, type ClusterEvent, type Task, type TaskPort } from '../../src/cluster/index.ts';
import { testViewLaw } from '../contracts/view.ts';
import { containerPort, hostPort, overlay, snapshotOf, vipTask } from './vip-tasks.ts';

t.test('the law, with IPv6', async (t) => testViewLaw(t, () => createVipView({ ipv6: true })));
t.test('the law, without IPv6', async (t) => testViewLaw(t, () => createVipView({ ipv6: false }), { runs: 100 }));

const viewOf = (...tasks: readonly Task[]): VipView => {
  const view = createVipView({ ipv6: true });
  view.rebuild(snapshotOf(...tasks));
  return view;
};

t.test('networks decide the address of a backend', async (t) => {
  const bridge = { networkMode: 'bridge' as const, addresses: [{ ip: '172.17.0.2', network: null }] };
  const mappings = [{ protocol: 'tcp', hostPort: 7100, containerPort: 8080 }];
  for (const [what, task, backend] of [
    ['host', vipTask('t', [hostPort(7001, '1.1.1.1:80')]), '10.0.0.1:7001'],
    ['bridge', vipTask('t', [hostPort(7100, '1.1.1.1:80')], { ...bridge, mappings }), '10.0.0.1:7100'],
    [
      'bridge by its container port',
      vipTask('t', [containerPort(8080, '1.1.1.1:80')], { ...bridge, mappings }),
      '10.0.0.1:7100',
    ],
    ['overlay', vipTask('t', [containerPort(8080, '1.1.1.1:80')], overlay('9.0.1.5')), '9.0.1.5:8080'],
    [
      'overlay with host port',
      vipTask('t', [containerPort(8080, '1.1.1.1:80')], { ...overlay('9.0.1.5'), mappings }),
      '10.0.0.1:7100',
    ],
    [
      'agent with a second address',
      vipTask('t', [hostPort(7001, '1.1.1.1:80')], { addresses: [{ ip: '10.9.0.1', network: null }] }),
      '10.9.0.1:7001',
    ],
  ] as const) {
    t.equal(viewOf(task).print(), `tcp - 1.1.1.1:80 -> ${backend} weight=1\n`, what);
  }
});

t.test('state and health decide the weight', async (t) => {
  const cases: readonly (readonly [Partial<Task>, string])[] = [
    [{}, 'weight=1'],
    [{ hasHealthCheck: true, healthy: true }, 'weight=1'],
    [{ hasHealthCheck: true }, 'weight=0'],
    [{ healthy: false }, 'weight=0'],
    [{ state: 'TASK_KILLING' }, 'weight=0'],
    [{ appHealth: 'failing' }, 'weight=0'],
    [{ ready: false }, 'weight=0'],
  ];
  for (const [fields, wanted] of cases) {
    const printed = viewOf(vipTask('t', [hostPort(7001, '1.1.1.1:80')], fields)).print();
    t.equal(printed, `tcp - 1.1.1.1:80 -> 10.0.0.1:7001 ${wanted}\n`, JSON.stringify(fields));
  }
  for (const fields of [
    { state: 'TASK_STAGING' },
    { state: 'TASK_STARTING' },
    { state: 'TASK_UNREACHABLE' },
    { state: 'TASK_UNKNOWN' },
    { state: 'TASK_FINISHED' },
    { agentIp: null },
    { framework: '' },
  ] as const) {
    t.equal(viewOf(vipTask('t', [hostPort(7001, '1.1.1.1:80')], fields)).print(), '', JSON.stringify(fields));
  }
});

t.test('labels with and without slash, of several tasks, are one VIP', async (t) => {
  const view = viewOf(
    vipTask('b', [containerPort(80, '/foo:80')], overlay('9.0.1.2')),
    vipTask('a', [containerPort(80, 'foo:80', '/foo:80')], overlay('9.0.1.1')),
    vipTask('c', [containerPort(80, 'foo:80')], { ...overlay('9.0.1.3'), framework: 'kafka' }),
  );
  t.equal(
    view.print(),
    'tcp foo.kafka -:80 -> 9.0.1.3:80 weight=1\ntcp foo.marathon -:80 -> 9.0.1.1:80 weight=1 9.0.1.2:80 weight=1\n',
  );
  t.strictSame([...view.wantedNames()].sort(), ['foo.kafka', 'foo.marathon']);
});

t.test('a VIP takes backends of its own family', async (t) => {
  const task = vipTask(
    't',
    [containerPort(80, '/d:80', 'fd01:c:0:0::5:80', '192.0.2.1:80')],
    overlay('9.0.1.6', 'fd01:b::6'),
  );
  const snapshot = snapshotOf(task);
  reduce(snapshot, { type: 'allocated', name: 'd.marathon', allocation: { ip4: '11.0.0.7', ip6: 'fd01:c::7' } });
  const [both, only4] = [createVipView({ ipv6: true }), createVipView({ ipv6: false })];
  both.rebuild(snapshot);
  only4.rebuild(snapshot);
  t.equal(
    both.print(),
    [
      'tcp - 192.0.2.1:80 -> 9.0.1.6:80 weight=1',
      'tcp - [fd01:c::5]:80 -> [fd01:b::6]:80 weight=1',
      'tcp d.marathon 11.0.0.7:80 -> 9.0.1.6:80 weight=1',
      'tcp d.marathon [fd01:c::7]:80 -> [fd01:b::6]:80 weight=1',
      '',
    ].join('\n'),
  );
  t.equal(
    only4.print(),
    [
      'tcp - 192.0.2.1:80 -> 9.0.1.6:80 weight=1',
      'tcp - [fd01:c::5]:80 ->',
      'tcp d.marathon 11.0.0.7:80 -> 9.0.1.6:80 weight=1',
      '',
    ].join('\n'),
  );
  t.strictSame([...both.explicitAddresses()].sort(), ['192.0.2.1', 'fd01:c::5']);
  t.strictSame(both.diagnostics(), []);
  t.match(only4.diagnostics(), [
    { value: 'fd01:c:0:0::5:80', reason: /no address of a family/, hint: 'vips.ipv6: true' },
  ]);
});

t.test('a VIP without this task says why', async (t) => {
  const scoped = (scope: string, value: string): TaskPort => {
    const port = containerPort(8080, value);
    return { ...port, labels: { ...port.labels, 'network-scope': scope } };
  };
  const view = viewOf(
    vipTask('a', [hostPort(7001, 'fd01:c::9:85', '/fine:85')]),
    vipTask('b', [scoped('everywhere', '/lost:80'), scoped('container', '/waits:80')]),
  );
  t.equal(
    view.print(),
    [
      'tcp - [fd01:c::9]:85 ->',
      'tcp fine.marathon -:85 -> 10.0.0.1:7001 weight=1',
      'tcp waits.marathon -:80 ->',
      '',
    ].join('\n'),
  );
  t.match(view.diagnostics(), [
    { value: 'fd01:c::9:85', hint: /a name/ },
    { value: '/lost:80', reason: 'its port has the network-scope "everywhere"' },
  ]);
  t.equal(view.diagnostics().length, 2, 'a container whose address is not known yet is no mistake');
});

t.test('tcp and udp are two VIPs at one address', async (t) => {
  const udp = { ...hostPort(7053, '/dns:53'), protocol: 'udp' };
  const view = viewOf(vipTask('t', [hostPort(7053, '/dns:53'), udp]));
  t.strictSame([...view.table.keys()].sort(), ['tcp/dns.marathon:53', 'udp/dns.marathon:53']);
  t.strictSame([...view.wantedNames()], ['dns.marathon']);
});

t.test('labels of the task name reserved ports', async (t) => {
  const labels = {
    VIP_PORT0: 'tcp://old:80',
    vip_port2: 'udp:///olddns:53',
    vip_port1: 'no-scheme:81',
    vip_port5: 'tcp://far:80',
  };
  const view = viewOf(vipTask('t', [hostPort(7700, '/new:80')], { labels, hostPorts: [7700, 7701, 7710] }));
  t.equal(
    view.print(),
    [
      'tcp new.marathon -:80 -> 10.0.0.1:7700 weight=1',
      'tcp old.marathon -:80 -> 10.0.0.1:7700 weight=1',
      'udp olddns.marathon -:53 -> 10.0.0.1:7710 weight=1',
      '',
    ].join('\n'),
  );
  t.match(view.diagnostics(), [
    { key: 'vip_port1', value: 'no-scheme:81', reason: 'has no protocol' },
    { key: 'vip_port5', value: 'tcp://far:80', reason: 'the task has no reserved port 5' },
  ]);
});

t.test('a bad label costs itself alone and is told once per app', async (t) => {
  const ports = [
    hostPort(7001, 'noport', '/zero:0', '/text:http', '/ok:80'),
    { ...hostPort(7002, '/sctp:80'), protocol: 'sctp' },
  ];
  const fields = { appKey: appKey('marathon', '/app'), labels: { VIP_0: '/misplaced:80' } };
  const view = viewOf(vipTask('t1', ports, fields), vipTask('t2', ports, fields));
  t.equal(view.print(), 'tcp ok.marathon -:80 -> 10.0.0.1:7001 weight=1\n');
  t.match(view.diagnostics(), [
    {
      app: 'marathon/app',
      task: 'fw-1/t1',
      key: 'VIP_0',
      value: '/misplaced:80',
      hint: 'move it to the labels of one of its ports',
    },
    { key: 'VIP_0', value: 'noport', reason: 'has no port', severity: 'warn' },
    { key: 'VIP_1', value: '/zero:0' },
    { key: 'VIP_2', value: '/text:http' },
    { key: 'VIP_0', value: '/sctp:80', reason: 'its port speaks "sctp"' },
  ]);
  t.equal(view.diagnostics().length, 5);
});

t.test('a name that ends up as an address is refused', async (t) => {
  const view = viewOf(vipTask('t', [hostPort(7001, '/1.2.3:80')], { framework: '4' }));
  t.equal(view.table.size, 0);
  t.match(view.diagnostics(), [{ key: 'VIP_0', value: '/1.2.3:80' }]);
});

t.test('of two tasks at one address the one that is up speaks', async (t) => {
  const old = vipTask('a', [hostPort(7001, '1.1.1.1:80')], { state: 'TASK_KILLING' });
  const young = vipTask('b', [hostPort(7001, '1.1.1.1:80')]);
  const view = viewOf(old, young);
  t.match(view.table.get('tcp/1.1.1.1:80')?.set.backends, [{ key: '10.0.0.1:7001', task: young.key, state: 'up' }]);
});

t.test('a change returns the VIPs it touches', async (t) => {
  const [one, two] = [vipTask('1', [hostPort(7001, '/a:80')]), vipTask('2', [hostPort(7002, '/a:80', '/b:80')])];
  const snapshot = snapshotOf(one, two);
  const view = createVipView({ ipv6: true });
  view.rebuild(snapshot);
  const step = (event: ClusterEvent): unknown => {
    const { set, removed } = view.derive(reduce(snapshot, event), snapshot);
    return { set: set.map(([key]) => key).sort(), removed };
  };
  const version = view.namesVersion;
  const verdict = { type: 'checked', backend: backendKey('10.0.0.1', 7001), verdict: 'failing' } as const;
  t.strictSame(step(verdict), { set: ['tcp/a.marathon:80'], removed: [] });
  t.strictSame(step({ type: 'task', key: two.key, task: { ...two, healthy: false } }), {
    set: ['tcp/a.marathon:80', 'tcp/b.marathon:80'],
    removed: [],
  });
  t.equal(view.namesVersion, version, 'liveness asks for no address');
  t.strictSame(step({ type: 'task', key: two.key, task: null }), {
    set: ['tcp/a.marathon:80'],
    removed: ['tcp/b.marathon:80'],
  });
  t.not(view.namesVersion, version);
  const allocation = { ip4: '11.0.0.9', ip6: null };
  t.strictSame(step({ type: 'allocated', name: 'a.marathon', allocation }), {
    set: ['tcp/a.marathon:80'],
    removed: [],
  });
  t.equal(view.print(), 'tcp a.marathon 11.0.0.9:80 -> 10.0.0.1:7001 weight=0\n');
  t.strictSame(step({ type: 'task', key: one.key, task: { ...one, name: 'renamed' } }), { set: [], removed: [] });
});
