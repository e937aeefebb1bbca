// The Marathon source against a fake one: deployments, labels, health, pods, lost events, other members, refusals.

import t, { type Test } from 'tap';
import { createFakeCluster, startFakeMarathon, type FakeCluster, type FakeMarathon } from '../../../src/fakes/index.ts';
import {
  createMarathonOrchestrator,
  type MarathonLimits,
  type MarathonOptions,
} from '../../../src/orchestrator/index.ts';
import { follow, surroundings, type Followed } from '../harness.ts';

const quick: Partial<MarathonLimits> = { silenceMs: 2000, apartMs: 30, gatherMs: 5, readMs: 60_000, pollMs: 50 };
const source = 'marathon:marathon';

interface Scene {
  readonly cluster: FakeCluster;
  readonly marathon: FakeMarathon;
  readonly followed: Followed;
}

const web = {
  id: '/shop/web',
  taskKillGracePeriodSeconds: 0,
  instances: 2,
  labels: { HAPROXY_GROUP: 'external' },
  networks: [{ mode: 'container/bridge' }],
  container: {
    type: 'DOCKER',
    docker: { image: 'web' },
    portMappings: [{ containerPort: 8080, hostPort: 0, name: 'http', labels: { VIP_0: '/web:80' } }],
  },
} as const;

async function scene(
  test: Test,
  more: { fake?: Parameters<typeof startFakeMarathon>[1]; options?: Partial<MarathonOptions> } = {},
): Promise<Scene> {
  const cluster = createFakeCluster({ seed: 2 });
  cluster.addAgent({ zone: 'a' });
  cluster.addAgent({ zone: 'b' });
  const marathon = await startFakeMarathon(cluster, { name: 'marathon', heartbeatMs: 200, ...more.fake });
  const options = { urls: marathon.urls, name: 'marathon', limits: quick, ...surroundings(), ...more.options };
  const followed = follow(createMarathonOrchestrator(options));
  test.teardown(async () => {
    await followed.stop();
    await marathon.close();
    await cluster.close();
  });
  return { cluster, marathon, followed };
}

const app = (followed: Followed, key: string) => [...followed.snapshot.apps.values()].find((one) => one.key === key);
const running = (followed: Followed): number =>
  [...followed.snapshot.tasks.values()].filter((task) => task.state === 'TASK_RUNNING').length;

t.test('apps and their tasks, as they are deployed, labelled, scaled and removed', async (t) => {
  const { marathon, followed } = await scene(t);
  await followed.until('the empty picture', (snapshot) => snapshot.synced);
  await marathon.deploy(web);
  await followed.until('two tasks', () => running(followed) === 2);
  const deployed = app(followed, 'marathon/shop/web');
  t.match(deployed, {
    id: '/shop/web',
    networkMode: 'bridge',
    frameworkId: marathon.frameworkId,
    instances: 2,
    inferred: false,
  });
  t.match(deployed?.ports[0], { containerPort: 8080, hostPortIndex: 0, name: 'http', protocol: 'tcp' });
  t.type(deployed?.ports[0]?.servicePort, 'number');
  const [task] = followed.snapshot.tasks.values();
  t.match(task, { framework: 'marathon', name: 'web.shop', appKey: 'marathon/shop/web' });
  t.equal(task?.hostPorts.length, 1);
  t.match(task?.ports[0], { scope: 'host', hostPort: task?.hostPorts[0], containerPort: 8080, vips: ['/web:80'] });
  await marathon.deploy({ ...web, labels: { HAPROXY_GROUP: 'internal' } });
  await followed.until('the label', () => app(followed, 'marathon/shop/web')?.labels['HAPROXY_GROUP'] === 'internal');
  await marathon.scale('/shop/web', 1);
  await followed.until('one task', () => running(followed) === 1);
  await marathon.remove('/shop/web');
  await followed.until('nothing', (snapshot) => snapshot.apps.size === 0 && snapshot.tasks.size === 0);
});

t.test('a pod is an app whose tasks are its containers', async (t) => {
  const { marathon, followed } = await scene(t);
  await marathon.deployPod({
    id: '/db/pxc',
    labels: { team: 'db' },
    networks: [{ mode: 'container', name: 'ovl' }],
    scaling: { kind: 'fixed', instances: 1 },
    containers: [
      {
        name: 'pxc',
        resources: { cpus: 1, mem: 32 },
        endpoints: [{ name: 'sql', containerPort: 3306, hostPort: 0, protocol: ['tcp'] }],
      },
      { name: 'side', resources: { cpus: 1, mem: 32 }, endpoints: [] },
    ],
  } as never);
  await followed.until('two containers', () => running(followed) === 2);
  t.match(app(followed, 'marathon/db/pxc'), { labels: { team: 'db' }, networkMode: 'container', instances: 1 });
  t.same([...followed.snapshot.tasks.values()].map((task) => task.name).sort(), ['pxc', 'side']);
  for (const task of followed.snapshot.tasks.values()) {
    t.equal(task.discoveryName, 'pxc.db');
    t.equal(task.addresses[0]?.network, 'ovl');
    t.equal(task.hostPorts.length, 1);
    t.same(
      task.ports.map(({ name }) => name),
      task.name === 'pxc' ? ['sql'] : [],
      'its own endpoints',
    );
  }
});

