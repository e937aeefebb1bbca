// Marathon's API: reads with embeds, writes as deployments, followers, rights and pages.
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import { createFakeCluster, manualClock, startFakeMarathon, startFakeMasters } from '../../src/fakes/index.ts';
import type { FakeClusterOptions, FakeMarathonOptions } from '../../src/fakes/index.ts';
import { call, json, request } from './wire.ts';

const OVERLAY = {
  id: '/homepage/web',
  instances: 2,
  labels: { HAPROXY_GROUP: 'external' },
  networks: [{ mode: 'container', name: 'ovl-web' }],
  container: {
    type: 'DOCKER',
    docker: { image: 'web' },
    portMappings: [{ containerPort: 80, name: 'http', labels: { VIP_0: '/web:80' } }],
  },
  healthChecks: [{ protocol: 'MESOS_HTTP', path: '/health' }],
  taskKillGracePeriodSeconds: 0,
};

async function setUp(t: Test, options: FakeMarathonOptions = {}, model: FakeClusterOptions = {}) {
  const cluster = createFakeCluster(model);
  cluster.addAgent({ zone: 'a', region: 'kr' });
  cluster.addAgent({ zone: 'b', region: 'kr' });
  const marathon = await startFakeMarathon(cluster, options);
  t.teardown(() => marathon.close());
  return { cluster, marathon };
}

void t.test('networking forms become discovery ports as Marathon writes them', async (t) => {
  const { marathon } = await setUp(t);
  const port = (extra: object) => ({ containerPort: 8080, name: 'http', labels: { VIP_0: '/x:80' }, ...extra });
  const discovery = async (app: object) => {
    await marathon.deploy({ id: '/g/x', cpus: 0.1, taskKillGracePeriodSeconds: 0, ...app });
    const [task] = marathon.tasks('/g/x');
    await marathon.remove('/g/x');
    return { name: task?.discovery?.name, ports: task?.discovery?.ports.ports, container: task?.container };
  };
  const vip = { key: 'VIP_0', value: '/x:80' };
  const host = await discovery({
    networks: [{ mode: 'host' }],
    portDefinitions: [{ port: 0, name: 'http', protocol: 'udp,tcp', labels: { VIP_0: '/x:80' } }],
  });
  t.equal(host.name, 'x.g');
  t.match(host.ports, [
    { number: 31000, protocol: 'udp', labels: { labels: [vip] } },
    { number: 31000, protocol: 'tcp' },
  ]);
  t.equal(host.ports?.[0]?.labels?.labels?.length, 1, 'no scope label');
  const bridge = await discovery({
    networks: [{ mode: 'container/bridge' }],
    container: { type: 'DOCKER', docker: { image: 'i' }, portMappings: [port({})] },
  });
  t.match(bridge.ports, [{ number: Number, labels: { labels: [vip, { key: 'network-scope', value: 'host' }] } }]);
  t.match(bridge.container, { docker: { network: 'BRIDGE', port_mappings: [{ container_port: 8080 }] } });
  const ucr = await discovery({
    networks: [{ mode: 'container/bridge' }],
    container: { type: 'MESOS', docker: { image: 'i' }, portMappings: [port({})] },
  });
  t.match(ucr.container, {
    type: 'MESOS',
    network_infos: [{ name: 'mesos-bridge', port_mappings: [{ container_port: 8080 }] }],
  });
  const overlay = await discovery({
    networks: [{ mode: 'container', name: 'ovl' }],
    container: { type: 'MESOS', docker: { image: 'i' }, portMappings: [port({}), port({ name: 'x', hostPort: 0 })] },
  });
  t.match(overlay.ports, [
    {
      number: 8080,
      labels: { labels: [vip, { key: 'network-scope', value: 'container' }, { key: 'network-name', value: 'ovl' }] },
    },
    { number: Number, labels: { labels: [vip, { key: 'network-scope', value: 'host' }] } },
  ]);
  const old = await discovery({
    container: { type: 'DOCKER', docker: { image: 'i', network: 'USER', portMappings: [port({})] } },
    ipAddress: { networkName: 'ovl' },
  });
  t.match(old.container, { docker: { network: 'USER' }, network_infos: [{ name: 'ovl' }] });
});

