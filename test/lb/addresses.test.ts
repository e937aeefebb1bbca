// Addresses of VIP names: the reference's vectors, order, quarantine, exhaustion and state over restarts.

import fc from 'fast-check';
import t from 'tap';
import { createAddressAllocator, type AddressAllocator, type AddressAllocatorOptions } from '../../lb/index.ts';
import { phash2 } from '../../lb/name-hash.ts';
import { manualClock } from '../runtime/manual-clock.ts';

const dcos = '11.0.0.0-11.255.255.255';
const range6 = 'fd01:c::-fd01:c::ffff:ffff:ffff:ffff';

function allocator(options: Partial<AddressAllocatorOptions> = {}): AddressAllocator {
  const made = createAddressAllocator({ range: dcos, range6, ipv6: true, clock: manualClock(), ...options });
  if ('rejected' in made) throw new Error(made.rejected);
  return made;
}

function assign(
  from: AddressAllocator,
  names: Iterable<string>,
  taken: Iterable<string> = [],
): Record<string, string | null> {
  const told: Record<string, string | null> = {};
  for (const event of from.assign(names, taken))
    if (event.type === 'allocated') told[event.name] = event.allocation?.ip4 ?? null;
  return told;
}

t.test('phash2', async (t) => {
  for (const [name, wanted] of [
    ['', 147926629],
    ['a', 1589197455],
    ['foo.bar', 1166686807],
    ['exactly12byt', 2400965815],
    ['exactly13byte', 2876000110],
    ['this is a longer name.with.dots', 1374452850],
  ] as const) {
    t.equal(phash2(name), wanted, name);
  }
});

t.test('the range of DC/OS and the compiled default of dcos-net, which ends one earlier', async (t) => {
  for (const [range, web, broker] of [
    [dcos, '11.225.36.193', '11.178.27.41'],
    ['11.0.0.0/8', '11.225.36.193', '11.178.27.41'],
    ['11.0.0.0-11.255.255.254', '11.225.37.143', '11.178.27.153'],
  ] as const) {
    t.strictSame(assign(allocator({ range }), ['web.marathon', 'broker.devkafka']), {
      'web.marathon': web,
      'broker.devkafka': broker,
    });
  }
});

t.test('IPv6, and none where it is off', async (t) => {
  t.match(allocator().assign(['web.marathon'], []), [{ allocation: { ip6: 'fd01:c::cb8:74fe:906b:dee' } }]);
  t.match(allocator({ ipv6: false, range6: 'nonsense' }).assign(['web.marathon'], []), [{ allocation: { ip6: null } }]);
});

t.test('a conflict takes the next address, after the last comes the first', async (t) => {
  const wrap = assign(allocator({ range: '11.0.0.0-11.0.0.3' }), ['n0', 'n1', 'n2']);
  t.strictSame(wrap, { n0: '11.0.0.2', n1: '11.0.0.3', n2: '11.0.0.0' });
  const one = allocator();
  t.strictSame(assign(one, ['svc-883.marathon']), { 'svc-883.marathon': '11.244.78.47' });
  t.strictSame(
    assign(one, ['svc-883.marathon', 'svc-2367.marathon']),
    { 'svc-2367.marathon': '11.244.78.48' },
    'who is there stays',
  );
});

t.test('explicit VIPs are passed over, in any spelling', async (t) => {
  t.strictSame(assign(allocator(), ['web.marathon'], ['11.225.36.193']), { 'web.marathon': '11.225.36.194' });
  const [event] = allocator().assign(['web.marathon'], ['fd01:c:0:0:0cb8:74fe:906b:dee']);
  t.match(event, { allocation: { ip6: 'fd01:c::cb8:74fe:906b:def' } });
});

