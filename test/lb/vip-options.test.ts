// Labels of VIPs: options of every form, and labels of every kind of nonsense, which must cost themselves alone and be told.

import fc from 'fast-check';
import t from 'tap';
import { createZoneView } from '../../dns/index.ts';
import { createVipView, parseVipOption, vipOptionKey, type VipOptionName, type VipView } from '../../lb/index.ts';
import { appKey, type Task, type TaskPort } from '../../src/cluster/index.ts';
import { containerPort, hostPort, snapshotOf, vipTask } from './vip-tasks.ts';

const viewOf = (...tasks: readonly Task[]): VipView => {
  const view = createVipView({ ipv6: true });
  view.rebuild(snapshotOf(...tasks));
  return view;
};

const withLabels = (port: TaskPort, labels: Readonly<Record<string, string>>): TaskPort => ({
  ...port,
  labels: { ...port.labels, ...labels },
});

const optionsOf = (view: VipView, key: string): unknown => view.table.get(key)?.options;

t.test('values of options', async (t) => {
  const good: readonly (readonly [VipOptionName, string, object])[] = [
    ['LB', 'maglev', { policy: 'maglev' }],
    ['LB', ' RoundRobin ', { policy: 'roundrobin' }],
    ['DRAIN', '30s', { drainMs: 30_000 }],
    ['DRAIN', '1.5m', { drainMs: 90_000 }],
    ['DRAIN', 'off', { drainMs: 0 }],
    ['ALLOW', '10.0.0.0/8, fd00::/8 192.168.1.7', { allow: ['10.0.0.0/8', 'fd00::/8', '192.168.1.7'] }],
    ['RATE', '100/s', { rate: { perSecond: 100, burst: 100 } }],
    ['RATE', '30/m:10', { rate: { perSecond: 0.5, burst: 10 } }],
    ['RATE', '2/s', { rate: { perSecond: 2, burst: 5 } }],
    ['CONNECTIONS', '20', { connections: 20 }],
    ['PROXY', 'V2', { proxyProtocol: 'v2' }],
    ['CHECK', 'tcp', { check: { kind: 'tcp', intervalMs: 5000 } }],
    ['CHECK', 'tcp:2s', { check: { kind: 'tcp', intervalMs: 2000 } }],
    ['CHECK', 'http:/health:10s', { check: { kind: 'http', path: '/health', intervalMs: 10_000 } }],
    ['CHECK', 'http', { check: { kind: 'http', path: '/', intervalMs: 5000 } }],
    ['CHECK', 'udp:500ms', { check: { kind: 'udp', intervalMs: 500 } }],
  ];
  for (const [name, text, wanted] of good) t.strictSame(parseVipOption(name, text), wanted, `${name}=${text}`);
  for (const [name, text] of [
    ['LB', 'best'],
    ['DRAIN', '30'],
    ['DRAIN', '-1s'],
    ['DRAIN', '99d'],
    ['ALLOW', '10.0.0.0/33'],
    ['ALLOW', ''],
    ['RATE', '0/s'],
    ['RATE', '5'],
    ['RATE', '5/s:0'],
    ['CONNECTIONS', '0'],
    ['CONNECTIONS', 'many'],
    ['PROXY', 'v3'],
    ['CHECK', 'icmp'],
    ['CHECK', 'tcp:/path'],
    ['CHECK', 'tcp:1ms'],
  ] as const)
    t.match(parseVipOption(name, text), { rejected: /./, hint: /./ }, `${name}=${text}`);
  t.strictSame(vipOptionKey('ISTHMUS_12_DRAIN'), { index: 12, name: 'DRAIN' });
  for (const key of ['ISTHMUS_DRAIN', 'ISTHMUS_0_drain', 'ISTHMUS_0_CANARY_HEADER', 'HAPROXY_0_LB'])
    t.equal(vipOptionKey(key), null, key);
});

t.test('labels of the task mean the port of that index', async (t) => {
  const port = (protocol: string): TaskPort => ({ ...hostPort(7002, '/dns:53'), protocol });
  const view = viewOf(
    vipTask('a', [hostPort(7001, '/web:80'), port('tcp'), port('udp')], {
      labels: { ISTHMUS_0_LB: 'random', ISTHMUS_1_DRAIN: '5s', ISTHMUS_1_ALLOW: '10.0.0.0/8' },
    }),
  );
  t.strictSame(optionsOf(view, 'tcp/web.marathon:80'), { policy: 'random' });
  const second = { drainMs: 5000, allow: ['10.0.0.0/8'] };
  t.strictSame(optionsOf(view, 'tcp/dns.marathon:53'), second);
  t.strictSame(optionsOf(view, 'udp/dns.marathon:53'), second, 'both protocols of a port are one');
  t.strictSame(view.diagnostics(), []);
});

