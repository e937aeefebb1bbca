// Why a request goes where it goes: the routes that cover its host, in their order, with the rule that placed each behind the winner.

import type { Table } from '../../src/ports/index.ts';
import { canonicalPath, parseAuthority } from '../http1/index.ts';
import { compareRoutes, whyBefore } from './precedence.ts';
import { hostMatches } from './host-pattern.ts';
import { pathFits } from './route-matcher.ts';
import { backendLines, targetOf } from './route-print.ts';
import { setKey, type RouteEntry, type RouteRecord, type SetEntry } from './route-record.ts';

export interface ExplainedRequest {
  readonly url: string;
  readonly method: string;
  /** A Host field here wins over the URL's host, as on the wire. */
  readonly headers: Readonly<Record<string, string>>;
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
  /** The same for people. */
  readonly lines: readonly string[];
}

export function explainRequest(table: Table<RouteRecord>, request: ExplainedRequest): RouteExplanation {
  const asked = readRequest(request);
  if (asked === null) return nothing('', '', [], [`${request.url} is no address that a client could ask for`]);
  const { host, path } = asked;
  if (request.method === 'CONNECT' || request.method === 'TRACE')
    return nothing(host, path, [], [`${request.method} is answered with 405`]);
  const routes = [...table.values()]
    .filter((record) => record.kind === 'route' && hostMatches(record.host, host))
    .map((record) => record as RouteEntry)
    .sort(compareRoutes);
  const winner = routes.find((route) => matches(route, path));
  const candidates = routes.map((route) => explained(route, winner, path));
  const asks = `${request.method} ${host}${path}`;
  if (winner === undefined) {
    const why = routes.length === 0 ? `no route covers host ${host}` : `no route of host ${host} covers path ${path}`;
    return nothing(host, path, candidates, [`${asks}: ${why}`, ...candidates.map(candidateLine)]);
  }
  const set = table.get(setKey(winner.set));
  const others = candidates.filter((candidate) => candidate.not !== '').map(candidateLine);
  const lines = [
    `${asks} -> ${targetOf(winner)} [${winner.reason}]`,
    ...backendLines(winner, table).map((line) => `    ${line}`),
    ...others,
  ];
  if (set?.kind !== 'set' || !set.backends.some((backend) => backend.state === 'up'))
    lines.push('no backend takes requests: 503 with Retry-After');
  return { host, path, route: winner, set: set?.kind === 'set' ? set : null, candidates, lines };
}

const nothing = (
  host: string,
  path: string,
  candidates: readonly ExplainedRoute[],
  lines: readonly string[],
): RouteExplanation => ({
  host,
  path,
  route: null,
  set: null,
  candidates,
  lines,
});

function readRequest(request: ExplainedRequest): { readonly host: string; readonly path: string } | null {
  const url = URL.canParse(request.url) ? new URL(request.url) : null;
  const field = Object.entries(request.headers).find(([name]) => name.toLowerCase() === 'host')?.[1];
  const authority = url === null ? null : parseAuthority(field ?? url.host);
  const path = canonicalPath(rawPath(request.url));
  return authority === null || path === null ? null : { host: authority.host, path: path.match };
}

/** As the client would send it: `URL` resolves dot segments and escapes by rules of its own. */
const rawPath = (url: string): string => /^[a-z]+:\/\/[^/?#]*(\/[^?#]*)?/i.exec(url)?.[1] ?? '/';

const matches = (route: RouteEntry, path: string): boolean =>
  route.path === '/' || pathFits(route, route.ignoreCase ? route.path.toLowerCase() : route.path, path);

function explained(route: RouteEntry, winner: RouteEntry | undefined, path: string): ExplainedRoute {
  const isWinner = route === winner;
  const not = isWinner
    ? ''
    : !matches(route, path)
      ? `path ${route.path} does not cover it`
      : winner === undefined
        ? ''
        : whyBefore(winner, route);
  return { route: route.id, target: targetOf(route), reason: route.reason, not };
}

const candidateLine = ({ route, target, not }: ExplainedRoute): string => `not ${route} -> ${target}: ${not}`;
