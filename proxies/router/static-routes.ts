// Routes of the configuration, for what no label describes: their records, made once.

import { backendKey, type Backend, type Diagnostic } from '../../src/cluster/index.ts';
import { canonicalPath } from '../http1/index.ts';
import { routeId } from './app-claims.ts';
import { parseHostPattern } from './host-pattern.ts';
import { placement } from './precedence.ts';
import type { RouteEntry, SetEntry } from './route-record.ts';

export interface StaticRoute {
  readonly host: string;
  /** Begins with a slash and ends at one when compared; absent or null: any. */
  readonly path?: string | null;
  /** `http://address:port`, nothing behind. */
  readonly to: readonly string[];
}

export interface StaticRecords {
  readonly routes: readonly RouteEntry[];
  readonly sets: readonly SetEntry[];
  readonly diagnostics: readonly Diagnostic[];
}

export function staticRecords(routes: readonly StaticRoute[]): StaticRecords {
  const records = routes.map(recordsOf);
  return {
    routes: records.flatMap((record) => record.routes),
    sets: records.flatMap((record) => record.sets),
    diagnostics: records.flatMap((record) => record.diagnostics),
  };
}

function recordsOf(route: StaticRoute, index: number): StaticRecords {
  const diagnostics: Diagnostic[] = [];
  const report = (key: string, value: string, reason: string, hint: string): void =>
    void diagnostics.push({
      app: null,
      task: null,
      key: `router.routes[${index}].${key}`,
      value,
      reason,
      hint,
      severity: 'error',
    });
  const host = parseHostPattern(route.host);
  const path = canonicalPath(route.path ?? '/');
  if (typeof host !== 'string') report('host', route.host, host.rejected, host.hint);
  if (path === null) report('path', route.path ?? '', 'is no path', 'begin with a slash, such as /api');
  const backends = route.to.flatMap((url) => {
    const backend = backendOf(url);
    if (backend === null)
      report('to', url, 'is no address that can be called', 'write http://ADDRESS:PORT, nothing behind');
    return backend ?? [];
  });
  if (typeof host !== 'string' || path === null) return { routes: [], sets: [], diagnostics };
  const match = { host, path: path.match, ignoreCase: false, weight: 0 };
  const id = `static:${index}`;
  const entry: RouteEntry = Object.freeze({
    kind: 'route',
    id: routeId(host, path.match, false),
    listener: 'http',
    dialect: 'static',
    ...match,
    segment: true,
    app: null,
    appId: 'static',
    portIndex: index,
    options: id,
    set: id,
    reason: placement(match),
  } as const);
  const sorted = [...new Map(backends.map((backend) => [backend.key, backend])).values()].sort((a, b) =>
    a.key < b.key ? -1 : 1,
  );
  return {
    routes: [entry],
    sets: [Object.freeze({ kind: 'set', id, backends: sorted, lastResort: false } as const)],
    diagnostics,
  };
}

/** Names are resolved by the system when a connection is made. */
function backendOf(text: string): Backend | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'http:' || url.pathname !== '/' || url.search !== '' || url.username !== '') return null;
  const ip = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? 80 : Number(url.port);
  return Object.freeze({
    key: backendKey(ip, port),
    ip,
    port,
    task: null,
    weight: 1,
    state: 'up',
    zone: null,
  } as const);
}
