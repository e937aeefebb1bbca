// Which of several matching routes wins: the one place that says so (specs/l7.md §1.8 with its corrections). The matcher sorts by it and
// `explain` reads its reasons.

import { hostKind } from './host-pattern.ts';
import type { RouteEntry } from './route-record.ts';

interface Rule {
  /** Negative: `a` comes first. */
  compare(a: RouteEntry, b: RouteEntry): number;
  /** Why `winner` came first, where this rule decided. */
  reason(winner: RouteEntry, loser: RouteEntry): string;
}

const kindOrder = { exact: 0, wildcard: 1, regex: 2, any: 3 } as const;

/** As measured nothing but redirects, weights, app ids and service ports counts. */
const isReference = (route: RouteEntry): boolean => route.dialect === 'marathon-lb-reference';
const isTraefik = (route: RouteEntry): boolean => route.dialect === 'traefik';
/** `frontend-shop`: its options are called after it. */
const frontendOf = ({ options }: RouteEntry): string => options.slice(options.lastIndexOf(':') + 1);
const areCorrected = (a: RouteEntry, b: RouteEntry): boolean => !isReference(a) && !isReference(b);
const pathLength = (route: RouteEntry): number => route.path.length;

const rules: readonly Rule[] = [
  {
    compare: (a, b) => Number(b.redirects === true) - Number(a.redirects === true),
    reason: () => 'a redirect to https before routes',
  },
  {
    compare: (a, b) => b.weight - a.weight,
    reason: (winner, loser) => `weight ${winner.weight} before ${loser.weight}`,
  },
  {
    compare: (a, b) => Number(isReference(b)) - Number(isReference(a)),
    reason: () => 'labels as measured before others',
  },
  {
    compare: (a, b) => Number(isTraefik(a)) - Number(isTraefik(b)),
    reason: () => 'other labels before those of Traefik',
  },
  {
    compare: (a, b) => (isTraefik(a) && isTraefik(b) ? byteOrder(frontendOf(a), frontendOf(b)) : 0),
    reason: (winner, loser) => `frontend ${frontendOf(winner)} before ${frontendOf(loser)}`,
  },
  {
    compare: (a, b) => (areCorrected(a, b) ? Number(b.pathKind === 'exact') - Number(a.pathKind === 'exact') : 0),
    reason: (winner) => `exact path ${winner.path} before prefixes`,
  },
  {
    compare: (a, b) => (areCorrected(a, b) ? pathLength(b) - pathLength(a) : 0),
    reason: (winner, loser) => `longer path ${winner.path} before ${loser.path}`,
  },
  {
    compare: (a, b) => (areCorrected(a, b) ? kindOrder[hostKind(a.host)] - kindOrder[hostKind(b.host)] : 0),
    reason: (winner, loser) => `${hostKind(winner.host)} host before ${hostKind(loser.host)}`,
  },
  {
    compare: (a, b) => (areCorrected(a, b) && hostKind(a.host) === 'wildcard' ? b.host.length - a.host.length : 0),
    reason: (winner, loser) => `longer wildcard ${winner.host} before ${loser.host}`,
  },
  {
    compare: (a, b) => Number(b.conditions !== undefined) - Number(a.conditions !== undefined),
    reason: () => 'more conditions before fewer',
  },
  {
    compare: (a, b) => Number(a.app !== null) - Number(b.app !== null),
    reason: () => 'the configuration before labels',
  },
  {
    compare: (a, b) => byteOrder(a.appId, b.appId),
    reason: (winner, loser) => `app id ${winner.appId} before ${loser.appId}`,
  },
  {
    compare: (a, b) => byteOrder(a.app ?? '', b.app ?? ''),
    reason: (winner, loser) => `${winner.app ?? ''} before ${loser.app ?? ''}`,
  },
  {
    compare: (a, b) => a.portIndex - b.portIndex,
    reason: (winner, loser) => `port ${winner.portIndex} before ${loser.portIndex}`,
  },
  {
    compare: (a, b) => byteOrder(a.id, b.id),
    reason: (winner, loser) => `${winner.id} before ${loser.id}`,
  },
];

/** Total order: the first of a sorted list that matches a request is its route. */
export function compareRoutes(a: RouteEntry, b: RouteEntry): number {
  for (const rule of rules) {
    const order = rule.compare(a, b);
    if (order !== 0) return order;
  }
  return 0;
}

/** Why `winner` comes before `loser`. */
export function whyBefore(winner: RouteEntry, loser: RouteEntry): string {
  return rules.find((rule) => rule.compare(winner, loser) < 0)?.reason(winner, loser) ?? 'the same route';
}

/** What places a route, in the order of the rules. */
export function placement(route: Pick<RouteEntry, 'weight' | 'path' | 'host'>): string {
  const kind = hostKind(route.host);
  const path = route.path === '/' ? 'any path' : `path of ${route.path.length} bytes`;
  return `weight ${route.weight}, ${kind === 'any' ? 'any host' : `${kind} host`}, ${path}`;
}

const byteOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
