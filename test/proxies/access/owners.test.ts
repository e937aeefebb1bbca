// View and plane `owners`: who owns which address and ports, and that deriving step by step equals rebuilding.

import fc from 'fast-check';
import t from 'tap';
import { sampleTask } from '../../cluster/sample-task.ts';
import { createOwners, createOwnerView, type OwnerRecord } from '../../../proxies/access/index.ts';
import type { TableChange } from '../../../src/ports/index.ts';
import {
  agentId,
  appKey,
  emptySnapshot,
  frameworkId,
  noLabels,
  noMasters,
  reduce,
  taskId,
  taskKey,
  type ClusterEvent,
  type Task,
  type TaskState,
} from '../../../src/cluster/index.ts';
import { testViewLaw } from '../../contracts/view.ts';

const framework = frameworkId('f1');

function task(id: string, more: Partial<Task> = {}): Task {
  const placed = { agentId: agentId('a1'), agentIp: '10.0.0.11', agentIps: ['10.0.0.11'] };
  return sampleTask(id, { frameworkId: framework, ...placed, appKey: appKey('marathon', '/web'), ...more });
}

const told = (record: Task): ClusterEvent => ({ type: 'task', key: record.key, task: record });

function printed(...events: readonly ClusterEvent[]): string {
  const snapshot = emptySnapshot();
  for (const event of events) reduce(snapshot, event);
  const view = createOwnerView();
  view.rebuild(snapshot);
  return view.print();
}

const overlay = { networkMode: 'container', addresses: [{ ip: '9.0.1.2', network: 'dcos' }] } as const;

t.test("host ports belong to the agent's address, with its ports alone", (t) => {
  t.equal(
    printed(told(task('a', { hostPorts: [31002, 31001] })), told(task('b', { hostPorts: [31000] }))),
    '10.0.0.11 ports=31000,31001,31002 apps=\n',
  );
  t.end();
});

t.test('an address of its own belongs to the app, whole', (t) => {
  t.equal(printed(told(task('a', overlay))), '9.0.1.2 ports=* apps=/web\n');
  const both = printed(told(task('a', overlay)), told(task('b', { ...overlay, appKey: appKey('other', '/x/y') })));
  t.equal(both, '9.0.1.2 ports=* apps=/web,/x/y\n');
  t.end();
});

t.test("what is not the cluster's: bridge addresses, agents claimed by a task, ended tasks", (t) => {
  t.equal(printed(told(task('a', { ...overlay, networkMode: 'bridge' }))), '');
  t.equal(printed(told(task('a', { networkMode: 'container', addresses: [{ ip: '10.0.0.11', network: null }] }))), '');
  t.equal(printed(told(task('a', { ...overlay, state: 'TASK_FINISHED' }))), '');
  t.end();
});

t.test('VIPs: allocated names whole, addresses of labels by port', (t) => {
  const vips = ['11.0.0.1:80', '/web:443', 'nonsense', 'fd01:c::0:1:53'];
  const port = {
    name: null,
    protocol: 'tcp',
    scope: 'host',
    hostPort: 31000,
    containerPort: null,
    network: null,
    vips,
    labels: noLabels,
  } as const;
  const allocated = {
    type: 'allocated',
    name: 'web.marathon',
    allocation: { ip4: '11.9.9.9', ip6: 'FD01:C::1' },
  } as const;
  t.equal(
    printed(told(task('a', { ports: [port] })), allocated),
    [
      '10.0.0.11 ports=31000 apps=',
      '11.0.0.1 ports=80 apps=',
      '11.9.9.9 ports=* apps=',
      'fd01:c::1 ports=* apps=',
      '',
    ].join('\n'),
  );
  t.end();
});

const states = [
  'TASK_STAGING',
  'TASK_RUNNING',
  'TASK_KILLING',
  'TASK_FINISHED',
] as const satisfies readonly TaskState[];
const ips = ['9.0.1.1', '9.0.1.2', 'fd00::1', '10.0.0.11', 'nonsense'] as const;

