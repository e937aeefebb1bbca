// The kernel plane against a kernel of the test's own: whatever happens to the table of VIPs, the ruleset is that of a fresh start, and a
// change costs its own size.
//
// VIPs are 11/8, backends 10/8, the machine itself 192.0.2.1.

import fc from 'fast-check';
import t from 'tap';
import type { Elements } from '../../../lb/kernel/elements.ts';
import { KernelPlane } from '../../../lb/kernel/kernel-plane.ts';
import type { Flows, Path } from '../../../lb/kernel/flows.ts';
import type { VipOptions } from '../../../lb/vip-options.ts';
import type { VipRecord } from '../../../lb/vip-record.ts';
import { createMetrics, silentLogger, type Clock } from '../../../src/runtime/index.ts';
import { createFakeKernel, type FakeKernel } from './fake-kernel.ts';
import { vip } from './vips.ts';

interface Bench {
  readonly kernel: FakeKernel;
  readonly plane: KernelPlane;
  readonly ended: string[];
  readonly flows: Path[];
  /** Lets `ms` pass, and what they set off. */
  pass(ms: number): Promise<void>;
  metric(name: string): Readonly<Record<string, number>>;
}

function bench(kernel = createFakeKernel(), panicRatio = 0): Bench {
  const timers = new Set<{ at: number; action: () => void }>();
  let now = 0;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after(ms, action) {
      const timer = { at: now + ms, action };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
  };
  const ended: string[] = [];
  const listed: Path[] = [];
  const flows: Flows = {
    end: ({ spot, backend }) => Promise.resolve(ended.push(`${spot} > ${backend}`)).then(() => 1),
    list: () => Promise.resolve(listed),
  };
  const metrics = createMetrics();
  const plane = new KernelPlane({
    kernel,
    flows,
    hairpins: { tend: () => Promise.resolve(), problem: () => null },
    ranges: { range: '11.0.0.0-11.255.255.255', range6: 'fd01:c::-fd01:c::ffff:ffff:ffff:ffff' },
    surroundings: () => ({ own: new Set(['192.0.2.1']), interfaces: ['br0', 'eth0'], inside: ['br0'] }),
    ...{ drainMs: 30_000, panicRatio },
    clock,
    log: silentLogger,
    metrics,
  });
  return {
    kernel,
    plane,
    ended,
    flows: listed,
    async pass(ms) {
      now += ms;
      for (const timer of [...timers]) {
        if (timer.at > now || !timers.delete(timer)) continue;
        timer.action();
      }
      for (let i = 0; i < 50; i++) await Promise.resolve();
      await new Promise((resolve) => setImmediate(resolve));
    },
    metric: (name) =>
      Object.fromEntries(
        (metrics.read().find((one) => one.name === `isthmus_${name}`)?.values ?? []).map(({ labels, value }) => [
          Object.values(labels).join(' '),
          value,
        ]),
      ),
  };
}

const tableOf = (...vips: (readonly [string, VipRecord])[]): Map<string, VipRecord> => new Map(vips);

/** The ruleset with slots as what they mean: how often each backend stands in a VIP. */
function meaning(printed: string): string {
  const lines = printed.split('\n').map((line) => {
    const [, slot, value] = /^(be[46] .*) \. \d+ : (.*)$/.exec(line) ?? [];
    return slot === undefined ? line : `${slot} : ${value ?? ''}`;
  });
  return lines.sort().join('\n');
}

async function fresh(table: Map<string, VipRecord>): Promise<string> {
  const { kernel, plane } = bench();
  await plane.replace(table);
  return meaning(kernel.print());
}

t.test('a VIP of each kind, whole', async (t) => {
  const { kernel, plane } = bench();
  await plane.replace(
    tableOf(
      vip('tcp/11.0.0.5:80', ['10.0.0.1:8080', '10.0.0.2:8080']),
      vip('udp/[fd01:c::5]:53', ['[fd00::1]:53']),
      vip('tcp/11.0.0.6:80', ['10.0.0.1:8081/0']),
      vip('tcp/11.0.0.7:80', []),
    ),
  );
  t.equal(
    kernel.print(),
    [
      'addr4 11.0.0.5',
      'addr4 11.0.0.6',
      'addr4 11.0.0.7',
      'addr6 fd01:c::5',
      'be4 11.0.0.5 . tcp . 80 . 0 : 10.0.0.1 . 8080',
      'be4 11.0.0.5 . tcp . 80 . 1 : 10.0.0.2 . 8080',
      'be6 fd01:c::5 . udp . 53 . 0 : fd00::1 . 53',
      'dead4 11.0.0.6 . tcp . 80',
      'dead4 11.0.0.7 . tcp . 80',
      'inside "br0"',
      'own4 192.0.2.1',
      'pairs "br0" . "br0"',
      'pairs "eth0" . "eth0"',
      'self4 10.0.0.1 . 10.0.0.1',
      'self4 10.0.0.2 . 10.0.0.2',
      'self6 fd00::1 . fd00::1',
      'svc4 11.0.0.5 . tcp . 80 : goto r4-2',
      'svc6 fd01:c::5 . udp . 53 : goto r6-1',
    ].join('\n'),
  );
});

