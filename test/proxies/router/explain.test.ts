// Explanations of requests: they name what the router does, and why.

import t from 'tap';
import { createRouteView, explainRequest, type RouteExplanation } from '../../../proxies/router/index.ts';
import { clusterOf, routedApp, routedTask } from './routed-apps.ts';

const view = createRouteView({ groups: ['*'] });
view.rebuild(
  clusterOf(
    [
      routedApp('/shop', { HAPROXY_0_VHOST: 'shop.example' }),
      routedApp('/api', { HAPROXY_0_VHOST: 'shop.example', HAPROXY_0_PATH: '/api' }),
      routedApp('/rest', { HAPROXY_0_VHOST: '*.example' }),
    ],
    [
      routedTask('/shop', 's1', '10.0.0.1', [31000]),
      routedTask('/api', 'a1', '10.0.0.2', [31000], { state: 'TASK_KILLING' }),
    ],
  ),
);

const explain = (url: string, headers: Record<string, string> = {}, method = 'GET'): RouteExplanation =>
  explainRequest(view.table, { url, method, headers });

t.test('the route, its backends, and why the others did not win', async (t) => {
  const { lines, route, set } = explain('http://SHOP.example:8080/api/x?y');
  t.equal(route?.appId, '/api');
  t.equal(set?.backends.length, 1);
  t.strictSame(lines, [
    'GET shop.example/api/x -> /api:0 [weight 1, exact host, path of 4 bytes]',
    '    10.0.0.2:31000 draining weight=0 task=fw-1/a1',
    'no backend takes requests: answered with 503 and Retry-After',
    'not http:shop.example/ -> /shop:0: weight 1 before 0',
    'not http:*.example/ -> /rest:0: weight 1 before 0',
  ]);
});

t.test('another path', async (t) => {
  t.strictSame(explain('http://shop.example/').lines, [
    'GET shop.example/ -> /shop:0 [weight 0, exact host, any path]',
    '    10.0.0.1:31000 up weight=1 task=fw-1/s1',
    'not http:shop.example/api -> /api:0: path /api does not cover it',
    'not http:*.example/ -> /rest:0: exact host before wildcard',
  ]);
});

t.test('nobody, and nothing that could be asked', async (t) => {
  t.match(explain('http://other.test/'), {
    route: null,
    lines: ['GET other.test/: no route covers host other.test: answered with 503'],
  });
  t.match(explain('http://10.0.0.1/', { Host: 'shop.example' }).route, { appId: '/shop' });
  t.match(explain('nonsense'), { route: null, lines: ['nonsense is no address that a client could ask for'] });
  t.match(explain('http://shop.example/%00'), { route: null, host: '' });
  t.match(explain('http://shop.example/', {}, 'TRACE'), { route: null, lines: ['TRACE is answered with 405'] });
  t.equal(explain('http://shop.example/%61pi').route?.appId, '/api', 'escapes are read as the router reads them');
});

t.test('why a backend takes nothing, and which labels wanted the host or belong to the winner', async (t) => {
  const external = { HAPROXY_GROUP: 'external' };
  const snapshot = clusterOf(
    [
      routedApp('/a', { ...external, HAPROXY_0_VHOST: 'shop.example', HAPROXY_0_BACKEND_WEIGHT: 'heavy' }),
      routedApp('/b', { ...external, HAPROXY_0_VHOST: 'shop.example' }),
      routedApp('/c', { HAPROXY_0_VHOST: '*.corp.example', HAPROXY_GROUP: 'internal' }),
    ],
    [routedTask('/a', 'a1', '10.0.0.1', [31000], { state: 'TASK_KILLING' })],
  );
  const labels = createRouteView({ groups: ['external'] });
  labels.rebuild(snapshot);
  const context = { diagnostics: labels.diagnostics(), snapshot, noRoute: 404 };
  const linesOf = (url: string): readonly string[] =>
    explainRequest(labels.table, { url, method: 'GET', headers: {} }, context).lines;
  t.match(linesOf('https://shop.example/'), [
    'no listener or route serves https; over http:',
    'GET shop.example/ -> /a:0 [weight 0, exact host, any path]',
    '    10.0.0.1:31000 draining weight=0 task=fw-1/a1: its task is being killed',
    'no backend takes requests: answered with 503 and Retry-After',
    /^label marathon\/a HAPROXY_0_BACKEND_WEIGHT=heavy: .* whole number/,
    /^label marathon\/b HAPROXY_0_VHOST=shop\.example\/: \/a:0 claims the same host and path/,
  ]);
  t.match(linesOf('http://web.corp.example/'), [
    'GET web.corp.example/: no route covers host web.corp.example: answered with 404',
    /^label marathon\/c HAPROXY_0_VHOST=\*\.corp\.example: the port is in group internal/,
  ]);
});

