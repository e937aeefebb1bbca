// Look-ups beside the plain rule: the first route in the order of precedence whose host and path fit.

import fc from 'fast-check';
import t from 'tap';
import { RouteMatcher } from '../../../proxies/router/route-matcher.ts';
import { hostMatches } from '../../../proxies/router/host-pattern.ts';
import { compareRoutes, placement, whyBefore } from '../../../proxies/router/precedence.ts';
import type { RouteEntry } from '../../../proxies/router/index.ts';

interface Draw {
  readonly host: string;
  readonly path: string;
  readonly ignoreCase: boolean;
  readonly segment: boolean;
  readonly weight: number;
}

const routeOf = (draw: Draw): RouteEntry => ({
  kind: 'route',
  id: `http:${draw.host}${draw.path}${draw.ignoreCase ? ' -i' : ''}`,
  listener: 'http',
  dialect: 'marathon-lb',
  options: 's',
  ...draw,
  app: null,
  appId: 'static',
  portIndex: 0,
  set: 's',
  reason: placement(draw),
});

const route = (host: string, path = '/', more: Partial<Draw> = {}): RouteEntry =>
  routeOf({ host, path, ignoreCase: false, segment: false, weight: 0, ...more });

function matcherOf(...routes: readonly RouteEntry[]): (host: string, path?: string) => string | null {
  const matcher = new RouteMatcher<RouteEntry>();
  for (const entry of routes) matcher.set(entry, entry);
  matcher.compile();
  return (host, path = '/') => matcher.lookup(host, path)?.id ?? null;
}

t.test('hosts: exact, longer wildcard, expression, any', async (t) => {
  const find = matcherOf(
    route('a.x.example'),
    route('*.example'),
    route('*.x.example'),
    route('~.*\\.test'),
    route('*'),
  );
  t.equal(find('a.x.example'), 'http:a.x.example/');
  t.equal(find('b.x.example'), 'http:*.x.example/');
  t.equal(find('c.b.x.example'), 'http:*.x.example/', 'any depth');
  t.equal(find('x.example'), 'http:*.example/');
  t.equal(find('example'), 'http:*/', 'a wildcard wants a label in front');
  t.equal(find('y.test'), 'http:~.*\\.test/');
  t.equal(find(''), 'http:*/', 'HTTP/1.0 without Host');
});

t.test('order: weight, then path, then host', async (t) => {
  const find = matcherOf(
    route('a.example'),
    route('a.example', '/api'),
    route('a.example', '/api/v2'),
    route('*.example', '/api/v2/x'),
  );
  t.equal(find('a.example', '/other'), 'http:a.example/');
  t.equal(find('a.example', '/api/v3'), 'http:a.example/api');
  t.equal(find('a.example', '/api/v2'), 'http:a.example/api/v2');
  t.equal(find('a.example', '/api/v2/x'), 'http:*.example/api/v2/x', 'the longer path wins over the exact host');
  const weighted = matcherOf(route('a.example', '/api'), route('*.example', '/', { weight: 1 }));
  t.equal(weighted('a.example', '/api'), 'http:*.example/', 'the higher weight wins over both');
});

t.test('paths: byte prefix, segment, without case', async (t) => {
  const find = matcherOf(
    route('a', '/app'),
    route('b', '/app', { segment: true }),
    route('c', '/App', { ignoreCase: true }),
  );
  t.equal(find('a', '/application'), 'http:a/app');
  t.equal(find('b', '/application'), null);
  t.equal(find('b', '/app/x'), 'http:b/app');
  t.equal(find('b', '/app'), 'http:b/app');
  t.equal(find('c', '/aPPx'), 'http:c/App -i');
});

t.test('after any changes: as the plain rule says', async (t) => {
  const draws = fc.array(
    fc.record({
      host: fc.constantFrom('a.x.y', 'b.x.y', 'x.y', '*.x.y', '*.y', '*', '~[ab]\\..*', '~x.*'),
      path: fc.constantFrom('/', '/a', '/a/b', '/A'),
      ignoreCase: fc.boolean(),
      segment: fc.boolean(),
      weight: fc.constantFrom(0, 0, 1),
    }),
    { maxLength: 12 },
  );
  const steps = fc.array(fc.tuple(draws, fc.array(fc.nat(11), { maxLength: 6 })), { minLength: 1, maxLength: 5 });
  const property = fc.property(steps, (changes) => {
    const matcher = new RouteMatcher<RouteEntry>();
    const held = new Map<string, RouteEntry>();
    for (const [added, removed] of changes) {
      for (const entry of added.map(routeOf)) {
        if (held.has(entry.id)) matcher.remove(entry.id);
        matcher.set(entry, entry);
        held.set(entry.id, entry);
      }
      for (const at of removed) {
        const id = [...held.keys()][at];
        if (id === undefined) continue;
        matcher.remove(id);
        held.delete(id);
      }
      matcher.compile();
      for (const host of ['a.x.y', 'b.x.y', 'x.y', 'c.x.y', 'q.c.x.y', 'y', 'z', '', 'xz'])
        for (const path of ['/', '/a', '/ab', '/a/b/c', '/A/b']) {
          const plain = [...held.values()].sort(compareRoutes).find((entry) => fits(entry, host, path));
          const found = matcher.lookup(host, path);
          if (found !== (plain ?? null)) throw new Error(`${host}${path}: ${found?.id} instead of ${plain?.id}`);
        }
    }
  });
  t.doesNotThrow(() => fc.assert(property, { seed: 5, numRuns: 200 }));
});

t.test('precedence is told', async (t) => {
  t.equal(whyBefore(route('a', '/api'), route('a')), 'longer path /api before /');
  t.equal(whyBefore(route('a'), route('*.b')), 'exact host before wildcard');
  t.equal(whyBefore(route('a', '/', { weight: 2 }), route('a', '/long')), 'weight 2 before 0');
});

function fits(entry: RouteEntry, host: string, path: string): boolean {
  const [prefix, text] = entry.ignoreCase ? [entry.path.toLowerCase(), path.toLowerCase()] : [entry.path, path];
  if (!hostMatches(entry.host, host) || !text.startsWith(prefix)) return false;
  return prefix === '/' || !entry.segment || text === prefix || text[prefix.length] === '/';
}

t.test('what is set while a first table is compiled in steps is found after it', async (t) => {
  const matcher = new RouteMatcher<string>();
  const hosts = ['a.example', 'b.example', 'c.example'];
  for (const host of hosts) matcher.set(route(host), `old ${host}`);
  const steps = matcher.compiling();
  steps.next();
  t.equal(matcher.lookup('a.example', '/'), null, 'nothing before the last step');
  matcher.set(route('a.example'), 'new');
  matcher.remove(route('b.example').id);
  matcher.compile();
  t.equal(matcher.lookup('a.example', '/'), 'new');
  for (const _ of steps);
  t.strictSame(
    hosts.map((host) => matcher.lookup(host, '/')),
    ['new', null, 'old c.example'],
  );
});