const aVip = fc.record({
  key: fc.constantFrom(
    'tcp/11.0.0.1:80',
    'udp/11.0.0.1:80',
    'tcp/11.0.0.1:81',
    'tcp/[fd01:c::1]:80',
    'tcp/192.0.2.1:22',
  ),
  backends: fc.uniqueArray(
    fc.record({ n: fc.integer({ min: 1, max: 6 }), weight: fc.constantFrom(0, 1, 1, 1, 3, 0.5) }),
    { selector: ({ n }) => n, maxLength: 6 },
  ),
  options: fc.constantFrom<VipOptions>(
    {},
    { policy: 'maglev' },
    { allow: ['10.0.0.0/8', '10.1.0.0/16', 'fd00::/8'] },
    { rate: { perSecond: 0.5, burst: 5 }, connections: 3, allow: ['10.0.0.0/8'] },
    { connections: 7 },
  ),
});

t.test('whatever changes, the ruleset is that of a fresh start', async (t) => {
  const property = fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(aVip, fc.boolean()), { maxLength: 25 }), async (changes) => {
      const { kernel, plane } = bench();
      const table = new Map<string, VipRecord>();
      await plane.replace(table);
      for (const [{ key, backends, options }, isGone] of changes) {
        const at = (n: number): string => (key.includes('[') ? `[fd00::${n}]:80` : `10.0.0.${n}:80`);
        const [, record] = vip(
          key,
          backends.map(({ n, weight }) => `${at(n)}/${weight}`),
          options,
        );
        if (isGone) table.delete(key);
        else table.set(key, record);
        await plane.apply(isGone ? { set: [], removed: [key] } : { set: [[key, record]], removed: [] });
        if (meaning(kernel.print()) !== (await fresh(table))) return false;
      }
      return kernel.generations.every((after, i) => noneFallsBetween(kernel.generations[i - 1], after));
    }),
    { numRuns: 60, seed: 11 },
  );
  await t.resolves(property);
});

/** A packet that found its picker before the change and looks for its slot after it finds one, while the VIP has backends. */
function noneFallsBetween(before: Elements | undefined, after: Elements): boolean {
  return (['4', '6'] as const).every((digit) =>
    [...(before?.of(`svc${digit}`) ?? [])].every(([vip, picker]) => {
      if (after.get(`svc${digit}`, vip) === undefined) return true;
      const slots = Number(picker.split('-').at(-1));
      return Array.from({ length: slots }, (_, slot) => after.get(`be${digit}`, `${vip} . ${slot}`)).every(
        (backend) => backend !== undefined,
      );
    }),
  );
}

