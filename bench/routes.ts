// Labels of ten thousand apps as routes, in one process: compiling all, following a change of one app, and finding a route. Processor time,
// medians; beside it a Map's look-up of the same hosts, which is the least that a matcher can cost.

import { RouteMatcher } from '../proxies/router/route-matcher.ts';
import { createRouteView, type RouteRecord } from '../proxies/router/index.ts';
import { reduce, type App, type WritableSnapshot } from '../src/cluster/index.ts';
import { clusterOf, routedApp, routedTask } from '../test/proxies/router/routed-apps.ts';
import { median } from './results.ts';

const apps = 10_000;
const changes = 200;
const lookups = 200_000;
const rounds = 5;

const host = (i: number): string => `app-${i}.shop.example`;
const appAt = (i: number, path = '/'): App =>
  routedApp(`/shop/app-${i}`, {
    HAPROXY_GROUP: 'external',
    HAPROXY_0_VHOST: host(i),
    HAPROXY_0_PATH: path,
    HAPROXY_0_PORT: String(10_000 + i),
  });

export function run(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    process.stderr.write('usage: npm run bench -- routes\n');
    return Promise.resolve(2);
  }
  const figures = Array.from({ length: rounds }, round);
  const of = (key: keyof Round): number => median(figures.map((one) => one[key]));
  process.stdout.write(
    `${apps} apps, a vhost each; medians of ${rounds} rounds, processor time\n` +
      `labels to records ${of('viewMs').toFixed(0)} ms, records to matcher ${of('matcherMs').toFixed(0)} ms\n` +
      `one app changed: view ${of('deltaMs').toFixed(3)} ms, matcher ${of('matcherDeltaMs').toFixed(3)} ms\n` +
      `look-up ${of('lookupUs').toFixed(3)} us, a Map's ${of('mapUs').toFixed(3)} us\n`,
  );
  return Promise.resolve(of('lookupUs') < 2 && of('deltaMs') + of('matcherDeltaMs') < 1 ? 0 : 1);
}

interface Round {
  readonly viewMs: number;
  readonly matcherMs: number;
  readonly deltaMs: number;
  readonly matcherDeltaMs: number;
  readonly lookupUs: number;
  readonly mapUs: number;
}

function round(): Round {
  const tasks = Array.from({ length: apps }, (_, i) =>
    routedTask(`/shop/app-${i}`, `app-${i}`, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, [31_000]),
  );
  const snapshot = clusterOf(
    Array.from({ length: apps }, (_, i) => appAt(i)),
    tasks,
  );
  const view = createRouteView({ groups: ['external'] });
  const viewMs = spent(() => void view.rebuild(snapshot));
  const matcher = new RouteMatcher<string>();
  const matcherMs = spent(() => fill(matcher, view.table.values()));
  const { deltaMs, matcherDeltaMs } = follow(snapshot, view, matcher);
  const hosts = Array.from({ length: lookups }, (_, i) => host((i * 7919) % apps));
  const map = new Map(hosts.map((name) => [name, name]));
  let found = 0;
  const lookupMs = spent(() => {
    for (const name of hosts) if (matcher.lookup(name, '/x/y') !== null) found++;
  });
  const mapMs = spent(() => {
    for (const name of hosts) if (map.get(name) !== undefined) found++;
  });
  if (found !== 2 * lookups) throw new Error(`found ${found} of ${2 * lookups}`);
  const each = (ms: number): number => (ms * 1000) / lookups;
  return { viewMs, matcherMs, deltaMs, matcherDeltaMs, lookupUs: each(lookupMs), mapUs: each(mapMs) };
}

function fill(matcher: RouteMatcher<string>, records: Iterable<RouteRecord>): void {
  for (const record of records) if (record.kind === 'route') matcher.set(record, record.set);
  matcher.compile();
}

/** Apps that get another path and their own again, one after the other. */
function follow(
  snapshot: WritableSnapshot,
  view: ReturnType<typeof createRouteView>,
  matcher: RouteMatcher<string>,
): Pick<Round, 'deltaMs' | 'matcherDeltaMs'> {
  let deltaMs = 0;
  let matcherDeltaMs = 0;
  for (let i = 0; i < changes; i++) {
    const app = appAt(i >> 1, i % 2 === 0 ? '/api' : '/');
    const delta = reduce(snapshot, { type: 'app', key: app.key, app });
    let change: ReturnType<typeof view.derive> = { set: [], removed: [] };
    deltaMs += spent(() => void (change = view.derive(delta, snapshot)));
    matcherDeltaMs += spent(() => {
      for (const key of change.removed) if (key.startsWith('route:')) matcher.remove(key.slice('route:'.length));
      fill(
        matcher,
        [...change.set].map(([, record]) => record),
      );
    });
  }
  return { deltaMs: deltaMs / changes, matcherDeltaMs: matcherDeltaMs / changes };
}

/** Processor time in milliseconds. */
function spent(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
