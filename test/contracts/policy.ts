// The contract of a policy, as a suite: every policy passes it, and a new one adds a line to test/lb/policies.test.ts.

import { backendKey, type Backend, type BackendSet } from '../../src/cluster/index.ts';
import type { PickRequest, Policy } from '../../src/ports/index.ts';
import { seededRandom } from '../../src/runtime/index.ts';
import type { Test } from 'tap';

export function backend(n: number, fields: Partial<Backend> = {}): Backend {
  const ip = `10.0.0.${n}`;
  return { key: backendKey(ip, 80), ip, port: 80, task: null, weight: 1, state: 'up', zone: null, ...fields };
}

export const backendSet = (...backends: readonly Backend[]): BackendSet => ({ id: 'test', backends });

/** Requests with spread-out hashes, the same ones in each run. */
export function requests(count: number, tried: PickRequest['tried'] = null): readonly PickRequest[] {
  const random = seededRandom(7);
  return Array.from({ length: count }, () => ({ hash: Math.floor(random() * 2 ** 32), tried }));
}

/** `shares` false: the policy does not spread traffic. */
export function testPolicy(t: Test, policy: Policy, shares = true): void {
  if (shares) testShares(t, policy);
  t.test('the picker shows its set', async (t) => {
    const set = backendSet(backend(1));
    t.equal(policy(set, null).set, set);
  });

  t.test('an empty set, and a set where nothing takes new traffic, give null', async (t) => {
    const idle = [
      backend(1, { weight: 0 }),
      backend(2, { state: 'draining', weight: 0 }),
      backend(3, { state: 'down', weight: 0 }),
    ];
    for (const set of [backendSet(), backendSet(...idle)])
      t.equal(policy(set, null).pick({ hash: 1, tried: null }), null);
  });

  t.test('what is draining, down or of weight 0 is passed over', async (t) => {
    const set = backendSet(
      backend(1, { weight: 0 }),
      backend(2, { state: 'draining' }),
      backend(3, { state: 'down' }),
      backend(4),
    );
    t.strictSame(sharesOf(policy, set, requests(50)), { [backend(4).key]: 50 });
  });

  t.test('each retry meets another backend until none is left', async (t) => {
    const backends = Array.from({ length: 20 }, (_, i) => backend(i + 1));
    const picker = policy(backendSet(...backends), null);
    for (const { hash } of requests(20)) {
      const tried = new Set<string>();
      for (let i = 0; i < backends.length; i++) {
        const picked = picker.pick({ hash, tried });
        if (picked === null || tried.has(picked.key)) t.fail(`try ${i} gave ${picked?.key}`);
        else tried.add(picked.key);
      }
      t.equal(picker.pick({ hash, tried }), null);
    }
  });

  t.test('a picker with a former one knows the new set alone', async (t) => {
    const before = policy(backendSet(backend(1), backend(2)), null);
    for (const request of requests(3)) before.pick(request);
    const after = policy(backendSet(backend(3)), before);
    t.equal(after.pick({ hash: 5, tried: null })?.key, backend(3).key);
    t.equal(policy(backendSet(), after).pick({ hash: 5, tried: null }), null);
  });
}

function testShares(t: Test, policy: Policy): void {
  t.test('equal weights share alike', async (t) => {
    const counts = sharesOf(policy, backendSet(backend(1), backend(2), backend(3)), requests(3000));
    for (const n of [1, 2, 3])
      t.ok(Math.abs((counts[backend(n).key] ?? 0) - 1000) < 150, `backend ${n} got ${counts[backend(n).key]}`);
  });

  t.test('a share follows its weight, also a fraction', async (t) => {
    const counts = sharesOf(
      policy,
      backendSet(backend(1, { weight: 3 }), backend(2, { weight: 0.5 }), backend(3, { weight: 0.5 })),
      requests(4000),
    );
    t.ok(Math.abs((counts[backend(1).key] ?? 0) - 3000) < 200, `heavy got ${counts[backend(1).key]}`);
    for (const n of [2, 3])
      t.ok(Math.abs((counts[backend(n).key] ?? 0) - 500) < 150, `light got ${counts[backend(n).key]}`);
  });
}

function sharesOf(policy: Policy, set: BackendSet, picks: readonly PickRequest[]): Record<string, number> {
  const picker = policy(set, null);
  const counts: Record<string, number> = {};
  for (const request of picks) {
    const key = picker.pick(request)?.key ?? 'none';
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