t.test('a change costs what it moves', async (t) => {
  const many = Array.from({ length: 200 }, (_, i) =>
    vip(`tcp/11.0.1.${i}:80`, ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80']),
  );
  const { kernel, plane } = bench();
  const table = tableOf(...many);
  await plane.replace(table);
  kernel.transactions.length = 0;
  await plane.apply({ set: [vip('tcp/11.0.1.7:80', ['10.0.0.2:80', '10.0.0.3:80'])], removed: [] });
  t.same(kernel.transactions, [
    'delete element inet isthmus svc4 { 11.0.1.7 . tcp . 80 }\n' +
      'delete element inet isthmus be4 { 11.0.1.7 . tcp . 80 . 0 }\n' +
      'add element inet isthmus be4 { 11.0.1.7 . tcp . 80 . 0 : 10.0.0.3 . 80 }\n' +
      'add element inet isthmus svc4 { 11.0.1.7 . tcp . 80 : goto r4-2 }\n',
    // Only now nobody has the picker of three slots any more.
    'delete element inet isthmus be4 { 11.0.1.7 . tcp . 80 . 2 }\n',
  ]);
  kernel.transactions.length = 0;
  await plane.apply({ set: [vip('tcp/11.0.1.7:80', ['10.0.0.2:80', '10.0.0.4:80'])], removed: [] });
  t.equal(kernel.transactions.join('').match(/svc4/g), null, 'as many backends as before: no verdict changes');
  kernel.transactions.length = 0;
  await plane.apply({ set: [vip('tcp/11.0.1.7:80', ['10.0.0.4:80', '10.0.0.2:80'])], removed: [] });
  t.same(kernel.transactions, [], 'order is nothing');
});

t.test('a start takes over what is there', async (t) => {
  const first = bench();
  const table = tableOf(vip('tcp/11.0.0.5:80', ['10.0.0.1:80', '10.0.0.2:80']));
  await first.plane.replace(table);
  await first.plane.stop();
  const second = bench(first.kernel);
  first.kernel.transactions.length = 0;
  await second.plane.replace(table);
  t.same(first.kernel.transactions, [], 'nothing is written where nothing differs');
  table.set(...vip('tcp/11.0.0.5:80', ['10.0.0.2:80']));
  const third = bench(first.kernel);
  await third.plane.replace(table);
  t.match(first.kernel.transactions[0], /^delete element inet isthmus svc4/);
  t.equal(first.kernel.transactions.length, 2);
  t.equal(meaning(first.kernel.print()), await fresh(table));
});

t.test('after a failure everything is read and written anew', async (t) => {
  const { kernel, plane } = bench();
  const table = tableOf(vip('tcp/11.0.0.5:80', ['10.0.0.1:80']));
  await plane.replace(table);
  kernel.failNext();
  table.set(...vip('tcp/11.0.0.6:80', ['10.0.0.2:80']));
  await t.rejects(plane.apply({ set: [vip('tcp/11.0.0.6:80', ['10.0.0.2:80'])], removed: [] }));
  await plane.replace(table);
  t.equal(meaning(kernel.print()), await fresh(table));
});

t.test('what somebody else did is put right', async (t) => {
  const { kernel, plane, pass, metric } = bench();
  const table = tableOf(vip('tcp/11.0.0.5:80', ['10.0.0.1:80', '10.0.0.2:80']));
  await plane.replace(table);
  kernel.damage('be4', '11.0.0.5 . tcp . 80 . 1');
  kernel.damage('pairs', '"br0" . "br0"');
  await pass(15_000);
  t.equal(meaning(kernel.print()), await fresh(table), 'elements');
  kernel.flush();
  await pass(100);
  t.equal(meaning(kernel.print()), await fresh(table), 'a flushed table, at once');
  t.same(metric('lb_kernel_repairs_total'), { '': 2 });
  await pass(15_000);
  t.same(metric('lb_kernel_repairs_total'), { '': 2 }, 'nothing is repaired that is whole');
});

t.test('flows of a backend that is gone', async (t) => {
  const { plane, ended, pass } = bench();
  const both = ['10.0.0.1:80', '10.0.0.2:80'];
  const udp = 'udp/11.0.0.5:53';
  const tcp = 'tcp/11.0.0.5:80';
  await plane.replace(tableOf(vip(tcp, both), vip(udp, both)));
  await plane.apply({
    set: [vip(udp, ['10.0.0.1:80', '10.0.0.2:80/0']), vip(tcp, ['10.0.0.1:80', '10.0.0.2:80/0'])],
    removed: [],
  });
  await pass(0);
  t.same(ended.splice(0), ['11.0.0.5 . udp . 53 > 10.0.0.2 . 80'], 'UDP moves at once, TCP drains');
  await pass(3_600_000);
  t.same(ended.splice(0), [], 'for as long as the backend is there');
  await plane.apply({ set: [vip(tcp, ['10.0.0.1:80'])], removed: [] });
  await pass(29_999);
  t.same(ended.splice(0), []);
  await pass(1);
  t.same(ended.splice(0), ['11.0.0.5 . tcp . 80 > 10.0.0.2 . 80'], 'gone: a deadline');
  await plane.apply({ set: [], removed: [tcp] });
  await plane.apply({ set: [vip(tcp, ['10.0.0.1:80'])], removed: [] });
  await pass(30_000);
  t.same(ended.splice(0), [], 'a backend that is back keeps its flows');
  await plane.apply({ set: [vip(tcp, ['10.0.0.1:80'], { drainMs: 1_000 })], removed: [udp] });
  await pass(0);
  t.same(ended.splice(0), ['11.0.0.5 . udp . 53 > 10.0.0.1 . 80'], 'a VIP that is gone');
  await plane.apply({ set: [vip(tcp, ['10.0.0.3:80'], { drainMs: 1_000 })], removed: [] });
  await pass(1_000);
  t.same(ended.splice(0), ['11.0.0.5 . tcp . 80 > 10.0.0.1 . 80'], "a VIP's own deadline");
});

t.test('orphans of the time before the start', async (t) => {
  const { plane, flows, ended, pass } = bench();
  flows.push(
    { spot: '11.0.0.5 . tcp . 80', backend: '10.0.0.1 . 80' },
    { spot: '11.0.0.5 . tcp . 80', backend: '10.0.0.9 . 80' },
    { spot: '203.0.113.1 . tcp . 80', backend: '10.0.0.9 . 80' },
  );
  await plane.replace(tableOf(vip('tcp/11.0.0.5:80', ['10.0.0.1:80'])));
  await pass(0);
  await pass(30_000);
  t.same(ended, ['11.0.0.5 . tcp . 80 > 10.0.0.9 . 80'], 'of our VIPs alone');
});

t.test('counters become metrics', async (t) => {
  const { kernel, plane, metric } = bench();
  await plane.replace(tableOf(vip('tcp/11.0.0.5:80', ['10.0.0.1:80', '10.0.0.2:80']), vip('tcp/11.0.0.6:80', [])));
  kernel.count('be4', '11.0.0.5 . tcp . 80 . 0', 3);
  kernel.count('be4', '11.0.0.5 . tcp . 80 . 1', 4);
  kernel.count('dead4', '11.0.0.6 . tcp . 80', 2);
  await plane.look();
  await plane.look();
  t.same(metric('lb_vip_connections_total'), { '11.0.0.5:80': 7 });
  t.same(metric('lb_backend_connections_total'), { '10.0.0.1:80': 3, '10.0.0.2:80': 4 });
  t.same(metric('lb_vip_refused_total'), { '11.0.0.6:80': 2 });
  await plane.apply({ set: [vip('tcp/11.0.0.5:80', ['10.0.0.1:80', '10.0.0.3:80'])], removed: [] });
  kernel.count('be4', '11.0.0.5 . tcp . 80 . 1', 1);
  await plane.look();
  t.same(metric('lb_vip_connections_total'), { '11.0.0.5:80': 8 });
  t.same(metric('lb_backend_connections_total'), { '10.0.0.1:80': 3, '10.0.0.3:80': 1 });
});

t.test('what the kernel must not take', async (t) => {
  const { kernel, plane } = bench();
  await plane.replace(
    tableOf(
      vip('tcp/192.0.2.1:22', ['10.0.0.1:80']),
      vip('tcp/127.0.0.1:80', ['10.0.0.1:80']),
      vip('tcp/11.0.0.5:80', ['10.0.0.1:80'], { proxyProtocol: 'v2' }),
    ),
  );
  t.same(
    [...plane.spots()].map(({ key }) => key),
    ['11.0.0.5 . tcp . 80'],
  );
  t.notMatch(kernel.print(), /(addr4|svc4) (192|127)/);
  t.match(
    plane.problems().join('\n'),
    /tcp\/127.0.0.1:80: .*forwarded.*\n.*192.0.2.1 is this machine's own.*\n.*PROXY/,
  );
});

t.test('where too few are in health those that fail their checks take part', async (t) => {
  const { kernel, plane } = bench(createFakeKernel(), 0.5);
  const web = (...backends: readonly (readonly [address: string, isUp: boolean])[]): readonly [string, VipRecord] => {
    const [key, record] = vip(
      'tcp/11.0.0.1:80',
      backends.map(([address, isUp]) => `${address}/${isUp ? 1 : 0}`),
    );
    const told = record.set.backends.map((one) =>
      one.weight > 0 ? one : { ...one, state: 'down' as const, failing: true as const },
    );
    return [key, { ...record, set: { ...record.set, backends: told } }];
  };
  const led = (): readonly string[] =>
    kernel
      .print()
      .split('\n')
      .filter((line) => line.startsWith('be4'))
      .map((line) => line.replace(/^.* : /, ''));
  await plane.replace(new Map([web(['10.0.0.1:80', true], ['10.0.0.2:80', false])]));
  t.same(led(), ['10.0.0.1 . 80'], 'half of them is enough');
  await plane.apply({ set: [web(['10.0.0.1:80', false], ['10.0.0.2:80', false])], removed: [] });
  t.same(led().toSorted(), ['10.0.0.1 . 80', '10.0.0.2 . 80'], 'none is not');
  await plane.stop();
});