t.test('who else wanted the host by a rule of Traefik', async (t) => {
  const traefik = {
    domain: '',
    exposedByDefault: true,
    constraints: [],
    groupsAsSubDomains: false,
    marathonLBCompatibility: false,
    filterMarathonConstraints: false,
    forceTaskHostname: false,
    respectReadinessChecks: false,
    ipSources: ['host'],
    defaultEntryPoints: ['http'],
  };
  const rule = { 'traefik.frontend.rule': 'Host:shop.example' };
  const labels = createRouteView({ traefik });
  labels.rebuild(clusterOf([routedApp('/a', rule), routedApp('/b', rule)]));
  const context = { diagnostics: labels.diagnostics(), snapshot: null, noRoute: 404 };
  const asked = { url: 'http://shop.example/', method: 'GET', headers: {} };
  const { lines } = explainRequest(labels.table, asked, context);
  t.match(
    lines.at(-1),
    /^label marathon\/b traefik\.frontend\.rule=shop\.example\/: \/a:0 claims the same host and path/,
  );
});

t.test('what labels make of traffic besides', async (t) => {
  const host = { HAPROXY_0_VHOST: 'shop.example' };
  const labels = createRouteView({ groups: ['*'], allowFaults: true });
  labels.rebuild(
    clusterOf(
      [
        routedApp('/shop', {
          ...host,
          ISTHMUS_0_MIRROR: '/shadow@10%',
          ISTHMUS_0_FAULT_DELAY: '2s@5%',
          ISTHMUS_0_FAULT_UNTIL: '2026-12-01T18:00:00Z',
          ISTHMUS_0_RETRIES_ON: '503,timeout',
        }),
        routedApp('/shop-next', { ...host, ISTHMUS_0_CANARY_HEADER: 'x-canary:1', ISTHMUS_0_CANARY_PERCENT: '5' }),
      ],
      [routedTask('/shop', 's', '10.0.0.1', [31000]), routedTask('/shop-next', 'n', '10.0.0.2', [31000])],
    ),
  );
  const linesOf = (headers: Record<string, string>): readonly string[] =>
    explainRequest(
      labels.table,
      { url: 'http://shop.example/', method: 'GET', headers },
      { nowMs: Date.parse('2026-11-21') },
    ).lines;
  t.strictSame(linesOf({ 'X-Canary': '1' }).slice(2), [
    '    canary /shop-next:0: requests with x-canary: 1, 5 % of the clients; this request goes there',
    '    faults on purpose: of requests 5 % wait 2000 ms, until 2026-12-01T18:00:00.000Z',
    '    mirror: 10 % of the requests that do the same twice go to /shadow:0 too',
    '    retries: 2 at most, on 503, timeout',
  ]);
  t.notMatch(linesOf({})[2], 'goes there');
});

t.test('it travels as JSON', async (t) => {
  const explanation = explain('http://shop.example/');
  t.strictSame(JSON.parse(JSON.stringify(explanation)), explanation);
});