void t.test('apps with embeds, tasks as JSON and as text', async (t) => {
  const { cluster, marathon } = await setUp(t);
  await marathon.deploy(OVERLAY);
  const { json: body } = await json(
    `${marathon.url}/v2/apps?embed=apps.tasks&embed=apps.readiness&label=HAPROXY_GROUP==external`,
  );
  t.match(body, {
    apps: [
      {
        id: '/homepage/web',
        tasksRunning: 2,
        tasksHealthy: 2,
        deployments: [],
        container: { portMappings: [{ containerPort: 80, servicePort: 10000 }] },
        tasks: [
          {
            state: 'TASK_RUNNING',
            ports: [],
            servicePorts: [],
            region: 'kr',
            host: '10.0.1.11',
            healthCheckResults: [{ alive: true }],
          },
          {},
        ],
      },
    ],
  });
  t.notOk(JSON.stringify(body).includes('hostPort'), 'not exposed, so no host port');
  t.same((await json(`${marathon.url}/v2/apps?label=HAPROXY_GROUP==internal`)).json, { apps: [] });
  t.match((await json(`${marathon.url}/v2/tasks`)).json, { tasks: [{ servicePorts: [10000] }, {}] });
  const text = await request(`${marathon.url}/v2/tasks`);
  t.equal(text.headers['content-type'], 'text/plain');
  t.match(text.body.toString(), /^homepage_web\t10000\t10\.0\.1\.11:0\t/);
  const zipped = await request(`${marathon.url}/v2/apps?embed=apps.tasks`, { headers: { 'accept-encoding': 'gzip' } });
  t.equal(zipped.headers['content-encoding'], 'gzip');
  t.match(JSON.parse(gunzipSync(zipped.body).toString()), { apps: [{}] });
  t.match((await json(`${marathon.url}/v2/info`)).json, {
    frameworkId: marathon.frameworkId,
    name: 'marathon',
    elected: true,
  });
  t.equal(cluster.frameworks()[0]?.framework_info.webui_url, marathon.url);
});

