// After any amount of churn, a daemon that followed it shows what one shows that has just started: nothing forgotten, nothing left over.

import t from 'tap';
import { seededRandom } from '../../src/runtime/index.ts';
import { eventually, startCluster, startDaemonOn, webApp } from './cluster.ts';
import type { RunningDaemon } from './daemon.ts';

t.setTimeout(110_000);

const views = ['/v1/tasks', '/v1/vips', '/v1/routes', '/v1/owners', '/v1/zone'] as const;
const steps = 40;

t.test('a daemon that followed churn equals a fresh one', async (t) => {
  const test = await startCluster();
  t.teardown(() => test.close());
  const random = seededRandom(7);
  const pick = (most: number): number => Math.floor(random() * most);
  const id = (): string => `/shop/app${pick(6)}`;
  for (let n = 0; n < 6; n++) await test.marathon.deploy(appNamed(`/shop/app${n}`, 2));
  await test.contract.deploy(appNamed('/shop/app0', 1));
  const follower = await startDaemonOn(test, 1);
  t.teardown(() => follower.stop());

  for (let step = 0; step < steps; step++) {
    const app = id();
    const running = test.cluster.tasks().filter((task) => task.state === 'TASK_RUNNING');
    const victim = running[pick(running.length)]?.task_id.value ?? '';
    const agents = test.cluster.agents().map((agent) => agent.agent_info.id.value);
    const act: readonly (() => Promise<unknown> | void)[] = [
      () => test.marathon.scale(app, 1 + pick(4)).catch(() => undefined),
      () => test.marathon.remove(app).catch(() => undefined),
      () => test.marathon.deploy(appNamed(app, 1 + pick(3), `label${step}.example`)).catch(() => undefined),
      () => test.cluster.crash(victim),
      () => test.cluster.setHealth(victim, random() < 0.5),
      () => test.masters.lead(pick(3)),
      () => void test.cluster.launch({ framework: test.contract.frameworkId, name: `job${step}` }),
      async () => {
        const agent = agents[pick(agents.length)] ?? '';
        test.cluster.loseAgent(agent);
        await new Promise((resolve) => setTimeout(resolve, 30));
        test.cluster.returnAgent(agent);
      },
    ];
    await act[pick(act.length)]?.();
  }

  // The same three readings in a row: nothing is under way any more.
  await settled(follower);
  const fresh = await startDaemonOn(test, 0);
  t.teardown(() => fresh.stop());
  await settled(fresh);
  t.ok((await fresh.json<readonly unknown[]>('/v1/tasks')).length > 3, 'there is something to compare');
  for (const view of views) t.equal(comparable(await follower.get(view)), comparable(await fresh.get(view)), view);
});

function appNamed(id: string, instances: number, host = 'shop.example'): never {
  return webApp({
    id,
    instances,
    host: `${id.slice(6)}.${host}`,
    vip: `${id}:8080`,
    network: instances % 2 === 0 ? 'overlay' : 'bridge',
  });
}

async function settled(daemon: RunningDaemon): Promise<void> {
  let last = '';
  let same = 0;
  await eventually(
    'quiet',
    30_000,
    () => daemon.get('/v1/tasks'),
    (now) => {
      same = now === last ? same + 1 : 0;
      last = now;
      return same > 150;
    },
  );
}

/** Without what a daemon has of its own: serials, and the addresses that it listens on. */
function comparable(text: string): string {
  return text.replace(/( IN SOA \S+ \S+) \d+/g, '$1 SERIAL');
}
