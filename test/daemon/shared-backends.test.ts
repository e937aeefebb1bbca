// Backends that JSON read apart are one object again where they are equal, and stay apart where they are not.

import t from 'tap';
import { shareBackends } from '../../src/daemon/shared-backends.ts';
import { backend } from '../contracts/policy.ts';

const read = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

t.test('a VIP and a route hold one backend', async (t) => {
  const vip = read({ set: { id: 'vip', backends: [backend(1), backend(2)] } });
  const route = read({ kind: 'set', backends: [backend(2), { ...backend(1), state: 'down' }] });
  const before = read(route);
  const shared = shareBackends();
  for (const record of [vip, route]) shared.share(record);
  t.equal(route.backends[0], vip.set.backends[1], 'equal: the same object');
  t.not(route.backends[1], vip.set.backends[0], 'in another state: another one');
  t.same(route, before, 'what it says is what it said');
});

t.test('what is frozen, or has no backends, is left alone', async (t) => {
  const frozen = Object.freeze({ backends: Object.freeze([backend(1)]) });
  const shared = shareBackends();
  for (const record of [frozen, read(frozen), null, 7, { set: null }, frozen]) shared.share(record);
  t.equal(frozen.backends.length, 1);
});