void t.test('the write API: create, conflict, invalid, patch, kill, restart, delete', async (t) => {
  const clock = manualClock();
  const { marathon } = await setUp(t, { launchDelayMs: 30 }, { clock });
  const apps = `${marathon.url}/v2/apps`;
  const running = new Set<unknown>();
  marathon.onEvent(({ eventType, plan, id }) => {
    if (eventType === 'deployment_info') running.add((plan as { id: string }).id);
    if (eventType === 'deployment_success' || eventType === 'deployment_failed') running.delete(id);
  });
  // Nothing starts unless the clock moves, so a deployment runs as long as the test wants.
  const after = async (act: () => Promise<{ status: number; json: Record<string, unknown> }>) => {
    const answer = await act();
    while (running.size > 0) {
      clock.advance(30);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return answer;
  };
  t.equal((await json(apps, 'POST', { id: '/Not Valid' })).status, 422);
  const created = await after(() => json(apps, 'POST', OVERLAY));
  t.equal(created.status, 201);
  t.match(created.json, { id: '/homepage/web', version: String, deployments: [{ id: String }] });
  t.equal((await json(apps, 'POST', OVERLAY)).status, 409, 'exists');
  const scaled = await after(() => json(`${apps}//homepage/web`, 'PUT', { instances: 3 }));
  t.match(scaled, { status: 200, json: { deploymentId: String } });
  t.equal(marathon.tasks('/homepage/web').length, 3);
  const before = marathon.tasks('/homepage/web').map(({ id }) => id);
  const restart = await json(`${apps}/homepage/web/restart`, 'POST');
  t.equal(restart.status, 200);
  t.match((await json(`${marathon.url}/v2/deployments`)).json, [{ affectedApps: ['/homepage/web'] }]);
  const locked = await json(`${apps}/homepage/web`, 'PATCH', { cpus: 2 });
  t.equal(locked.status, 409, 'locked by the restart');
  await after(() => json(`${apps}/homepage/web?force=true`, 'PATCH', { labels: { a: 'b' } }));
  t.notOk(marathon.tasks('/homepage/web').some(({ id }) => before.includes(id)));
  t.same(marathon.tasks('/homepage/web')[0]?.labels, { labels: [{ key: 'a', value: 'b' }] });
  const [victim] = marathon.tasks('/homepage/web');
  await after(() => json(`${apps}/homepage/web/tasks/${String(victim?.id)}?scale=true`, 'DELETE'));
  t.equal(marathon.tasks('/homepage/web').length, 2);
  const [other] = marathon.tasks('/homepage/web');
  t.match((await json(`${marathon.url}/v2/tasks/delete`, 'POST', { ids: [other?.id] })).json, {
    tasks: [{ id: other?.id }],
  });
  await after(() => json(`${apps}/homepage/web`, 'DELETE'));
  t.equal((await json(`${apps}/homepage/web`)).status, 404);
  t.equal((await json(`${apps}/homepage/web`, 'DELETE')).status, 404);
});

void t.test('a rolling deployment starts new tasks before it kills old ones', async (t) => {
  const { cluster, marathon } = await setUp(t);
  await marathon.deploy(OVERLAY);
  const told: string[] = [];
  let fewest = 2;
  cluster.onEvent(({ event }) => {
    if (event?.type === 'TASK_UPDATED' && event.task_updated.status.healthy === undefined)
      told.push(event.task_updated.state);
    fewest = Math.min(
      fewest,
      cluster.tasks().filter(({ state, statuses }) => state === 'TASK_RUNNING' && statuses?.at(-1)?.healthy === true)
        .length,
    );
  });
  await marathon.deploy({ ...OVERLAY, labels: { version: '2' } });
  t.same(told.filter((state) => state === 'TASK_KILLING').length, 2);
  t.ok(told.indexOf('TASK_RUNNING') < told.indexOf('TASK_KILLING'));
  t.equal(fewest, 2, 'never fewer than minimumHealthCapacity asks for');
  t.same(
    marathon.tasks('/homepage/web').map(({ labels }) => labels?.labels?.[0]?.value),
    ['2', '2'],
  );
});

void t.test('a crashed task is replaced, an unreachable one too, and one that returns is killed', async (t) => {
  const { cluster, marathon } = await setUp(t, { backoffMs: 1 });
  await marathon.deploy({ ...OVERLAY, instances: 1 });
  const [first] = marathon.tasks('/homepage/web');
  const running = () => marathon.tasks('/homepage/web').filter(({ state }) => state === 'TASK_RUNNING');
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  };
  cluster.crash(String(first?.id));
  await until(() => running().length === 1 && running()[0]?.id !== first?.id);
  const [second] = running();
  cluster.loseAgent(String(second?.agent_id.value));
  await until(() => running().length === 1 && running()[0]?.id !== second?.id);
  cluster.returnAgent(String(second?.agent_id.value));
  await until(() => cluster.task(String(second?.id))?.state === 'TASK_KILLED');
  t.equal(running().length, 1);
});

