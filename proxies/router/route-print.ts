// The table of routes as sorted text: a line a route, its backends indented below.

import type { Backend } from '../../src/cluster/index.ts';
import type { Table } from '../../src/ports/index.ts';
import { setKey, type RouteEntry, type RouteRecord } from './route-record.ts';

export function printRoutes(table: Table<RouteRecord>): string {
  const routes = [...table.values()].filter((record) => record.kind === 'route');
  routes.sort(
    (a, b) => order(a.listener, b.listener) || order(a.host, b.host) || order(a.path, b.path) || order(a.id, b.id),
  );
  return routes.map((route) => printRoute(route, table)).join('');
}

export const targetOf = (route: RouteEntry): string => `${route.appId}:${route.portIndex}`;

function printRoute(route: RouteEntry, table: Table<RouteRecord>): string {
  const path = route.ignoreCase ? `${route.path} -i` : route.path;
  return `${route.listener} ${route.host} ${path} -> ${targetOf(route)} [${route.reason}]\n${backendLines(route, table)
    .map((line) => `    ${line}\n`)
    .join('')}`;
}

/** One line a backend of the route's set, or one that says there is none. `why`: what is added about its state, '' for nothing. */
export function backendLines(
  route: RouteEntry,
  table: Table<RouteRecord>,
  why: (backend: Backend) => string = () => '',
): readonly string[] {
  const set = table.get(setKey(route.set));
  if (set?.kind !== 'set' || set.backends.length === 0) return ['no backend'];
  return set.backends.map((backend) => backendLine(backend, set.lastResort, why(backend)));
}

function backendLine(backend: Backend, lastResort: boolean, why: string): string {
  const task = backend.task === null ? '' : ` task=${backend.task}`;
  const note = lastResort && backend.state === 'up' ? ' (agent lost, last resort)' : '';
  return `${backend.key} ${backend.state} weight=${backend.weight}${task}${note}${why === '' ? '' : `: ${why}`}`;
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
