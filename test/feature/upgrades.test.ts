// SIGUSR2 under load: whoever connects is served, by the former generation or the next one, and the former one ends when its last client does.

import { once } from 'node:events';
import t from 'tap';
import { firstBytes, socksTunnel } from '../storm/clients.ts';
import { eventually, resolve4 } from './cluster.ts';
import { kinds } from './upgrade-load.ts';
import { makeUpgradeScene } from './upgrade-scene.ts';

t.setTimeout(180_000);

interface Status {
  readonly version: number;
  readonly workers: readonly { readonly appliedVersion: number }[];
}

const call = 'GET / HTTP/1.1\r\nHost: any\r\n\r\n';

t.test('two upgrades lose nothing', async (t) => {
  const scene = await makeUpgradeScene(2);
  t.teardown(() => scene.close());
  const before = new Set((await scene.settled()).map(({ pid }) => pid));
  // To the task itself: a VIP's listener may be the other worker's, and then both stay.
  const tunnel = await socksTunnel(scene.targets.socks, `${scene.targets.taskName}:8080`);
  t.teardown(() => tunnel.destroy());
  // VIPs are left out: workers open those listeners themselves, and 1 in 10,000 may be lost.
  const end = scene.load({ http: 20, https: 5, socks: 5, httpProxy: 5, forwards: 5, vip: 0, dns: 50 });
  for (const generation of [2, 3]) await scene.upgrade(generation);
  tunnel.write(call);
  t.match((await firstBytes(tunnel)).toString('latin1'), /^HTTP\/1\.1 200/, 'a tunnel outlives both');
  const counts = await end();
  for (const kind of kinds) {
    t.same(counts[kind].lost, {}, `none of ${counts[kind].done} by ${kind}`);
    if (kind !== 'vip') t.ok(counts[kind].done > 0, `${kind} was tried`);
  }
  const former = await eventually(
    'only the worker that holds the tunnel stays of the first generation',
    90_000,
    () => Promise.resolve(scene.processes().filter(({ pid, role }) => role === 'worker' && before.has(pid))),
    (workers) => workers.length <= 1,
  );
  t.equal(former.length, 1);

  // The worker that stays has nobody to tell it of the cluster any more.
  await scene.test.marathon.scale('/shop/web', 3);
  const addresses = (): Promise<readonly string[]> => resolve4(scene.daemon, 'web.shop.marathon.mesos');
  await eventually('DNS', 20_000, addresses, (found) => found.length === 3);
  await eventually(
    'workers',
    20_000,
    () => scene.daemon.json<Status>('/v1/status'),
    ({ version, workers }) => workers.every((worker) => worker.appliedVersion >= version),
  );
  const stale = [];
  for (let i = 0; i < 60; i++) if ((await addresses()).length !== 3) stale.push(i);
  t.same(stale, [], 'it does not answer DNS by what it knew');

  tunnel.destroy();
  await once(tunnel, 'close');
  const after = await scene.settled();
  const strangers = after.filter(({ pid, role }) => role !== 'supervisor' && before.has(pid));
  t.same(strangers, [], 'nobody of the first generation is left');
});
