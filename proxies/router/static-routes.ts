// Routes of the configuration, for what no label describes: their records, made once.

import { backendKey, type Backend, type Diagnostic, type Snapshot } from '../../src/cluster/index.ts';
import { canonicalPath } from '../http1/index.ts';
import { routeId } from './labels/marathon-lb.ts';
import type { ClaimedRecord } from './labels/label-rules.ts';
import { parseHostPattern } from './host-pattern.ts';
import { placement } from './precedence.ts';
import type { RouteEntry, SetEntry } from './route-record.ts';

export interface StaticRoute {
  readonly host: string;
  /** Begins with a slash and ends at one when compared; absent or null: any. */
  readonly path?: string | null;
  /** `http://address:port`, nothing behind; all of them `h2c://` where they speak HTTP/2 in the clear. */
  readonly to: readonly string[];
}

export interface StaticRecords {
  readonly records: readonly ClaimedRecord[];
  readonly sets: readonly SetEntry[];
  readonly diagnostics: readonly Diagnostic[];
}

export function staticRecords(
  routes: readonly StaticRoute[],
  listeners: readonly RouteEntry['listener'][],
): StaticRecords {
  const records = routes.map((route, index) => recordsOf(route, index, listeners));
  return {
    records: records.flatMap((record) => record.records),
    sets: records.flatMap((record) => record.sets),
    diagnostics: records.flatMap((record) => record.diagnostics),
  };
}

function recordsOf(route: StaticRoute, index: number, listeners: readonly RouteEntry['listener'][]): StaticRecords {
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
  const isHttp2 = route.to[0]?.startsWith('h2c:') === true;
  const backends = route.to.flatMap((url) => {
    const backend = backendOf(url, isHttp2 ? 'h2c:' : 'http:');
    if (backend === null)
      report(
        'to',
        url,
        'is no address that can be called',
        'write http:// or, for all, h2c://ADDRESS:PORT, nothing behind',
      );
    return backend ?? [];
  });
  if (typeof host !== 'string' || path === null) return { records: [], sets: [], diagnostics };
  const match = { host, path: path.match, ignoreCase: false, weight: 0 };
  const id = `static:${index}`;
  const target = { app: null, appId: 'static', portIndex: index, options: id, set: id };
  const entries = listeners.map((listener): RouteEntry => {
    const rest = { segment: true, ...target, reason: placement(match) };
    const route = {
      kind: 'route',
      id: routeId(listener, host, path.match, false),
      listener,
      dialect: 'static',
    } as const;
    return Object.freeze({ ...route, ...match, ...rest });
  });
  const sorted = [...new Map(backends.map((backend) => [backend.key, backend])).values()].sort((a, b) =>
    a.key < b.key ? -1 : 1,
  );
  return {
    records: [
      ...entries,
      Object.freeze({ kind: 'options', id } as const),
      Object.freeze({
        ...({ kind: 'service', id, name: id, appIds: [], mode: 'http' } as const),
        ...(isHttp2 ? ({ protocol: 'h2c' } as const) : {}),
      }),
    ],
    sets: [Object.freeze({ kind: 'set', id, backends: sorted, lastResort: false } as const)],
    diagnostics,
  };
}

/** A set with what checks and operators say of its backends: no task stands behind them. */
export function judgedSet(set: SetEntry, verdicts: Snapshot['verdicts']): SetEntry {
  if (!set.backends.some(({ key }) => verdicts.has(key))) return set;
  const backends = set.backends.map((backend): Backend => {
    const verdict = verdicts.get(backend.key);
    if (verdict === 'drained') return Object.freeze({ ...backend, state: 'draining', weight: 0 });
    return verdict === 'failing' ? Object.freeze({ ...backend, state: 'down', weight: 0, failing: true }) : backend;
  });
  return Object.freeze({ ...set, backends: Object.freeze(backends) });
}

/** Names are resolved by the system when a connection is made. */
function backendOf(text: string, protocol: 'http:' | 'h2c:'): Backend | null {
  if (!text.startsWith(protocol)) return null;
  // URL reads schemes that it does not know in another way.
  const asHttp = `http:${text.slice(protocol.length)}`;
  const url = URL.canParse(asHttp) ? new URL(asHttp) : null;
  if (url === null || url.pathname !== '/' || url.search !== '' || url.username !== '') return null;
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
