// A master that takes over knows of no task until the agents come back, one by one. All along every live task keeps its name, VIP and
// route; those of an agent that stayed away go once nobody waits for it any more.

import t from 'tap';
import { ask, eventually, resolve4, startCluster, startDaemonOn, webApp } from './cluster.ts';

t.setTimeout(150_000);

const name = 'web.shop.marathon.mesos';

t.test('a failover with agents that come back one by one, and one that does not', async (t) => {
  const test = await startCluster();
  t.teardown(() => test.close());
  await test.marathon.deploy(webApp({ instances: 6 }));
  const daemon = await startDaemonOn(test, 0);
  t.teardown(() => daemon.stop());
  const placed = test.cluster.tasks().map((task) => ({
    agent: task.agent_id.value,
    ...test.cluster.address(task.task_id.value),
  }));
  const agents = [...new Set(placed.map(({ agent }) => agent))];
  t.ok(agents.length >= 2, 'tasks on several agents');
  const lost = agents.at(-1) as string;
  const live = placed.filter(({ agent }) => agent !== lost);
  const dead = placed.filter(({ agent }) => agent === lost);

  interface Look {
    readonly names: readonly string[];
    readonly vips: string;
    readonly routes: string;
  }
  const look = async (): Promise<Look> => ({
    names: await resolve4(daemon, name),
    vips: await daemon.get('/v1/vips'),
    routes: await daemon.get('/v1/routes'),
  });
  const shows = ({ names, vips, routes }: Look, one: { host: string; port: number }): boolean[] => [
    names.includes(one.host),
    vips.includes(`${one.host}:${one.port}`),
    routes.includes(`${one.host}:${one.port}`),
  ];
  await eventually('all are shown', 20_000, look, (seen) => placed.every((one) => shows(seen, one).every(Boolean)));

  const missing: string[] = [];
  let looks = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const seen = await look();
      for (const one of live)
        if (!shows(seen, one).every(Boolean)) missing.push(`look ${looks}: ${one.host} ${String(shows(seen, one))}`);
      const { status } = await ask(daemon.address('router.http'), 'shop.example');
      if (status !== 200) missing.push(`look ${looks}: answered ${status}`);
      looks++;
      await new Promise((wake) => setTimeout(wake, 20));
    }
  })();

  test.masters.failover(1);
  await eventually(
    'the new stream',
    30_000,
    async () => test.masters.subscribers(1),
    (count) => count > 0,
  );
  test.cluster.resubscribeFramework(test.marathon.frameworkId);
  test.cluster.resubscribeFramework(test.contract.frameworkId);
  const lookedUntil = async (more: number): Promise<void> => {
    const until = looks + more;
    await eventually(
      'looks',
      30_000,
      async () => looks,
      (count) => count >= until,
    );
  };
  for (const agent of test.cluster.view().recoveredAgents) {
    const id = agent.id.value;
    await lookedUntil(3);
    if (id !== lost) test.cluster.reregisterAgent(id);
  }
  const held = await look();
  t.ok(
    dead.every((one) => shows(held, one).every(Boolean)),
    'what the master waits for is held',
  );
  test.cluster.forgetRecovered(lost);
  await eventually('the dead go', 60_000, look, (seen) => dead.every((one) => !seen.names.includes(one.host)));
  await eventually('from everywhere', 30_000, look, (seen) => dead.every((one) => !shows(seen, one).some(Boolean)));
  await lookedUntil(3);
  isOver = true;
  await watching;
  t.same(missing, [], `${looks} looks`);
});