void t.test('pods', async (t) => {
  const { cluster, marathon } = await setUp(t);
  const masters = await startFakeMasters(cluster);
  t.teardown(() => masters.close());
  await marathon.deployPod({
    id: '/groupware/pxc',
    networks: [{ mode: 'container', name: 'ovl-gw-db' }],
    containers: [
      { name: 'pxc', endpoints: [{ name: 'galera', containerPort: 4567, protocol: ['tcp', 'udp'] }] },
      {
        name: 'proxysql',
        endpoints: [{ name: 'sql', containerPort: 6033, hostPort: 0, labels: { VIP_0: '/db:3306' } }],
      },
    ],
  });
  const tasks = marathon.tasks('/groupware/pxc');
  t.match(tasks, [
    { name: 'pxc', discovery: { name: 'pxc.groupware' } },
    { name: 'proxysql', discovery: { name: 'pxc.groupware' } },
  ]);
  t.match(tasks[0]?.id, /^groupware_pxc\.instance-[0-9a-f-]{36}\.pxc\.1$/);
  t.match(tasks[0]?.executor_id?.value, /^instance-groupware_pxc\.[0-9a-f-]{36}$/);
  t.equal(tasks[0]?.container?.network_infos, undefined);
  t.same(
    tasks[0]?.statuses?.[1]?.container_status?.network_infos,
    tasks[1]?.statuses?.[1]?.container_status?.network_infos,
  );
  t.match((await json(`${marathon.url}/v2/pods::status`)).json, [
    { status: 'STABLE', instances: [{ containers: [{}, { endpoints: [{ allocatedHostPort: 31000 }] }] }] },
  ]);
  t.match(JSON.parse((await call(masters.url(), 'GET_EXECUTORS')).body.toString()), {
    get_executors: { executors: [{ executor_info: { type: 'DEFAULT' } }] },
  });
  await marathon.remove('/groupware/pxc');
  t.same([...cluster.view().executors], []);
});

void t.test('Marathon on Marathon: old ids, old form, its own framework', async (t) => {
  const { cluster, marathon } = await setUp(t);
  const contract = await startFakeMarathon(cluster, {
    name: 'marathon-contract',
    idStyle: 'legacy',
    networking: 'old',
  });
  t.teardown(() => contract.close());
  await Promise.all([marathon.deploy(OVERLAY), contract.deploy(OVERLAY)]);
  t.not(marathon.frameworkId, contract.frameworkId);
  t.match(contract.tasks('/homepage/web')[0]?.id, /^homepage_web\.[0-9a-f-]{36}$/);
  t.match((await json(`${contract.url}/v2/apps`)).json, {
    apps: [
      {
        container: { docker: { network: 'USER', portMappings: [{ servicePort: 10000 }] } },
        ipAddress: { networkName: 'ovl-web' },
      },
    ],
  });
  t.equal(cluster.tasks().length, 4);
});

void t.test('followers, no leader, rights, pages', async (t) => {
  const { marathon } = await setUp(t, { instances: 2 });
  const [leader, follower] = marathon.urls;
  const proxied = await request(`${String(follower)}/v2/apps`);
  t.equal(proxied.status, 200);
  t.equal(proxied.headers['x-marathon-leader'], leader);
  const redirected = await request(`${String(follower)}/v2/events?plan-format=light`, {
    headers: { accept: 'text/event-stream' },
  });
  t.equal(redirected.status, 302);
  t.equal(redirected.headers.location, `${String(leader)}/v2/events?plan-format=light`);
  t.equal(
    (await request(`${String(follower)}/v2/apps`, { headers: { 'x-marathon-via': '1.1 x' } })).status,
    502,
    'loop',
  );
  t.equal((await request(`${String(follower)}/ping`)).body.toString(), 'pong');
  t.match((await json(`${String(follower)}/v2/leader`)).json, { leader: String(leader).slice(7) });
  marathon.lead(null);
  t.equal((await request(`${String(follower)}/v2/leader`)).status, 404);
  t.equal((await request(`${String(follower)}/v2/apps`)).status, 502);
  marathon.lead(0);
  const faults = marathon.faults(0);
  faults.unavailable = true;
  t.equal((await request(`${String(leader)}/v2/apps`)).status, 503);
  faults.auth = { user: 'a', password: 'b' };
  const denied = await request(`${String(leader)}/v2/events`, { headers: { accept: 'text/event-stream' } });
  t.equal(denied.status, 401);
  t.match(denied.headers['www-authenticate'], /^Basic/);
  faults.auth = { token: 'x' };
  t.equal((await request(`${String(leader)}/v2/apps`)).headers['www-authenticate'], 'oauthjwt');
  faults.unavailable = false;
  t.equal((await request(`${String(leader)}/v2/apps`, { headers: { authorization: 'token=x' } })).status, 200);
  faults.page = 'html-502';
  t.match((await request(`${String(leader)}/ping`)).headers['content-type'], 'text/html');
});