t.test('only the set of names counts, and no address is given twice', async (t) => {
  const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3, unit: fc.constantFrom('a', 'b', 'c', '.') }), {
    maxLength: 30,
  });
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 60 }), (wanted, size) => {
        const range = `127.0.0.1-127.0.0.${size + 1}`;
        const forward = assign(allocator({ range }), wanted);
        const backward = assign(allocator({ range }), wanted.toReversed());
        for (const name of wanted)
          if (forward[name] !== backward[name]) throw new Error(`${name} depends on the order`);
        const given = wanted.flatMap((name) => forward[name] ?? []);
        if (new Set(given).size !== given.length) throw new Error('given twice');
        if (given.length !== Math.min(wanted.length, size + 1))
          throw new Error(`${given.length} of ${wanted.length} placed`);
      }),
      { seed: 5, numRuns: 100 },
    ),
  );
});

t.test('told is what changed', async (t) => {
  const one = allocator();
  t.equal(one.assign(['web.marathon', 'api.marathon'], []).length, 2);
  t.strictSame(one.assign(['api.marathon', 'web.marathon'], []), []);
  t.strictSame(one.assign(['api.marathon'], []), [{ type: 'allocated', name: 'web.marathon', allocation: null }]);
});

t.test('a released address rests for its name, then is free', async (t) => {
  const clock = manualClock();
  const one = allocator({ clock });
  assign(one, ['svc-883.marathon']);
  assign(one, []);
  t.strictSame(assign(one, ['svc-2367.marathon']), { 'svc-2367.marathon': '11.244.78.48' }, 'passed over');
  t.strictSame(
    assign(one, ['svc-2367.marathon', 'svc-883.marathon']),
    { 'svc-883.marathon': '11.244.78.47' },
    'back at its own',
  );
  assign(one, []);
  clock.advance(24 * 3_600_000);
  t.strictSame(assign(one, ['svc-2367.marathon']), { 'svc-2367.marathon': '11.244.78.47' }, 'free after a day');
});

t.test('a range that is used up gives what rests longest, then says so', async (t) => {
  const clock = manualClock();
  const one = allocator({ range: '127.0.0.1-127.0.0.2', clock, ipv6: false });
  const first = assign(one, ['a', 'b']);
  assign(one, ['b']);
  t.strictSame(assign(one, ['b', 'c']), { c: first['a'] });
  t.strictSame(assign(one, ['b', 'c', 'd']), { d: null });
  t.strictSame(one.unplaced, ['d']);
  assign(one, ['c', 'd']);
  t.strictSame(one.unplaced, [], 'and takes the next that goes');
});

t.test('state lives on over a restart, without what is outside of new ranges', async (t) => {
  const clock = manualClock();
  const one = allocator({ clock });
  assign(one, ['svc-883.marathon', 'svc-2367.marathon', 'web.marathon']);
  assign(one, ['svc-883.marathon', 'web.marathon']);
  const state = JSON.parse(JSON.stringify(one.dump())) as ReturnType<AddressAllocator['dump']>;
  const two = allocator({ clock, state });
  t.strictSame(two.dump(), state);
  t.strictSame(assign(two, ['svc-883.marathon', 'svc-2367.marathon', 'web.marathon']), {
    'svc-883.marathon': '11.244.78.48',
    'svc-2367.marathon': '11.244.78.47',
    'web.marathon': '11.225.36.193',
  });
  const range = '127.0.0.0/24';
  t.strictSame(
    assign(allocator({ clock, state, range }), ['web.marathon']),
    assign(allocator({ range }), ['web.marathon']),
  );
});

t.test('ranges that are none are refused with a hint', async (t) => {
  for (const range of [
    '',
    '11.0.0.0',
    '11.0.0.1-11.0.0.1',
    '11.0.0.9-11.0.0.1',
    'a-b',
    'fd01::-fd01::ff',
    '11.0.0.0/33',
    '11.0.0.0/32',
    '1.1.1.1-1.1.1.2-1.1.1.3',
  ]) {
    t.match(
      createAddressAllocator({ range, range6, ipv6: true, clock: manualClock() }),
      { rejected: String, hint: /11\.0\.0\.0/ },
      range,
    );
  }
  t.match(createAddressAllocator({ range: dcos, range6: '11.0.0.0/8', ipv6: true, clock: manualClock() }), {
    hint: /fd01/,
  });
});
