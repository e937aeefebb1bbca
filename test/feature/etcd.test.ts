// A daemon that keeps what it must in etcd: a restart with every master down serves by it, and an etcd that is gone harms nothing.

import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '../../src/runtime/index.ts';
import { createEtcdClient, createEtcdStore, loadSnapshot } from '../../src/store/index.ts';
import { needs } from '../needs.ts';
import { startEtcd } from '../store/etcd-server.ts';
import { ask, eventually, resolve4, startCluster, vipRange, webApp } from './cluster.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(180_000);

t.test('a store in etcd', { skip: needs('etcd') }, async (t) => {
  const etcd = await startEtcd(join(t.testdir(), 'data'));
  t.teardown(() => etcd.kill());
  const client = createEtcdClient({ endpoints: [etcd.url] }, systemClock);
  t.teardown(() => client.close());
  const store = createEtcdStore({ client, prefix: '/edge-a', clock: systemClock });
  const test = await startCluster();
  t.teardown(() => test.close());
  await test.marathon.deploy(webApp());
  const config = `
cluster:
  - mesos: { masters: ["${test.masters.url(0)}"] }
  - marathon: { urls: ["${test.marathon.url}"], name: marathon }
dns: { listen: ["127.0.0.1:0"], upstreams: ["127.0.0.1:9"] }
vips: { plane: user, range: "${vipRange(test)}", ipv6: false }
router: { http: ["127.0.0.1:0"] }
store: { etcd: { endpoints: ["http://127.0.0.1:9", "${etcd.url}"], prefix: /edge-a } }
admin: { listen: "127.0.0.1:0" }
workers: 0
`;
  const serves = async (daemon: Awaited<ReturnType<typeof startDaemon>>): Promise<void> => {
    await eventually(
      'two addresses',
      30_000,
      () => resolve4(daemon, 'web.shop.marathon.mesos'),
      (all) => all.length === 2,
    );
    await eventually(
      'the route',
      30_000,
      () => ask(daemon.address('router.http'), 'shop.example'),
      ({ status }) => status === 200,
    );
  };

  const first = await startDaemon(config);
  await serves(first);
  t.notOk(
    first.ready.degraded.some((line) => /store|etcd/.test(line)),
    first.ready.degraded.join(),
  );
  t.equal(await first.stop(), 0);
  t.equal((await loadSnapshot(store))?.picture.tasks.length, 2, 'saved at the end');
  t.ok(await store.read('vips/addresses'), 'and the addresses of VIPs');

  await etcd.kill();
  const second = await startDaemon(config);
  await serves(second);
  await second.line(
    ({ msg, error }) => /saved snapshot cannot be used/.test(String(msg)) && /etcd/.test(String(error)),
  );
  t.equal(await second.stop(), 0, 'it ends as it should, without etcd');

  await etcd.start();
  for (const index of [0, 1, 2]) await test.masters.kill(index);
  for (let index = 0; index < test.marathon.urls.length; index++) test.marathon.faults(index).page = 'html-502';
  const third = await startDaemon(config);
  t.teardown(() => third.stop());
  await serves(third);
  t.equal(third.ready.source, 'saved');
});
