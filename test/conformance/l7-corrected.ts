// What `router.labels: corrected` answers differently on purpose, as rules over the labels and requests of a case (specs/l7.md §1, FIX).

import { rowOf, rowsOf, textsOf, type Row } from './l7-outcome.ts';

/** Of services: modes and servers. Null: as measured. */
export function correctedServers(one: Row): (service: Row) => Row | null {
  const apps = rowsOf(rowOf(one['marathon'])['apps'], 'apps');
  return (service) => {
    const app = apps.find((candidate) => candidate['id'] === service['appId']);
    if (app === undefined) return null;
    const isUnfit = (address: string): boolean =>
      tasksOf(app).some((task) => addressOf(task, one) === address && isOut(task, one));
    const measured = rowsOf(service['servers'], 'servers');
    const servers = [
      ...measured.filter((server) => !isUnfit(String(server['address']))),
      ...tasksOf(app).flatMap((task) =>
        task['state'] === 'TASK_KILLING' ? [{ address: addressOf(task, one), draining: true }] : [],
      ),
    ];
    const mode = modeOf(app, service);
    const check = rowOf(service['check']);
    const kind = mode === service['mode'] ? {} : { check: { ...check, type: 'http' } };
    return { ...service, mode, servers, ...(service['check'] === undefined ? {} : kind) };
  };
}

const tasksOf = (app: Row): readonly Row[] => rowsOf(app['tasks'] ?? [], 'tasks');

function addressOf(task: Row, one: Row): string {
  const host = String(task['host']);
  return `${String(rowOf(one['dns'])[host] ?? host)}:${String((task['ports'] as readonly number[] | undefined)?.[0])}`;
}

/** Lost tasks are a last resort, and all results of checks must be good. */
function isOut(task: Row, one: Row): boolean {
  if (task['state'] === 'TASK_LOST' || task['state'] === 'TASK_UNREACHABLE') return true;
  const results = rowsOf(task['healthCheckResults'] ?? [], 'results');
  const heeds = rowOf(one['options'])['respectMarathonHealth'] === true;
  return heeds && results.some((result) => result['alive'] === false);
}

function modeOf(app: Row, service: Row): unknown {
  const labels = rowOf(app['labels']);
  const label = Object.entries(labels).find(([key]) => /^HAPROXY_\d+_MODE$/.test(key))?.[1];
  const checks = rowsOf(app['healthChecks'] ?? [], 'healthChecks');
  const isHttp = checks.some((check) =>
    ['HTTP', 'HTTPS', 'MESOS_HTTP', 'MESOS_HTTPS'].includes(String(check['protocol'])),
  );
  return label === undefined && isHttp ? 'http' : service['mode'];
}

/** The expectation of a request under `corrected`. */
export function correctedExpectation(one: Row, request: Row): Row {
  const base = siblingExpectation(one, request);
  return [
    withAuth,
    withHttps,
    withHsts,
    withLocation,
    withFields,
    withTasks,
    withLongestPath,
    withMode,
    withTrue,
  ].reduce((expect, rule) => rule(one, request, expect), base);
}

type Rule = (one: Row, request: Row, expect: Row) => Row;

const hostOf = (host: unknown): string => String(host).toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');

/** Host without port, dot and case, on 443 too: what the same request with the plain host was answered. */
function siblingExpectation(one: Row, request: Row): Row {
  const measured = rowOf(request['expect']);
  const host = hostOf(request['host']);
  const port = Number(request['port']);
  if (port !== 80 && port !== 443) return measured;
  if (host === request['host'] && (port === 80 || request['sni'] === host)) return measured;
  const sibling = rowsOf(one['requests'], 'requests').find(
    (other) =>
      other['port'] === port &&
      other['host'] === host &&
      (port === 80 || other['sni'] === host) &&
      JSON.stringify(other['headers'] ?? {}) === JSON.stringify(request['headers'] ?? {}) &&
      pathOf(other) === pathOf(request),
  );
  const ofHost = sibling ?? nearSibling(one, host, port);
  // The Host decides, whatever the handshake asked for.
  if (ofHost === undefined) return port === 443 && !isClaimed(one, host) ? { outcome: 'local', status: 503 } : measured;
  const expect = rowOf(ofHost['expect']);
  const upstream = expect['upstream'];
  const sent = { path: request['path'], host: request['host'] };
  const asSent = String(request['host']).replace(/:\d*$/, '').replace(/\.$/, '');
  return {
    ...expect,
    ...(upstream === undefined ? {} : { upstream: { ...rowOf(upstream), ...sent } }),
    ...(expect['location'] === undefined ? {} : { location: `https://${asSent}${String(request['path'])}` }),
  };
}

