// Every policy passes the contract; what each does beyond it.

import t from 'tap';
import { policyNamed, policyNames } from '../../lb/index.ts';
import { slotsOf } from '../../lb/policies/slots.ts';
import { seededRandom } from '../../src/runtime/index.ts';
import { backend, backendSet, requests, testPolicy } from '../contracts/policy.ts';

for (const name of policyNames) t.test(name, async (t) => testPolicy(t, policyNamed(name, seededRandom(1))));

t.test('round robin takes turns and goes on after a change', async (t) => {
  const policy = policyNamed('roundrobin', () => 0);
  const any = { hash: 0, tried: null };
  const three = policy(backendSet(backend(1), backend(2), backend(3)), null);
  t.strictSame(
    [1, 2, 3, 4].map(() => three.pick(any)?.ip),
    ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.1'],
  );
  const four = policy(backendSet(backend(1), backend(2), backend(3), backend(4)), three);
  t.equal(four.pick(any)?.ip, '10.0.0.2');
});

t.test('random meets the same backend with the same hash', async (t) => {
  const picker = policyNamed('random')(backendSet(backend(1), backend(2), backend(3)), null);
  for (const request of requests(20)) t.equal(picker.pick(request), picker.pick(request));
});

t.test('slots spread weights instead of bunching them', async (t) => {
  const slots = slotsOf(backendSet(backend(1, { weight: 4 }), backend(2, { weight: 2 }), backend(3)));
  t.strictSame(
    slots.map((slot) => slot.ip.at(-1)),
    ['1', '2', '1', '3', '1', '2', '1'],
  );
});

t.test('a tiny weight has a slot still, and slots stay bounded', async (t) => {
  const slots = slotsOf(backendSet(backend(1, { weight: 1e6 }), backend(2, { weight: 0.001 })));
  t.ok(slots.some((slot) => slot.ip === '10.0.0.2'));
  t.ok(slots.length <= 1025);
});