const anyTask = fc
  .record({
    id: fc.constantFrom('a', 'b', 'c', 'd'),
    state: fc.constantFrom(...states),
    networkMode: fc.constantFrom('host', 'bridge', 'container'),
    addresses: fc.array(
      fc.constantFrom(...ips).map((ip) => ({ ip, network: null })),
      { maxLength: 3 },
    ),
    hostPorts: fc.array(fc.integer({ min: 31000, max: 31003 }), { maxLength: 3 }),
    agentIp: fc.constantFrom('10.0.0.11', '10.0.0.12', null),
    app: fc.constantFrom('/web', '/db', null),
  })
  .map(({ id, app, agentIp, ...more }) => {
    const agentIps = agentIp === null ? [] : [agentIp];
    return task(id, { ...more, agentIp, agentIps, appKey: app === null ? null : appKey('marathon', app) });
  });

const gone = fc
  .constantFrom('a', 'b', 'c', 'd')
  .map((id): ClusterEvent => ({ type: 'task', key: taskKey(framework, taskId(id)), task: null }));
const allocation = fc.option(
  fc.record({ ip4: fc.constantFrom('11.0.0.1', '9.0.1.1', null), ip6: fc.constantFrom('fd00::1', null) }),
);
const anyEvent: fc.Arbitrary<ClusterEvent> = fc.oneof(
  { weight: 4, arbitrary: anyTask.map(told) },
  { weight: 1, arbitrary: gone },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('allocated' as const), name: fc.constantFrom('x', 'y'), allocation }),
  },
  {
    weight: 1,
    arbitrary: fc.array(anyTask, { maxLength: 4 }).map((tasks): ClusterEvent => {
      return { type: 'resync', picture: { tasks, agents: [], frameworks: [], apps: [], masters: noMasters } };
    }),
  },
);

/** As a worker gets it. */
const sent = (change: TableChange<OwnerRecord>): TableChange<OwnerRecord> =>
  JSON.parse(JSON.stringify(change)) as TableChange<OwnerRecord>;

t.test('derive equals rebuild, and the plane follows', (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 25 }), (events) => {
        const snapshot = emptySnapshot();
        const view = createOwnerView();
        view.rebuild(snapshot);
        const owners = createOwners();
        const table = new Map<string, OwnerRecord>();
        void owners.plane.replace(table);
        for (const event of events) {
          const change = sent(view.derive(reduce(snapshot, event), snapshot));
          for (const key of change.removed) table.delete(key);
          for (const [key, record] of change.set) table.set(key, record);
          void owners.plane.apply(change, table);
        }
        const fresh = createOwnerView();
        fresh.rebuild(snapshot);
        const asked = [...ips, '10.0.0.12', '11.0.0.1'];
        return (
          view.print() === fresh.print() &&
          JSON.stringify([...table].sort()) === JSON.stringify([...view.table].sort()) &&
          view.rebuild(snapshot).set.length + view.rebuild(snapshot).removed.length === 0 &&
          asked.every((ip) => {
            const record = fresh.table.get(ip);
            const isOwned = record !== undefined && (record.ports === null || record.ports.includes(31001));
            return owners.isCluster(ip, 31001) === isOwned && owners.appsOf(ip).join() === (record?.apps ?? []).join();
          })
        );
      }),
    ),
  );
  t.end();
});

t.test('a task that ends, and is otherwise what it was, owns nothing more', async (t) => {
  const view = createOwnerView();
  const snapshot = emptySnapshot();
  reduce(snapshot, told(task('t1', { hostPorts: [31_000] })));
  view.rebuild(snapshot);
  t.same([...view.table.keys()], ['10.0.0.11']);
  view.derive(reduce(snapshot, told(task('t1', { hostPorts: [31_000], state: 'TASK_FINISHED' }))), snapshot);
  t.same([...view.table.keys()], []);
});

t.test('the law of a view', async (t) => testViewLaw(t, createOwnerView));
