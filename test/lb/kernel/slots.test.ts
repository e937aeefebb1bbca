// Slots of a picker: each backend's part is its weight's, and what can stay stays.

import fc from 'fast-check';
import t from 'tap';
import { allowedNetworks } from '../../../lb/kernel/allowed.ts';
import { pathOf } from '../../../lb/kernel/flows.ts';
import { pickerSizes } from '../../../lb/kernel/layout.ts';
import { fillSlots, slotCounts } from '../../../lb/kernel/slots.ts';

t.test('numbers of slots', async (t) => {
  t.same(slotCounts([1, 1, 1]), [1, 1, 1]);
  t.same(slotCounts([10, 20, 30]), [1, 2, 3], 'whole weights exactly');
  t.same(slotCounts([1, 0.5]), [43, 21], 'others to a slot of 64');
  t.equal(
    slotCounts(Array.from({ length: 100 }, () => 1)).reduce((sum, one) => sum + one),
    512,
  );
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 1, maxLength: 300 }),
      (weights) => {
        const counts = slotCounts(weights);
        return pickerSizes.includes(counts.reduce((sum, one) => sum + one)) && counts.every((count) => count >= 1);
      },
    ),
    { numRuns: 200, seed: 3 },
  );
});

t.test('what stays where it is', async (t) => {
  const shares = (...names: string[]) => names.map((backend) => ({ backend, weight: 1 }));
  t.same(fillSlots(shares('a', 'b', 'c'), []), ['a', 'b', 'c']);
  t.same(fillSlots(shares('a', 'c'), ['a', 'b', 'c']), ['a', 'c'], 'the last fills the hole');
  t.same(fillSlots(shares('a', 'b', 'c', 'd'), ['c', 'b', 'a']), ['c', 'b', 'a', 'd']);
});

t.test('allowed networks', async (t) => {
  const allow = ['10.1.0.0/16', '10.2.3.4/8', '192.168.1.7', 'fd00::/8'];
  t.same(allowedNetworks(allow, 4), ['10.0.0.0/8', '192.168.1.7'], 'masked, and none inside another');
  t.same(allowedNetworks(allow, 6), ['fd00::/8']);
  t.same(allowedNetworks(['10.0.0.0/8'], 6), [], 'nobody of the other family');
  t.same(allowedNetworks(['0.0.0.0/0'], 4), null, 'everybody');
});

t.test('lines of conntrack', async (t) => {
  const line =
    'tcp      6 431999 ESTABLISHED src=10.99.0.2 dst=198.51.100.11 sport=40000 dport=80 src=10.88.0.11 dst=10.99.0.2 sport=8080 dport=40000 [ASSURED] mark=0 use=1';
  t.same(pathOf(line), { spot: '198.51.100.11 . tcp . 80', backend: '10.88.0.11 . 8080' });
  const unreplied =
    'udp      17 29 src=fd00:99::2 dst=fd01:c::11 sport=5 dport=53 [UNREPLIED] src=fd00:88::11 dst=fd00:99::2 sport=5353 dport=5 mark=0 use=1';
  t.same(pathOf(unreplied), { spot: 'fd01:c::11 . udp . 53', backend: 'fd00:88::11 . 5353' });
  t.equal(
    pathOf(line.replace('src=10.88.0.11 dst=10.99.0.2 sport=8080', 'src=198.51.100.11 dst=10.99.0.2 sport=80')),
    null,
  );
  t.equal(pathOf('icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8'), null);
});
