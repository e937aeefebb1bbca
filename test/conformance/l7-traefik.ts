// Traefik's provider tables: frontends, backends and servers of whole builds in the daemon's view, requests in its matcher, rules one by one.

import { RouteMatcher } from '../../proxies/router/route-matcher.ts';
import { createRouteView } from '../../proxies/router/route-view.ts';
import type { OptionsEntry, RouteRecord, ServiceEntry, SetEntry, TraefikRules } from '../../proxies/router/index.ts';
import { LabelReader } from '../../proxies/router/labels/label-reader.ts';
import { traefikSetId, isExposed, ruleText, serverAddress } from '../../proxies/router/labels/traefik.ts';
import { TraefikLabels } from '../../proxies/router/labels/traefik-labels.ts';
import { backendNameOf, mesosSubDomain, subDomain } from '../../proxies/router/labels/traefik-names.ts';
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
import { judge, rowOf, rowsOf, same, textsOf, type Report, type Row } from './l7-outcome.ts';

const marathon = { name: 'marathon', frameworkId: null };

type Compare = (row: Row) => readonly string[];

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

const mesosTables: Readonly<Record<string, Compare>> = {
  subDomain: (row) =>
    same('name', mesosSubDomain(String(row['name']), row['groupsAsSubDomains'] === true), row['expect']),
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

function traefikOf(options: Row): TraefikRules {
  return {
    domain: String(options['domain'] ?? ''),
    exposedByDefault: options['exposedByDefault'] !== false,
    constraints: textsOf(options['constraints']),
    groupsAsSubDomains: options['groupsAsSubDomains'] === true,
    marathonLBCompatibility: options['marathonLBCompatibility'] === true,
    filterMarathonConstraints: options['filterMarathonConstraints'] === true,
    forceTaskHostname: options['forceTaskHostname'] === true,
    respectReadinessChecks: options['respectReadinessChecks'] === true,
    ipSources: ['host'],
    defaultEntryPoints: options['defaultEntryPoints'] === undefined ? ['http'] : textsOf(options['defaultEntryPoints']),
  };
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
  const expect = rowOf(row['expect']);
  const table = [...view.table.values()];
  return [
    ...Object.entries(rowOf(expect['frontends'])).flatMap(([name, one]) => compareFrontend(name, rowOf(one), table)),
    ...Object.entries(rowOf(expect['backends'])).flatMap(([name, one]) => compareBackend(name, rowOf(one), table)),
    ...compareExtras(expect, table),
    // A server without a port is asked on port 80 by Traefik; here there is none, and a diagnostic.
    ...rowsOf(row['requests'] ?? [], 'requests').flatMap((request) =>
      JSON.stringify(expect['backends']).includes(':"') ? [] : compareRequest(request, table),
    ),
  ];
}

function compareFrontend(name: string, expected: Row, table: readonly RouteRecord[]): readonly string[] {
  const id = `traefik:marathon:${name}`;
  const options = table.find((record): record is OptionsEntry => record.kind === 'options' && record.id === id);
  if (options === undefined) return [`frontend ${name} is missing`];
  const routes = table.filter((record) => record.kind === 'route' && record.options === id);
  const [route] = routes;
  const passes = options.host !== 'server';
  const differences = same(`${name} passHostHeader`, passes, expected['passHostHeader'] ?? true);
  // A rule that is none has an options record and no route.
  if (route?.kind !== 'route') return differences;
  const priority = Number(expected['priority']);
  const rule = String(expected['rule']);
  return [
    ...differences,
    ...same(`${name} backend`, route.set, traefikSetId('marathon', String(expected['backend']))),
    ...same(`${name} rank`, route.weight, priority > 0 ? priority : rule.length),
    ...same(`${name} rule`, route.reason.endsWith(rule), true),
    ...compareEntryPoints(name, textsOf(expected['entryPoints']), routes),
  ];
}

function compareEntryPoints(
  name: string,
  expected: readonly string[],
  routes: readonly RouteRecord[],
): readonly string[] {
  const listeners = new Set(routes.flatMap((route) => (route.kind === 'route' ? [route.listener] : [])));
  const wanted = expected.length === 0 ? ['http'] : expected;
  return same(`${name} entry points`, [...listeners].sort(), [...wanted].sort());
}

function compareBackend(name: string, expected: Row, table: readonly RouteRecord[]): readonly string[] {
  const set = table.find(
    (record): record is SetEntry => record.kind === 'set' && record.id === traefikSetId('marathon', name),
  );
  const service = table.find((record): record is ServiceEntry => record.kind === 'service' && record.id === set?.id);
  if (set === undefined || service === undefined) return [`backend ${name} is missing`];
  const protocol = service.protocol ?? 'http';
  const found = set.backends.map((backend, i) => [
    set.names?.[i] ?? '',
    `${protocol}://${backend.key}`,
    backend.weight,
  ]);
  const wanted = Object.entries(expected).flatMap(([server, one]) => {
    const url = String(rowOf(one)['url']);
    // Without a port there is no server here, where Traefik asks port 80 of the agent.
    return /:\d+$/.test(url) ? [[server, url, rowOf(one)['weight']]] : [];
  });
  const byUrl = (a: readonly unknown[], b: readonly unknown[]): number => (String(a[1]) < String(b[1]) ? -1 : 1);
  return same(`${name} servers`, found.sort(byUrl), wanted.sort(byUrl));
}

/** Parts of frontends and backends that a case spells out. */
function compareExtras(expect: Row, table: readonly RouteRecord[]): readonly string[] {
  const options = table.find((record): record is OptionsEntry => record.kind === 'options');
  const differences: string[] = [];
  const auth = rowOf(expect['auth']);
  const basic = rowOf(auth['basic']);
  if (basic['users'] !== undefined && options?.auth?.kind === 'basic') {
    const users = options.auth.users.map(({ name, hash }) => `${name}:${hash}`);
    differences.push(...same('users', users, basic['users']));
    differences.push(...same('removeHeader', options.auth.removeHeader === true, basic['removeHeader']));
    differences.push(...same('usersFile', options.auth.usersFile ?? '', basic['usersFile']));
    differences.push(...same('headerField', options.auth.userHeader ?? '', auth['headerField']));
  } else if (basic['users'] !== undefined) differences.push('basic auth is missing');
  if (auth['digest'] !== undefined) differences.push(...same('auth', options?.auth?.kind, 'digest'));
  const forward = rowOf(auth['forward']);
  if (forward['address'] !== undefined) {
    const found = options?.auth?.kind === 'forward' ? options.auth : undefined;
    differences.push(...same('forward address', found?.address, forward['address']));
    differences.push(...same('auth headers', found?.responseHeaders, forward['authResponseHeaders']));
    differences.push(...same('trustForwardHeader', found?.trustForwardHeader, forward['trustForwardHeader']));
  }
  if (expect['maxConn'] === null) differences.push(...same('maxConn', options?.inFlight ?? null, null));
  return differences;
}

function compareRequest(request: Row, table: readonly RouteRecord[]): readonly string[] {
  const matcher = new RouteMatcher<string>();
  for (const record of table) if (record.kind === 'route') matcher.set(record, record.set);
  matcher.compile();
  const host = String(request['host']).toLowerCase().replace(/:\d*$/, '');
  const [path = '/'] = String(request['path']).split('?');
  const view = {
    method: String(request['method'] ?? 'GET'),
    host,
    authority: host,
    matchPath: path,
    forwardTarget: String(request['path']),
    fields: { get: (name: string) => (rowOf(request['headers'])[name] as string | undefined) ?? null },
  };
  const listener = request['entryPoint'] === 'https' ? 'https' : 'http';
  const found = matcher.lookup(host, path, view, '', listener);
  const set = table.find((record): record is SetEntry => record.kind === 'set' && record.id === found);
  const expect = rowOf(request['expect']);
  const what = `${String(request['entryPoint'])} ${host}${path}:`;
  if (expect['outcome'] === 'proxied')
    return same(
      `${what} back ends`,
      set?.backends.map((backend) => backend.key).sort(),
      [...textsOf(expect['backends'])].sort(),
    );
  // What else the router answers itself is seen where it serves; here, whether there is a route and anybody behind it.
  if (expect['status'] === 404) return same(`${what} route`, found, null);
  if (expect['status'] === 503) return same(`${what} back ends`, set?.backends.length, 0);
  return found === null ? [`${what} there is no route`] : [];
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