const isClaimed = (one: Row, host: string): boolean =>
  appsOf(one).some((app) =>
    Object.entries(rowOf(app['labels'])).some(
      ([key, value]) =>
        key.endsWith('_VHOST') &&
        String(value)
          .toLowerCase()
          .split(/\s*,\s*/)
          .includes(host),
    ),
  );

const nearSibling = (one: Row, host: string, port: number): Row | undefined =>
  rowsOf(one['requests'], 'requests').find(
    (other) => other['port'] === port && other['host'] === host && (port === 80 || other['sni'] === host),
  );

const pathOf = (request: Row): string => String(request['path']);

const appsOf = (one: Row): readonly Row[] => rowsOf(rowOf(one['marathon'])['apps'], 'apps');

/** The app that a measured answer came from, by a label of this suffix. */
function labelOf(one: Row, expect: Row, suffix: string): string | undefined {
  const [backend] = textsOf(expect['backends']);
  const app = appsOf(one).find((candidate) => tasksOf(candidate).some((task) => addressOf(task, one) === backend));
  return Object.entries(rowOf(app?.['labels'])).find(([key]) => key.endsWith(`_${suffix}`))?.[1] as string | undefined;
}

const isProxied = (expect: Row): boolean => expect['outcome'] === 'proxied';

const withAuth: Rule = (one, request, expect) => {
  const auth = isProxied(expect) ? labelOf(one, expect, 'AUTH') : undefined;
  const isSent = rowOf(request['headers'])['Authorization'] !== undefined;
  if (auth === undefined || isSent) return expect;
  return { outcome: 'local', status: 401, 'www-authenticate': `Basic realm="${String(auth).split(':')[0] ?? ''}"` };
};

/** On 443 the host decides: a service of port 80 answers there too. */
const withHttps: Rule = (one, request, expect) => {
  if (request['scheme'] !== 'https' || Number(request['port']) !== 443 || isProxied(expect)) return expect;
  const host = hostOf(request['host']);
  const plain = rowsOf(one['requests'], 'requests').find(
    (other) => other['port'] === 80 && other['host'] === host && pathOf(other) === pathOf(request),
  );
  const found = rowOf(plain?.['expect']);
  if (!isProxied(found)) return expect;
  const { upstream: _upstream, ...rest } = found;
  return rest;
};

const withHsts: Rule = (_one, request, expect) => {
  if (request['scheme'] === 'https' || expect['strict-transport-security'] === undefined) return expect;
  const { 'strict-transport-security': _hsts, ...rest } = expect;
  return { ...rest, 'no:strict-transport-security': true };
};

/** The label and the original path. */
const withLocation: Rule = (one, request, expect) => {
  const to = labelOf(one, expect, 'HTTP_BACKEND_REVPROXY_PATH');
  const sent = String(request['upstreamLocation'] ?? '');
  if (to === undefined || expect['location'] !== to) return expect;
  return { ...expect, location: `${to}${sent.replace(/^https?:\/\/[^/]*/, '')}` };
};

