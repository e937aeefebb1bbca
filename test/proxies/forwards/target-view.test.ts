// View and plane of app targets: which tasks serve an app's port, by which name, and that deriving equals rebuilding.

import fc from 'fast-check';
import t from 'tap';
import { createForwardTargets, createForwardView } from '../../../proxies/forwards/index.ts';
import { policyOf } from '../../../lb/index.ts';
import {
  appKey,
  emptySnapshot,
  noLabels,
  reduce,
  type App,
  type AppPort,
  type ClusterEvent,
  type Snapshot,
  type Task,
} from '../../../src/cluster/index.ts';
import { seededRandom, systemClock, createMetrics, silentLogger } from '../../../src/runtime/index.ts';
import { sampleTask } from '../../cluster/sample-task.ts';
import { testViewLaw } from '../../contracts/view.ts';

const key = appKey('marathon', '/team/db');

const port = (index: number, name: string | null): AppPort => ({
  ...{ index, name, protocol: 'tcp', servicePort: 10_000 + index, containerPort: 5432 },
  ...{ hostPortIndex: index, labels: noLabels },
});

const app = (more: Partial<App> = {}): ClusterEvent => ({
  type: 'app',
  key,
  app: {
    ...{ key, marathon: 'marathon', frameworkId: null, id: '/team/db', labels: noLabels, networkMode: 'host' },
    ...{ ports: [port(0, 'sql'), port(1, null)], healthChecks: [], hasReadinessChecks: false, instances: 2 },
    ...{ version: null, deploying: false, inferred: false },
    ...more,
  } as App,
});

const told = (id: string, ip: string, more: Partial<Task> = {}): ClusterEvent => {
  const task = sampleTask(id, {
    appKey: key,
    agentIp: ip,
    hostPorts: [31_000, 31_001],
    state: 'TASK_RUNNING',
    ...more,
  });
  return { type: 'task', key: task.key, task };
};

function after(...events: readonly ClusterEvent[]): Snapshot {
  const snapshot = emptySnapshot();
  for (const event of events) reduce(snapshot, event);
  return snapshot;
}

t.test('by name and by index, with states and reasons', (t) => {
  const targets = ['sql', '1', 'http'].map((portName) => ({ id: '/team/db', portName }));
  const view = createForwardView([...targets, { id: '/none', portName: 'sql' }]);
  view.rebuild(after(app(), told('a', '10.0.0.1'), told('b', '10.0.0.2', { state: 'TASK_KILLING' })));
  t.equal(
    view.print(),
    'app:/none:sql -> there is no app /none\n' +
      'app:/team/db:1 -> 10.0.0.1:31001 up, 10.0.0.2:31001 draining\n' +
      'app:/team/db:http -> it has no port http\n' +
      'app:/team/db:sql -> 10.0.0.1:31000 up, 10.0.0.2:31000 draining\n',
  );
  view.rebuild(after(app()));
  t.match(view.print(), /app:\/team\/db:sql -> no task serves it\n/);
  const checks = [{ protocol: 'TCP' }] as unknown as App['healthChecks'];
  view.rebuild(after(app({ healthChecks: checks }), told('a', '10.0.0.1')));
  t.match(view.print(), /:sql -> 10\.0\.0\.1:31000 down\n/, 'a check has said nothing yet');
  t.end();
});

testViewLaw(t, () => createForwardView([{ id: '/team/db', portName: 'sql' }]));

const histories = fc.array(
  fc.oneof(
    fc.constant(app()),
    fc.constant(app({ ports: [port(1, 'sql')] })),
    fc.constant<ClusterEvent>({ type: 'app', key, app: null } as unknown as ClusterEvent),
    fc
      .tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('TASK_RUNNING', 'TASK_KILLING', 'TASK_FINISHED'))
      .map(([id, state]) => told(id, `10.0.0.${id.charCodeAt(0)}`, { state: state as Task['state'] })),
  ),
  { maxLength: 12 },
);

t.test('of the app itself', (t) => {
  testViewLaw(t, () => createForwardView([{ id: '/team/db', portName: 'sql' }]), { histories, runs: 200 });
  t.end();
});

t.test('the plane tries each backend that takes connections once', async (t) => {
  const view = createForwardView([{ id: '/team/db', portName: 'sql' }]);
  const around = { clock: systemClock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
  const targets = createForwardTargets(policyOf({ policy: 'random' }, around as never), seededRandom(1));
  t.match(targets.places('app:/team/db:sql'), { rejected: /not known/ });
  view.rebuild(after(app(), told('a', '10.0.0.1'), told('b', '10.0.0.2'), told('c', '10.0.0.3', { healthy: false })));
  await targets.plane.replace(view.table);
  const places = targets.places('app:/team/db:sql');
  t.strictSame(Array.isArray(places) && places.map(({ ip, port: at }) => `${ip}:${at}`).sort(), [
    '10.0.0.1:31000',
    '10.0.0.2:31000',
  ]);
  const change = view.rebuild(after(app(), told('c', '10.0.0.3', { healthy: false })));
  await targets.plane.apply(change, view.table);
  t.match(targets.places('app:/team/db:sql'), { rejected: /no task of it takes connections/ });
});
