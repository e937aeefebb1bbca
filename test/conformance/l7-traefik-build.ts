// Whole builds of Traefik's providers beside the daemon's table: frontends, backends with their servers, and where requests lead.

import { RouteMatcher } from '../../proxies/router/route-matcher.ts';
import type { OptionsEntry, RouteRecord, ServiceEntry, SetEntry, TraefikRules } from '../../proxies/router/index.ts';
import { traefikSetId } from '../../proxies/router/labels/traefik.ts';
import { rowOf, rowsOf, same, textsOf, type Row } from './l7-outcome.ts';

/** The table of a case. `nameOf`: what a frontend is called here. */
export function compareBuilt(
  row: Row,
  table: readonly RouteRecord[],
  provider: string,
  nameOf: (name: string, frontend: Row) => string,
): readonly string[] {
  const expect = rowOf(row['expect']);
  return [
    ...Object.entries(rowOf(expect['frontends'])).flatMap(([name, one]) =>
      compareFrontend(name, rowOf(one), table, provider, nameOf(name, rowOf(one))),
    ),
    ...Object.entries(rowOf(expect['backends'])).flatMap(([name, one]) =>
      compareBackend(name, rowOf(one), table, provider),
    ),
    ...compareExtras(expect, table),
    // A server without a port is asked on port 80 by Traefik; here there is none, and a diagnostic.
    ...rowsOf(row['requests'] ?? [], 'requests').flatMap((request) =>
      JSON.stringify(expect['backends']).includes(':"') ? [] : compareRequest(request, table),
    ),
  ];
}

export function traefikOf(options: Row): TraefikRules {
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

function compareFrontend(
  name: string,
  expected: Row,
  table: readonly RouteRecord[],
  provider: string,
  own: string,
): readonly string[] {
  const id = `traefik:${provider}:${own}`;
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
    ...same(`${name} backend`, route.set, traefikSetId(provider, String(expected['backend']))),
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

function compareBackend(
  name: string,
  expected: Row,
  table: readonly RouteRecord[],
  provider: string,
): readonly string[] {
  const set = table.find(
    (record): record is SetEntry => record.kind === 'set' && record.id === traefikSetId(provider, name),
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
