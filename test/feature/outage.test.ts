// A source that is away costs only its own news: after a restart, and after everything is read anew, what it said last is served beside
// what the others say now.

import t from 'tap';
import { ask, eventually, resolve4, startCluster, webApp } from './cluster.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(60_000);

t.test('Marathon is away at a restart, and when the cluster is read anew', async (t) => {
  const test = await startCluster();
  t.teardown(() => test.close());
  await test.marathon.deploy(webApp());
  const config = `
cluster:
  - mesos: { masters: ["${test.masters.url(0)}"] }
  - marathon: { urls: ["${test.marathon.url}"], name: marathon }
dns: { listen: ["127.0.0.1:0"], upstreams: ["127.0.0.1:9"] }
router: { http: ["127.0.0.1:0"] }
store: { dir: "${t.testdir()}" }
admin: { listen: "127.0.0.1:0", token: test-token }
workers: 0
`;
  const first = await startDaemon(config);
  const routes = await first.get('/v1/routes');
  t.match(routes, /shop\.example/);
  t.equal(await first.stop(), 0);

  test.marathon.faults().page = 'html-502';
  const second = await startDaemon(config);
  t.teardown(() => second.stop());
  const isFollowed = async (): Promise<void> => {
    await eventually(
      'sources',
      10_000,
      () => second.json<{ sources: { name: string; state: string }[] }>('/v1/status'),
      ({ sources }) =>
        sources.some(({ name, state }) => name === 'mesos' && state === 'live') &&
        sources.some(({ name, state }) => name === 'marathon:marathon' && state === 'lost'),
    );
    // Longer than the patience of a merge with a source that never answered.
    const until = performance.now() + 4_000;
    while (performance.now() < until) {
      t.equal((await ask(second.address('router.http'), 'shop.example')).status, 200);
      await new Promise((wake) => setTimeout(wake, 250));
    }
    t.equal(await second.get('/v1/routes'), routes);
  };
  await isFollowed();
  const answer = await fetch(`http://${second.address('admin')}/v1/resync`, {
    method: 'POST',
    headers: { authorization: 'Bearer test-token' },
  });
  t.equal(answer.status, 202);
  await isFollowed();

  const [victim] = test.cluster.tasks();
  test.cluster.crash(victim?.task_id.value ?? '');
  await eventually(
    'what Mesos says',
    5_000,
    () => second.json<{ id: string }[]>('/v1/tasks'),
    (tasks) => tasks.every((task) => task.id !== victim?.task_id.value),
  );
  t.ok((await resolve4(second, 'web.shop.marathon.mesos')).length > 0, 'Mesos is followed meanwhile');
});
