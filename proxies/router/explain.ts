// Why a request goes where it goes: the routes that cover its host, in their order, with the rule that placed each behind the winner.

import type { Backend, Diagnostic } from '../../src/cluster/index.ts';
import type { Table } from '../../src/ports/index.ts';
import { whyInState, type KnownOfBackends } from '../../lb/index.ts';
import { canonicalPath, parseAuthority } from '../http1/index.ts';
import { compareRoutes, whyBefore } from './precedence.ts';
import { hostMatches, parseHostPattern } from './host-pattern.ts';
import { compileConditions } from './compile-conditions.ts';
import { coversPath } from './route-matcher.ts';
import type { RoutedRequest } from './route-condition.ts';
import { trafficLines } from './explain-traffic.ts';
import { backendLines, targetOf } from './route-print.ts';
import { setKey, type RouteEntry, type RouteRecord, type SetEntry } from './route-record.ts';

export interface ExplainedRequest {
  readonly url: string;
  readonly method: string;
  /** A Host field here wins over the URL's host, as on the wire. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What is known besides the table; without it an explanation has fewer reasons. */
export interface ExplainContext {
  readonly diagnostics: readonly Diagnostic[];
  /** Where the reasons of backends' states come from. */
  readonly snapshot: KnownOfBackends | null;
  /** The status where no route matches. */
  readonly noRoute: number;
  /** Epoch milliseconds. Absent: the system's. */
  readonly nowMs: number;
}

export interface ExplainedRoute {
  readonly route: string;
  readonly target: string;
  readonly reason: string;
  /** Why it does not answer; '' for the one that does. */
  readonly not: string;
}

export interface RouteExplanation {
  readonly host: string;
  readonly path: string;
  /** Null: nobody answers for this host and path. */
  readonly route: RouteEntry | null;
  readonly set: SetEntry | null;
  /** Routes of the host, the winner first. */
  readonly candidates: readonly ExplainedRoute[];
  /** Labels that gave nothing and speak of this host, or belong to the winner. */
  readonly diagnostics: readonly Diagnostic[];
  /** The same for people. */
  readonly lines: readonly string[];
}

const mostDiagnostics = 10;

export function explainRequest(
  table: Table<RouteRecord>,
  request: ExplainedRequest,
  context: Partial<ExplainContext> = {},
): RouteExplanation {
  const { diagnostics = [], snapshot = null, noRoute = 503, nowMs = Date.now() } = context;
  const hasHttps = [...table.values()].some((record) => record.kind === 'route' && record.listener === 'https');
  const asked = readRequest(request, hasHttps);
  if (asked === null) return nothing('', '', [`${request.url} is no address that a client could ask for`]);
  const { host, path, listener } = asked;
  if (request.method === 'CONNECT' || request.method === 'TRACE')
    return nothing(host, path, [`${request.method} is answered with 405`]);
  const routes = [...table.values()]
    .filter((record) => record.kind === 'route' && record.listener === listener && hostMatches(record.host, host))
    .map((record) => record as RouteEntry)
    .sort(compareRoutes);
  const winner = routes.find((route) => matches(route, asked)) ?? null;
  const candidates = routes.map((route) => explained(route, winner, asked));
  const bearing = diagnostics.filter((one) => bearsOn(one, winner, host)).slice(0, mostDiagnostics);
  const set = winner === null ? undefined : table.get(setKey(winner.set));
  const asks = `${request.method} ${host}${path}`;
  const lines = [
    ...(/^https:/i.test(request.url) && !hasHttps ? ['no listener or route serves https; over http:'] : []),
    ...(winner === null
      ? [
          `${asks}: ${routes.length === 0 ? `no route covers host ${host}` : `no route of host ${host} covers path ${path}`}: answered with ${noRoute}`,
        ]
      : winnerLines(asks, winner, table, snapshot, trafficLines(winner, asked.request, table, nowMs))),
    ...candidates.filter(({ not }) => not !== '').map(candidateLine),
    ...bearing.map(diagnosticLine),
  ];
  return { host, path, route: winner, set: set?.kind === 'set' ? set : null, candidates, diagnostics: bearing, lines };
}

function winnerLines(
  asks: string,
  winner: RouteEntry,
  table: Table<RouteRecord>,
  snapshot: ExplainContext['snapshot'],
  traffic: readonly string[],
): readonly string[] {
  const set = table.get(setKey(winner.set));
  const isServed = set?.kind === 'set' && set.backends.some((backend) => backend.state === 'up');
  const why = (backend: Backend): string => {
    if (snapshot === null) return '';
    return backend.task === null ? (snapshot.whyJudged?.(backend.key) ?? '') : whyInState(backend, snapshot);
  };
  return [
    `${asks} -> ${targetOf(winner)} [${winner.reason}]`,
    ...backendLines(winner, table, why).map((line) => `    ${line}`),
    ...traffic.map((line) => `    ${line}`),
    ...(isServed ? [] : ['no backend takes requests: answered with 503 and Retry-After']),
  ];
}

/** Labels of the winner, and those by which somebody else wanted the host. */
function bearsOn(one: Diagnostic, winner: RouteEntry | null, host: string): boolean {
  if (winner !== null && winner.app !== null && one.app === winner.app) return true;
  if (!/VHOST$|^traefik\..*frontend\.rule$|^router\.routes\[\d+\](?:\.host)?$/.test(one.key)) return false;
  return one.value.split(/[\s,]+/).some((item) => {
    const pattern = parseHostPattern(item.replace(/\/.*$/, ''));
    return typeof pattern === 'string' && hostMatches(pattern, host);
  });
}

const diagnosticLine = ({ app, key, value, reason, hint }: Diagnostic): string =>
  `label ${app === null ? '' : `${app} `}${key}=${value}: ${reason}; ${hint}`;

const nothing = (host: string, path: string, lines: readonly string[]): RouteExplanation => ({
  host,
  path,
  route: null,
  set: null,
  candidates: [],
  diagnostics: [],
  lines,
});

/** A request as the listener would see it. */
interface Asked {
  readonly host: string;
  readonly path: string;
  readonly listener: 'http' | 'https';
  readonly request: RoutedRequest;
  readonly client: string;
}

function readRequest(request: ExplainedRequest, hasHttps: boolean): Asked | null {
  const url = URL.canParse(request.url) ? new URL(request.url) : null;
  const field = Object.entries(request.headers).find(([name]) => name.toLowerCase() === 'host')?.[1];
  const authority = url === null ? null : parseAuthority(field ?? url.host);
  const path = canonicalPath(rawPath(request.url));
  if (authority === null || path === null || url === null) return null;
  const fields = new Map(Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]));
  const view: RoutedRequest = {
    method: request.method,
    host: authority.host,
    authority: field ?? url.host,
    matchPath: path.match,
    forwardTarget: `${url.pathname}${url.search}`,
    fields: { get: (name) => fields.get(name.toLowerCase()) ?? null },
  };
  const listener = hasHttps && url.protocol === 'https:' ? 'https' : 'http';
  return { host: authority.host, path: path.match, listener, request: view, client: '' };
}

/** As the client would send it: `URL` resolves dot segments and escapes by rules of its own. */
const rawPath = (url: string): string => /^[a-z]+:\/\/[^/?#]*(\/[^?#]*)?/i.exec(url)?.[1] ?? '/';

const matches = (route: RouteEntry, asked: Asked): boolean => coversPath(route, asked.path) && isMet(route, asked);

const isMet = (route: RouteEntry, asked: Asked): boolean =>
  compileConditions(route.conditions)?.(asked.request, asked.client) !== false;

function explained(route: RouteEntry, winner: RouteEntry | null, asked: Asked): ExplainedRoute {
  const isWinner = route === winner;
  const not = isWinner
    ? ''
    : !coversPath(route, asked.path)
      ? `path ${route.path} does not cover it`
      : !isMet(route, asked)
        ? `the request does not fulfil ${(route.conditions ?? []).map((one) => one.on).join(', ')}`
        : winner === null
          ? ''
          : whyBefore(winner, route);
  return { route: route.id, target: targetOf(route), reason: route.reason, not };
}

const candidateLine = ({ route, target, not }: ExplainedRoute): string => `not ${route} -> ${target}: ${not}`;
