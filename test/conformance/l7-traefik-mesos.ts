// Tables of Traefik's Mesos provider: tasks as a master's state, read and grouped as the daemon does it.

import { emptySnapshot, reduce, type Snapshot, type Task } from '../../src/cluster/index.ts';
import { readFilePicture } from '../../src/orchestrator/file-reader.ts';
import { MergeState } from '../../src/orchestrator/merge-state.ts';
import { systemClock } from '../../src/runtime/index.ts';
import { createRouteView } from '../../proxies/router/route-view.ts';
import type { TraefikRules } from '../../proxies/router/index.ts';
import { LabelReader } from '../../proxies/router/labels/label-reader.ts';
import { ruleText } from '../../proxies/router/labels/traefik.ts';
import { TraefikLabels } from '../../proxies/router/labels/traefik-labels.ts';
import {
  discoveryNameOf,
  mesosBackendName,
  mesosPort,
  mesosTaskFilter,
} from '../../proxies/router/labels/traefik-mesos.ts';
import { mesosSubDomain } from '../../proxies/router/labels/traefik-names.ts';
import { rowOf, rowsOf, same, textsOf, type Row } from './l7-outcome.ts';
import { compareBuilt, traefikOf } from './l7-traefik-build.ts';

type Compare = (row: Row) => Promise<readonly string[]> | readonly string[];

export const mesosTables: Readonly<Record<string, Compare>> = {
  subDomain: (row) =>
    same('name', mesosSubDomain(String(row['name']), row['groupsAsSubDomains'] === true), row['expect']),
  build: compareBuild,
  taskFilter: async (row) => {
    const task = await taskOf(row);
    const used = task.state === 'TASK_RUNNING' && mesosTaskFilter(task, row['exposedByDefault'] === true) === true;
    return same('used', used, rowOf(row['expect'])['used']);
  },
  port: async (row) => {
    const task = await taskOf(row);
    const port = mesosPort(task.labels, task.ports, String(row['segment']));
    return same('port', typeof port === 'object' ? (port?.hostPort ?? null) : port, row['expect']);
  },
  backendName: async (row) => {
    const { app, labels } = await labelsOf(row);
    return same('name', mesosBackendName(discoveryNameOf(app), labels.segment, labels.text('backend')), row['expect']);
  },
  frontendRule: async (row) => {
    const { app, labels } = await labelsOf(row);
    return same('rule', ruleText(app, labels, rulesOf(row)), row['expect']);
  },
  state: async (row) => {
    const { tasks } = await snapshotOf(rowOf(row['state']));
    const running = [...tasks.values()].filter((task) => task.state === 'TASK_RUNNING');
    return same(
      'tasks',
      running.map(({ id, agentIp }) => ({ id, slaveIp: agentIp })),
      rowOf(row['expect'])['tasks'],
    );
  },
};

function rulesOf(row: Row): TraefikRules {
  const sources = textsOf(row['ipSources']);
  return { ...traefikOf(row), ipSources: sources.length === 0 ? ['host'] : sources };
}

/** A cluster whose tasks are all seen as apps, as where Traefik publishes by default. */
async function snapshotOf(state: Row): Promise<Snapshot> {
  const frameworks = rowsOf(state['frameworks'], 'frameworks').map((one) => {
    const id = String(one['id'] ?? 'fw');
    const tasks = rowsOf(one['tasks'], 'tasks').map((task) => ({ framework_id: id, ...task }));
    return { name: id, active: true, completed_tasks: [], ...one, id, tasks };
  });
  const whole = { id: 'master', version: '1.11.0', completed_frameworks: [], ...state, frameworks };
  const reading = await readFilePicture(Buffer.from(JSON.stringify(whole)), {
    name: 'marathon',
    clock: systemClock,
    onSkipped: () => undefined,
  });
  if (reading.kind === 'bad') throw new Error(reading.reason);
  const merge = new MergeState(1, 'all');
  for (const steps of [merge.fold(0, [{ type: 'resync', picture: reading.picture }]), merge.settle()])
    while (steps.next().done !== true);
  const snapshot = emptySnapshot();
  reduce(snapshot, { type: 'resync', picture: merge.picture() });
  return snapshot;
}

function stateOf(tasks: readonly Row[]): Row {
  const slaves = [...new Set(tasks.map((task) => String(task['slave_ip'])))].map((ip) => ({
    id: `agent-${ip}`,
    hostname: ip,
    pid: `slave(1)@${ip}:5051`,
    active: true,
  }));
  const held = tasks.map(({ slave_ip: ip, discovery, ...task }, i) => ({
    ...task,
    id: task['id'] === '' ? `task-${i}` : task['id'],
    slave_id: `agent-${String(ip)}`,
    discovery,
  }));
  return { slaves, frameworks: [{ id: 'fw', tasks: held }] };
}

async function taskOf(row: Row): Promise<Task> {
  const { tasks } = await snapshotOf(stateOf([rowOf(row['task'])]));
  const [task] = tasks.values();
  if (task === undefined) throw new Error('the task is not understood');
  return task;
}

/** Its app, with a port of its own so that there is one. */
async function labelsOf(row: Row): Promise<{ readonly app: LabelReader['app']; readonly labels: TraefikLabels }> {
  const task = rowOf(row['task']);
  const ports = { ports: [{ protocol: 'TCP', number: 80, name: 'a' }] };
  const { apps } = await snapshotOf(stateOf([{ ...task, discovery: { ...rowOf(task['discovery']), ports } }]));
  const [app] = apps.values();
  if (app === undefined) throw new Error('the task makes no app');
  return { app, labels: new TraefikLabels(new LabelReader(app), String(row['segment'])) };
}

async function compareBuild(row: Row): Promise<readonly string[]> {
  const snapshot = await snapshotOf(stateOf(rowsOf(row['tasks'], 'tasks')));
  const traefik = rulesOf(rowOf(row['options']));
  const view = createRouteView({ labels: 'reference', listeners: ['http', 'https'], traefik });
  view.rebuild(snapshot);
  return compareBuilt(row, [...view.table.values()], 'mesos', frontendOf(row));
}

/** Traefik calls a frontend after the first task of a group, we after the group. */
function frontendOf(row: Row): (name: string, frontend: Row) => string {
  return (name, frontend) => {
    const task = rowsOf(row['tasks'], 'tasks').find((one) =>
      name.replace(/-service-.*$/, '').endsWith(`-${String(one['id'])}`),
    );
    const segment = /-service-.*$/.exec(name)?.[0] ?? '';
    const group = String(rowOf(task?.['discovery'])['name'] ?? String(frontend['backend']).replace(/^backend-/, ''));
    return `frontend-${group
      .split(/[^\p{L}\p{N}]+/u)
      .filter(Boolean)
      .join('-')}${segment}`;
  };
}
