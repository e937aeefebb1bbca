// What the fakes write has the shape of the reference data: the same keys at the same places, for the same kind of app.
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { createFakeCluster, startFakeMarathon, startFakeMasters } from '../../src/fakes/index.ts';
import { call, json } from './wire.ts';

const SHARED = new URL('../../../shared/fixtures/orchestrator/', import.meta.url);
const OWN = new URL('./data/shapes.json', import.meta.url);

interface Shapes {
  readonly task: unknown;
  readonly taskV0: unknown;
  readonly appTask: unknown;
  readonly framework: unknown;
}

function paths(value: unknown, at = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => paths(item, `${at}[]`));
  if (typeof value !== 'object' || value === null) return [`${at}:${typeof value}`];
  return Object.entries(value).flatMap(([key, inner]) => paths(inner, `${at}.${key}`));
}

const shape = (value: unknown): readonly string[] => [...new Set(paths(value))].sort();

function shared(): Shapes {
  const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, SHARED), 'utf8'));
  const { get_state } = (read('mesos-subscribed.json') as { subscribed: { get_state: State } }).subscribed;
  const v0 = read('mesos-state-v0.json') as { frameworks: { tasks: { name: string }[] }[] };
  const { apps } = read('marathon-apps.json') as { apps: { id: string; tasks: unknown[] }[] };
  return {
    task: get_state.get_tasks.tasks.find(({ name }) => name === 'web.homepage'),
    taskV0: v0.frameworks[0]?.tasks.find(({ name }) => name === 'web.homepage'),
    appTask: apps.find(({ id }) => id === '/homepage/web')?.tasks[0],
    framework: get_state.get_frameworks.frameworks[1]?.framework_info,
  };
}

interface State {
  readonly get_tasks: { readonly tasks: readonly { readonly name: string }[] };
  readonly get_frameworks: { readonly frameworks: readonly { readonly framework_info: unknown }[] };
}

const references: [string, Shapes][] = [['this project', JSON.parse(readFileSync(OWN, 'utf8')) as Shapes]];
if (existsSync(SHARED)) references.push(['the shared fixtures', shared()]);

void t.test('an overlay app of Docker, on every interface', async (t) => {
  const cluster = createFakeCluster();
  t.teardown(() => cluster.close());
  cluster.addAgent({ zone: 'kr-seoul-a', region: 'kr-seoul' });
  const masters = await startFakeMasters(cluster);
  const marathon = await startFakeMarathon(cluster);
  t.teardown(() => Promise.all([masters.close(), marathon.close()]));
  await marathon.deploy({
    id: '/homepage/web',
    labels: { HAPROXY_GROUP: 'external' },
    networks: [{ mode: 'container', name: 'ovl-homepage-web' }],
    container: {
      type: 'DOCKER',
      docker: { image: 'web' },
      portMappings: [{ containerPort: 80, name: 'http', labels: { VIP_0: '/homepage-web:80' } }],
    },
    healthChecks: [{ protocol: 'MESOS_HTTP', path: '/health.php' }],
    taskKillGracePeriodSeconds: 30,
  });
  const state = JSON.parse((await call(masters.url(), 'GET_STATE')).body.toString()) as { get_state: State };
  const v0 = (await json(`${masters.url()}/state`)).json as { frameworks: { tasks: unknown[] }[] };
  const apps = (await json(`${marathon.url}/v2/apps?embed=apps.tasks`)).json as { apps: { tasks: unknown[] }[] };
  for (const [where, reference] of references) {
    t.same(shape(state.get_state.get_tasks.tasks[0]), shape(reference.task), `v1 task as in ${where}`);
    t.same(shape(v0.frameworks[0]?.tasks[0]), shape(reference.taskV0), `v0 task as in ${where}`);
    t.same(shape(apps.apps[0]?.tasks[0]), shape(reference.appTask), `Marathon's task as in ${where}`);
    t.same(
      shape(state.get_state.get_frameworks.frameworks[0]?.framework_info),
      shape(reference.framework),
      `framework as in ${where}`,
    );
  }
});