t.test("a port's own labels mean its VIP of that number, or all of them by the port's index", async (t) => {
  const view = viewOf(
    vipTask(
      'a',
      [
        withLabels(hostPort(7001, '/one:80', '/two:80'), { ISTHMUS_1_PROXY: 'v1' }),
        withLabels({ ...hostPort(7002, '/three:80'), labels: { VIP_9: '/three:80' } }, { ISTHMUS_1_PROXY: 'v2' }),
      ],
      { labels: { ISTHMUS_0_DRAIN: '5s' } },
    ),
  );
  t.strictSame(optionsOf(view, 'tcp/one.marathon:80'), { drainMs: 5000 });
  t.strictSame(optionsOf(view, 'tcp/two.marathon:80'), { drainMs: 5000, proxyProtocol: 'v1' });
  t.strictSame(optionsOf(view, 'tcp/three.marathon:80'), { proxyProtocol: 'v2' });
});

t.test('the task that was started last says each option', async (t) => {
  const task = (id: string, since: number, labels: Readonly<Record<string, string>>): Task =>
    vipTask(id, [hostPort(7000 + since, '/web:80')], { runningSince: since, labels });
  const view = viewOf(
    task('new', 3, { ISTHMUS_0_DRAIN: '9s' }),
    task('old', 1, { ISTHMUS_0_DRAIN: '1s', ISTHMUS_0_CONNECTIONS: '7' }),
  );
  t.strictSame(optionsOf(view, 'tcp/web.marathon:80'), { drainMs: 9000, connections: 7 });
});

t.test('an option that cannot be honoured is told and leaves the others', async (t) => {
  const app = appKey('marathon', '/shop/web');
  const view = viewOf(
    vipTask('a', [hostPort(7001, '/web:80'), hostPort(7002)], {
      appKey: app,
      labels: { ISTHMUS_0_DRAIN: 'soon', ISTHMUS_0_RATE: '5/s', ISTHMUS_1_ALLOW: '10.0.0.1', ISTHMUS_7_PROXY: 'v1' },
    }),
    vipTask('b', [hostPort(7003)], { labels: { ISTHMUS_0_DRAIN: 'not of a VIP' } }),
  );
  t.strictSame(optionsOf(view, 'tcp/web.marathon:80'), { rate: { perSecond: 5, burst: 5 } });
  t.match(view.diagnostics(), [
    { app, key: 'ISTHMUS_0_DRAIN', value: 'soon', reason: '"soon" is no duration' },
    { app, key: 'ISTHMUS_1_ALLOW', reason: 'port 1 has no VIP' },
    { app, key: 'ISTHMUS_7_PROXY', reason: 'the task has no port 7' },
  ]);
  t.equal(view.diagnostics().length, 3);
});

t.test('addresses that are everybody’s or nobody’s are refused', async (t) => {
  for (const ip of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', '169.254.1.1', '::', '::1', 'fe80::1']) {
    const view = viewOf(vipTask('a', [hostPort(7001, `${ip}:80`, '/ok:80')]));
    t.strictSame([...view.table.keys()], ['tcp/ok.marathon:80'], ip);
    t.match(view.diagnostics(), [{ key: 'VIP_0', reason: /no address of a VIP/ }], ip);
  }
});

const pieces = [
  ...['/', ':', '::', '[', ']', '80', '0', '65536', '-1', '1e3', '0x50', '+80', ' 80', '80 ', '1.2.3.4', '01.2.3.4'],
  ...[
    'fe80::1%eth0',
    '::ffff:1.2.3.4',
    '\0',
    '\n',
    '\u0000',
    'ü',
    '..',
    '.',
    '-',
    '_',
    'a',
    '%00',
    '８０',
    '{}',
    '__proto__',
  ],
  ...['constructor', 'a'.repeat(300), `${'b.'.repeat(200)}c`, '999999999999999999999', 'tcp://', 'web'],
];
const nasty = fc.oneof(
  fc.array(fc.constantFrom(...pieces), { maxLength: 6 }).map((some) => some.join('')),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 12 }).map((name) => `${name}:80`),
);

t.test('10,000 labels at random: none costs another, and each is served or told', async (t) => {
  const app = appKey('marathon', '/shop/web');
  let runs = 0;
  const property = fc.property(nasty, nasty, nasty, (value, framework, option) => {
    const key = 'VIP_0';
    const port = { ...containerPort(80, value, '/ok:80'), labels: { [key]: value, VIP_1: '/ok:80' } };
    const task = vipTask('a', [withLabels(port, { ISTHMUS_0_DRAIN: option })], {
      ...{ appKey: app, framework, networkMode: 'container', addresses: [{ ip: '9.0.0.1', network: null }] },
      labels: { vip_port0: `tcp://${value}`, ISTHMUS_0_ALLOW: option },
    });
    if (framework === '') return;
    const view = viewOf(task);
    const told = view.diagnostics();
    if (![...view.table.values()].some(({ name, port: at }) => at === 80 && /^ok(\.|$)/.test(name ?? '')))
      throw new Error('the neighbour is lost');
    const own = told.filter((one) => one.key === key);
    if (view.table.size < 2 && own.length === 0 && !/^\/?ok:0*80$/.test(value.toLowerCase().replace(/[^a-z0-9:]/g, '')))
      throw new Error('neither served nor told');
    for (const one of told)
      if (one.app !== app || one.reason === '' || one.hint === '') throw new Error(`says too little of ${one.key}`);
    view.print();
    if (runs++ % 20 === 0) createZoneView({}).rebuild(snapshotOf(task));
  });
  fc.assert(property, { numRuns: 10_000, seed: 7 });
  t.pass('no crash');
});