/** One line of X-Forwarded-For, and what strangers say of themselves is replaced. */
const withFields: Rule = (_one, request, expect) => {
  const upstream = rowOf(expect['upstream']);
  if (upstream['x-forwarded-for'] === undefined) return expect;
  const client = String(request['clientIp'] ?? '127.0.0.1');
  const isTls = request['scheme'] === 'https';
  const fields = { 'x-forwarded-for': [client], 'x-forwarded-proto': [isTls ? 'https' : 'http'] };
  return { ...expect, upstream: { ...upstream, ...fields } };
};

/** Tasks that fall out, and ports that stay open though nobody is behind them. */
const withTasks: Rule = (one, _request, expect) => {
  const all = appsOf(one).flatMap(tasksOf);
  const out = new Set(all.filter((task) => isOut(task, one)).map((task) => addressOf(task, one)));
  if (expect['outcome'] === 'refused' && isDeclared(one, _request)) return { outcome: 'local', status: 503 };
  if (!isProxied(expect)) return expect;
  const backends = textsOf(expect['backends']).filter((backend) => !out.has(backend));
  return backends.length === 0 ? { outcome: 'local', status: 503 } : { ...expect, backends };
};

/** Whether the refused port is that of an app without anybody fit. */
function isDeclared(one: Row, request: Row): boolean {
  return appsOf(one).some((app) => {
    const ports = rowsOf(app['portDefinitions'] ?? [], 'portDefinitions').map((port) => port['port']);
    const tasks = tasksOf(app);
    return ports.includes(request['port']) && tasks.length > 0 && tasks.every((task) => isOut(task, one));
  });
}

/** Ties go to the longer path. */
const withLongestPath: Rule = (one, request, expect) => {
  if (!isProxied(expect) || (request['port'] !== 80 && request['port'] !== 443)) return expect;
  const weight = labelOf(one, expect, 'BACKEND_WEIGHT');
  const path = labelOf(one, expect, 'PATH');
  const better = appsOf(one).filter((app) => {
    const labels = rowOf(app['labels']);
    const own = String(labels['HAPROXY_0_PATH'] ?? '');
    const isLonger = path !== undefined && own.length > path.length && !own.startsWith('-');
    return (
      isLonger &&
      labels['HAPROXY_0_BACKEND_WEIGHT'] === weight &&
      String(labels['HAPROXY_0_VHOST']).split(',').includes(hostOf(request['host'])) &&
      pathOf(request).startsWith(own)
    );
  });
  const [first] = better;
  return first === undefined ? expect : { ...expect, backends: tasksOf(first).map((task) => addressOf(task, one)) };
};

/** A port whose check is HTTP by Mesos is in mode http, so that its app has an id to be asked by. */
const withMode: Rule = (one, request, expect) => {
  const id = rowOf(request['headers'])['X-Marathon-App-Id'];
  if (request['port'] !== 9091 || expect['status'] !== 503 || id === undefined) return expect;
  const app = appsOf(one).find((candidate) => String(candidate['id']) === id);
  const checks = rowsOf(app?.['healthChecks'] ?? [], 'healthChecks');
  const isHttp = checks.some((check) => /^(MESOS_)?HTTPS?$/.test(String(check['protocol'])));
  const service = rowsOf(one['expectServices'] ?? [], 'expectServices').find((found) => found['appId'] === app?.['id']);
  const isTcp = Object.entries(rowOf(app?.['labels'])).some(([key, value]) => key.endsWith('_MODE') && value === 'tcp');
  if (!isHttp || isTcp || service === undefined || service['mode'] !== 'tcp') return expect;
  const backends = rowsOf(service['servers'], 'servers').map((server) => server['address']);
  return { outcome: 'proxied', status: 200, backends };
};

/** `1` and `on` are true. */
const withTrue: Rule = (one, request, expect) => {
  const label = labelOf(one, expect, 'REDIRECT_TO_HTTPS');
  if (request['port'] !== 80 || !isProxied(expect) || !/^\s*(1|on|true|t|yes|y)\s*$/i.test(label ?? '')) return expect;
  return { outcome: 'redirect', status: 301, location: `https://${hostOf(request['host'])}${pathOf(request)}` };
};
