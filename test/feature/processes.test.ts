// Processes come and go, requests do not fail over it: a worker killed, control killed, a reload, an outage over a restart.

import { writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ask, askForever, eventually, resolve4, startCluster, startDaemonOn, webApp } from './cluster.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(220_000);

interface Status {
  readonly generation: number;
  readonly workers: readonly { readonly slot: number; readonly pid: number; readonly appliedVersion: number }[];
}

t.test('two workers, control killed, a worker killed, a reload', async (t) => {
  const test = await startCluster();
  t.teardown(() => test.close());
  await test.marathon.deploy(webApp());
  const daemon = await startDaemonOn(test, 2);
  t.teardown(() => daemon.stop());
  const router = daemon.address('router.http');
  const status = await daemon.json<Status>('/v1/status');
  t.equal(status.workers.length, 2);

  await t.test('control is killed: the workers serve on, and its successor finds them', async (t) => {
    const loop = askForever(() => ask(router, 'shop.example'));
    process.kill(daemon.ready.pid, 'SIGKILL');
    await eventually(
      'workers',
      45_000,
      () => daemon.json<Status>('/v1/status').catch(() => null),
      (now) => {
        return now !== null && now.workers.length === 2 && now.workers.every((worker) => worker.appliedVersion >= 0);
      },
    );
    const after = await daemon.json<Status>('/v1/status');
    t.same(
      after.workers.map((worker) => worker.pid),
      status.workers.map((worker) => worker.pid),
      'the same workers',
    );
    t.same(await loop.stop(), [], `none of ${loop.count()} requests failed`);
    await test.marathon.scale('/shop/web', 3);
    await eventually(
      'DNS',
      5_000,
      () => resolve4(daemon, 'web.shop.marathon.mesos'),
      (found) => found.length === 3,
    );
  });

  await t.test('a worker is killed: its neighbour serves, another takes its place', async (t) => {
    process.kill(status.workers[0]?.pid ?? 0, 'SIGKILL');
    await eventually(
      'workers',
      45_000,
      () => daemon.json<Status>('/v1/status'),
      (now) => {
        return (
          now.workers.length === 2 &&
          now.workers.every((worker) => worker.pid !== status.workers[0]?.pid && worker.appliedVersion >= 0)
        );
      },
    );
    const loop = askForever(() => ask(router, 'shop.example'));
    await eventually(
      'requests',
      5_000,
      () => Promise.resolve(loop.count()),
      (count) => count > 50,
    );
    t.same(await loop.stop(), []);
  });

  await t.test(
    'a reload with mistakes changes nothing, a good one is a new generation without a failed request',
    async (t) => {
      const file = join(daemon.directory, 'isthmus.yaml');
      const good = readFileSync(file, 'utf8');
      writeFileSync(file, `${good}\nnonsense: true\n`);
      daemon.child.kill('SIGHUP');
      await daemon.line((line) => /has mistakes/.test(String(line['msg'])));
      const loop = askForever(() => ask(router, 'shop.example'));
      writeFileSync(file, good.replace('groups: [external]', 'groups: [external], noRoute: 404'));
      daemon.child.kill('SIGHUP');
      const former = (await daemon.json<Status>('/v1/status')).generation;
      await eventually(
        'new rule',
        45_000,
        () => ask(router, 'unknown.example'),
        (answer) => answer.status === 404,
      );
      await eventually(
        'generation',
        45_000,
        () => daemon.json<Status>('/v1/status'),
        (now) => now.generation === former + 1,
      );
      t.same(await loop.stop(), [], `none of ${loop.count()} requests failed`);
    },
  );
});

t.test('a restart during an outage serves by the saved picture', async (t) => {
  const test = await startCluster();
  t.teardown(() => test.close());
  await test.marathon.deploy(webApp());
  const config = `
cluster: [{ mesos: { masters: ["${test.masters.url(0)}"] } }]
dns: { listen: ["127.0.0.1:0"], http: "127.0.0.1:0", upstreams: ["127.0.0.1:9"] }
store: { dir: "${t.testdir()}" }
admin: { listen: "127.0.0.1:0" }
workers: 0
`;
  const first = await startDaemon(config);
  t.equal(first.ready.source, 'live');
  const found = await eventually(
    'DNS',
    20_000,
    () => resolve4(first, 'web.shop.marathon.mesos'),
    (addresses) => addresses.length === 2,
  );
  t.equal(await first.stop(), 0, 'ends in peace');
  for (const master of [0, 1, 2]) await test.masters.kill(master);
  const second = await startDaemon(config);
  t.teardown(() => second.stop());
  t.equal(second.ready.source, 'saved');
  t.same(await resolve4(second, 'web.shop.marathon.mesos'), found);
  await eventually(
    'degraded',
    20_000,
    () => second.json<{ degraded: string[] }>('/v1/status'),
    (status) => /mesos/.test(status.degraded.join()),
  );
});
