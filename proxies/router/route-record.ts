// Records of the table `routes`: routes, which change with labels, and backend sets, which change with tasks. Liveness never touches a route.

import type { AppKey, Backend } from '../../src/cluster/index.ts';

/** One host and path, and the set that answers for it. Key: `route:` and `id`. */
export interface RouteEntry {
  readonly kind: 'route';
  /** `LISTENER:HOST/PATH`: the label `route` of the metrics. */
  readonly id: string;
  readonly listener: 'http';
  /** A name, `*.name` (one or more labels in front), `~expression`, or `*` for any. Lower case, A-labels. */
  readonly host: string;
  /** Canonical, begins with a slash; `/` for all. */
  readonly path: string;
  /** `-i` of HAPROXY_<n>_PATH. */
  readonly ignoreCase: boolean;
  /** True: the prefix ends at a slash; false: byte prefix, `/app` matches `/application` (specs/l7.md §1.8). */
  readonly segment: boolean;
  /** HAPROXY_<n>_BACKEND_WEIGHT: higher first. */
  readonly weight: number;
  /** Null: a static route of the configuration. */
  readonly app: AppKey | null;
  /** `/groupware/nginx`, or `static`. */
  readonly appId: string;
  /** Index of the port among the app's, or of the static route among the configured. */
  readonly portIndex: number;
  readonly set: string;
  /** What placed the route in the order, for people. */
  readonly reason: string;
}

/** The backends of one port of an app, or of a static route. Key: `set:` and `id`. */
export interface SetEntry {
  readonly kind: 'set';
  readonly id: string;
  /** Ordered by key; those that are draining or down are listed with their state. */
  readonly backends: readonly Backend[];
  /** True: nothing better was left than tasks of agents that are lost. */
  readonly lastResort: boolean;
}

export type RouteRecord = RouteEntry | SetEntry;

export const routeKey = (id: string): string => `route:${id}`;
export const setKey = (id: string): string => `set:${id}`;
