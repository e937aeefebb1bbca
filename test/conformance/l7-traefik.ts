// Traefik's provider tables: frontends, backends and servers of whole builds in the daemon's view, requests in its matcher, rules one by one.

import { createRouteView } from '../../proxies/router/route-view.ts';
import { LabelReader } from '../../proxies/router/labels/label-reader.ts';
import { isExposed, ruleText, serverAddress } from '../../proxies/router/labels/traefik.ts';
import { TraefikLabels } from '../../proxies/router/labels/traefik-labels.ts';
import { backendNameOf, subDomain } from '../../proxies/router/labels/traefik-names.ts';
import {
  emptySnapshot,
  frameworkId,
  noMasters,
  reduce,
  taskId,
  taskKey,
  type App,
  type Task,
} from '../../src/cluster/index.ts';
import { decodeApp } from '../../src/orchestrator/marathon/decode-app.ts';
import { decodeAppTask } from '../../src/orchestrator/marathon/decode-task.ts';
import { compareBuilt, traefikOf } from './l7-traefik-build.ts';
import { mesosTables } from './l7-traefik-mesos.ts';
import { judge, rowOf, rowsOf, same, type Report, type Row } from './l7-outcome.ts';

const marathon = { name: 'marathon', frameworkId: null };

type Compare = (row: Row) => Promise<readonly string[]> | readonly string[];

const marathonTables: Readonly<Record<string, Compare>> = {
  build: compareBuild,
  applicationFilter: compareFilter,
  taskFilter: compareTaskFilter,
  subDomain: (row) => same('name', subDomain(String(row['appId']), row['groupsAsSubDomains'] === true), row['expect']),
  port: comparePort,
  frontendRule: compareRule,
  backendName: compareBackendName,
  readiness: compareReadiness,
};

export const runTraefikMarathon = (cases: unknown, report: Report): Promise<void> =>
  runTables('marathon', marathonTables, cases, report);
export const runTraefikMesos = (cases: unknown, report: Report): Promise<void> =>
  runTables('mesos', mesosTables, cases, report);

async function runTables(
  of: string,
  tables: Readonly<Record<string, Compare>>,
  cases: unknown,
  report: Report,
): Promise<void> {
  for (const [key, list] of Object.entries(rowOf(cases))) {
    if (key === 'about') continue;
    const compare = tables[key];
    for (const [index, row] of rowsOf(list, key).entries()) {
      const name = `${of} ${typeof row['id'] === 'string' ? row['id'] : `${key} ${index}`}`;
      await judge(name, report, () => compare?.(row) ?? ['is a table that the runner does not know'], `${of} ${key}`);
    }
  }
}

interface Decoded {
  readonly app: App;
  readonly tasks: readonly Task[];
}

/** `localhost` and other names stand for themselves: no name is resolved here. */
function decode(raw: Row): Decoded {
  const id = raw['id'] === undefined ? '/x' : String(raw['id']);
  const made = decodeApp({ ...raw, id: id === '' ? '/x' : id }, marathon);
  if (made === null) throw new Error('the app is not understood');
  // Cases of Go tests have apps without an id.
  const app = id === '' ? { ...made, id } : made;
  const tasks = rowsOf(raw['tasks'] ?? [], 'tasks').flatMap((task) => {
    const decoded = decodeAppTask({ state: 'TASK_RUNNING', ...task, host: '127.0.0.1' }, app, raw, marathon);
    // Cases give tasks of several apps one id, which no Marathon does: the app tells them apart.
    const key = taskKey(frameworkId(app.id), taskId(String(task['id'])));
    return decoded === null ? [] : [Object.freeze({ ...decoded, key, agentIp: String(task['host'] ?? '127.0.0.1') })];
  });
  return { app, tasks };
}

function compareBuild(row: Row): readonly string[] {
  const options = rowOf(row['options']);
  const decoded = rowsOf(rowOf(row['marathon'])['apps'], 'apps').map(decode);
  const snapshot = emptySnapshot();
  const apps = decoded.map(({ app }) => app);
  const tasks = decoded.flatMap((one) => one.tasks);
  reduce(snapshot, { type: 'resync', picture: { tasks, agents: [], frameworks: [], apps, masters: noMasters } });
  const view = createRouteView({ labels: 'reference', listeners: ['http', 'https'], traefik: traefikOf(options) });
  view.rebuild(snapshot);
  return compareBuilt(row, [...view.table.values()], 'marathon', (name) => name);
}

function compareFilter(row: Row): readonly string[] {
  const { app } = decode({ id: '/a', labels: row['labels'], constraints: row['constraints'] ?? [] });
  const constraint = row['providerConstraint'];
  const traefik = traefikOf({ ...row, constraints: constraint === undefined ? [] : [constraint] });
  return same('published', isExposed(app, new LabelReader(app), traefik), rowOf(row['expect'])['published']);
}

function compareTaskFilter(row: Row): readonly string[] {
  const raw: Row = { ...rowOf(row['app']), id: '/a', tasks: [row['task']] };
  const [task] = decode(raw).tasks;
  const isReady = row['respectReadinessChecks'] !== true || task?.ready !== false;
  return same('used', task?.state === 'TASK_RUNNING' && isReady, rowOf(row['expect'])['used']);
}

function compareReadiness(row: Row): readonly string[] {
  const [task] = decode({ ...rowOf(row['app']), id: '/a', tasks: [row['task']] }).tasks;
  const isReady = row['respectReadinessChecks'] !== true || task?.ready !== false;
  return same('ready', isReady, rowOf(row['expect'])['ready']);
}

function comparePort(row: Row): readonly string[] {
  const { app, tasks } = decode({
    id: '/a',
    ...rowOf(row['app']),
    tasks: [{ id: 't', ...rowOf(row['task']), ipAddresses: [{ ipAddress: '10.0.0.9' }] }],
  });
  const labels = new TraefikLabels(new LabelReader(app), String(row['segment']));
  const [task] = tasks;
  const facts = { port: labels.text('port'), portIndex: labels.text('portIndex') };
  const found = task === undefined ? null : serverAddress(app, task, facts, null, false);
  return same('port', found?.port ?? null, row['expect']);
}

function labelsOf(row: Row): { readonly app: App; readonly labels: TraefikLabels } {
  const raw = rowOf(row['app']);
  const id = String(raw['id'] ?? '');
  const { app } = decode({ ...raw, id: id === '' ? '/x' : id });
  return { app: { ...app, id }, labels: new TraefikLabels(new LabelReader(app), String(row['segment'])) };
}

function compareRule(row: Row): readonly string[] {
  const { app, labels } = labelsOf(row);
  return same('rule', ruleText(app, labels, traefikOf(row)), row['expect']);
}

function compareBackendName(row: Row): readonly string[] {
  const { app, labels } = labelsOf(row);
  return same('name', backendNameOf(app.id, labels.segment, labels.text('backend')), row['expect']);
}