t.test('events that are lost are made up for by reading now and then', async (t) => {
  const { marathon, followed } = await scene(t, { options: { limits: { ...quick, readMs: 50 } } });
  marathon.faults(0).dropEvents = 1;
  await marathon.deploy({ ...web, instances: 1 });
  await followed.until('the task', () => running(followed) === 1);
  t.notOk(followed.events.some((event) => event.type === 'lost-contact'));
});

t.test('when the leader goes another member is asked', async (t) => {
  const { marathon, followed } = await scene(t, { fake: { instances: 3 } });
  await marathon.deploy({ ...web, instances: 1 });
  await followed.until('the task', () => running(followed) === 1);
  marathon.lead(1);
  await followed.until('the loss', () => followed.events.some((event) => event.type === 'lost-contact'));
  await marathon.scale('/shop/web', 2);
  await followed.until('what came later', () => running(followed) === 2);
  t.equal(followed.events.filter((event) => event.type === 'task' && event.task === null).length, 0);
});

t.test('a follower sends the stream of events to the leader', async (t) => {
  const { marathon, followed } = await scene(t, { fake: { instances: 2 }, options: {} });
  const second = follow(
    createMarathonOrchestrator({
      urls: [marathon.urls[1] as string],
      name: 'marathon',
      limits: quick,
      ...surroundings(),
    }),
  );
  t.teardown(() => second.stop());
  await second.until('the picture', (snapshot) => snapshot.synced);
  await marathon.deploy({ ...web, instances: 1 });
  await second.until('the task', () => running(second) === 1);
  await followed.until('the task', () => running(followed) === 1);
  t.equal(marathon.subscribers(), 2);
  t.notOk(second.events.some((event) => event.type === 'lost-contact'));
});

for (const [what, fault, reason] of [
  ['HTML', { page: 'html-200' }, /not JSON/],
  ['a gateway error', { page: 'html-502' }, /502/],
  ['a busy Marathon', { unavailable: true }, /503/],
  ['other credentials', { auth: { user: 'u', password: 'p' } }, /401/],
] as const) {
  t.test(`${what} is lost contact, and what was said stays`, async (t) => {
    const { marathon, followed } = await scene(t);
    await marathon.deploy({ ...web, instances: 1 });
    await followed.until('the task', () => running(followed) === 1);
    Object.assign(marathon.faults(0), fault);
    marathon.emit('api_post_event');
    await followed.until('the loss', (snapshot) => reason.test(snapshot.sources.get(source)?.reason ?? ''));
    t.equal(running(followed), 1);
    t.equal(app(followed, 'marathon/shop/web')?.id, '/shop/web');
    Object.assign(marathon.faults(0), { page: null, unavailable: false, auth: null });
    await followed.until('contact', (snapshot) => snapshot.sources.get(source)?.state === 'live');
  });
}

t.test('credentials that are right', async (t) => {
  const basic = { user: 'u', password: 'p' };
  const { followed } = await scene(t, { fake: { auth: basic }, options: { auth: { basic } } });
  await followed.until('the picture', (snapshot) => snapshot.synced);
  t.notOk(followed.events.some((event) => event.type === 'lost-contact'));
});

t.test('silence of the stream of events is lost contact', async (t) => {
  const { followed } = await scene(t, {
    fake: { heartbeatMs: 60_000 },
    options: { limits: { ...quick, silenceMs: 100 } },
  });
  await followed.until('the loss', (snapshot) => /heartbeat/.test(snapshot.sources.get(source)?.reason ?? ''));
  await followed.until('contact', (snapshot) => snapshot.sources.get(source)?.state === 'live');
  t.ok(followed.events.filter((event) => event.type === 'resync').length >= 2, 'the whole is read again');
});

t.test('both forms of networking give the same app', async (t) => {
  const forms = await Promise.all(
    (['new', 'old'] as const).map(async (networking) => {
      const { marathon, followed } = await scene(t, {
        fake: { networking, version: networking === 'old' ? '1.4.9' : '1.11.24' },
      });
      await marathon.deploy({ ...web, instances: 1 });
      await followed.until('the app', () => app(followed, 'marathon/shop/web') !== undefined);
      const { networkMode, ports } = app(followed, 'marathon/shop/web') as NonNullable<ReturnType<typeof app>>;
      return { networkMode, ports: ports.map(({ servicePort: _, ...port }) => port) };
    }),
  );
  t.same(forms[0], forms[1]);
});
