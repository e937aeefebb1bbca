// The view of routes: what labels make of hosts and paths, whose tasks answer, and the law that deriving equals rebuilding.

import fc from 'fast-check';
import t from 'tap';
import { backendKey, reduce, type App, type ClusterEvent, type Labels } from '../../../src/cluster/index.ts';
import { createRouteView, type RouteViewOptions } from '../../../proxies/router/index.ts';
import { arbitraryEvent } from '../../cluster/arbitrary-events.ts';
import { testViewLaw } from '../../contracts/view.ts';
import { clusterOf, routedApp, routedTask } from './routed-apps.ts';

const external: RouteViewOptions = { groups: ['external'] };

function printed(apps: readonly App[], options: RouteViewOptions = external): string {
  const view = createRouteView(options);
  view.rebuild(clusterOf(apps));
  return view.print();
}

/** Routes as `HOST PATH -> APP:PORT`. */
const routesOf = (apps: readonly App[], options?: RouteViewOptions): string[] =>
  printed(apps, options)
    .split('\n')
    .filter((line) => line.startsWith('http '))
    .map((line) => line.slice(5, line.indexOf(' [')));

const labelled = (labels: Labels, ports?: number): App =>
  routedApp('/web', { HAPROXY_GROUP: 'external', ...labels }, ports);

function problemsOf(apps: readonly App[], options: RouteViewOptions = external): string[] {
  const view = createRouteView(options);
  view.rebuild(clusterOf(apps));
  return view.diagnostics().map(({ severity, key, reason, hint }) => `${severity} ${key}: ${reason}; ${hint}`);
}

t.test('hosts: list, case, blanks, wildcard, trailing dot, umlauts', async (t) => {
  const app = labelled({ HAPROXY_0_VHOST: 'Shop.Example, *.Shop.example ,www.shop.example., bücher.example' });
  t.strictSame(routesOf([app]), [
    '*.shop.example / -> /web:0',
    'shop.example / -> /web:0',
    'www.shop.example / -> /web:0',
    'xn--bcher-kva.example / -> /web:0',
  ]);
});

t.test('paths: several prefixes, -i, weight 0 becomes 1', async (t) => {
  const app = labelled({ HAPROXY_0_VHOST: 'a.example', HAPROXY_0_PATH: '-i /Api  /v2' });
  t.equal(
    printed([app]),
    'http a.example /Api -i -> /web:0 [weight 1, exact host, path of 4 bytes]\n    no backend\n' +
      'http a.example /v2 -i -> /web:0 [weight 1, exact host, path of 3 bytes]\n    no backend\n',
  );
});

t.test('groups', async (t) => {
  const vhost = { HAPROXY_0_VHOST: 'a.example', HAPROXY_1_VHOST: 'b.example' };
  const groups = (labels: Labels, served: readonly string[]): string[] =>
    routesOf([routedApp('/web', { ...vhost, ...labels }, 2)], { groups: served }).map((line) => line.slice(0, 1));
  t.strictSame(groups({ HAPROXY_GROUP: 'external' }, ['external']), ['a', 'b']);
  t.strictSame(groups({ HAPROXY_GROUP: 'internal, external' }, ['external']), ['a', 'b'], 'items are trimmed');
  t.strictSame(
    groups({ HAPROXY_GROUP: 'external', HAPROXY_1_GROUP: 'internal' }, ['external']),
    ['a'],
    'port before app',
  );
  t.strictSame(groups({}, ['external']), [], 'no group, not published');
  t.strictSame(groups({}, ['*']), ['a', 'b'], 'star takes all');
  t.strictSame(groups({ HAPROXY_GROUP: 'external' }, []), [], 'nothing is served without groups');
});

t.test('switches: ENABLED, MODE', async (t) => {
  const on = (labels: Labels): boolean =>
    routesOf([labelled({ HAPROXY_0_VHOST: 'a.example', ...labels })]).length === 1;
  t.ok(on({}));
  t.notOk(on({ HAPROXY_0_ENABLED: 'false' }));
  t.ok(on({ HAPROXY_0_ENABLED: ' 1 ' }));
  t.ok(on({ HAPROXY_0_ENABLED: 'perhaps' }), 'an unknown word leaves the default');
  t.notOk(on({ HAPROXY_0_MODE: 'TCP' }));
  t.ok(on({ HAPROXY_0_MODE: 'Http' }));
  t.ok(on({ HAPROXY_0_MODE: 'udp' }), 'an unknown mode leaves the default');
});

t.test('one bad label costs that label alone', async (t) => {
  const app = labelled({ HAPROXY_0_VHOST: 'a.example, b c, d.example:80', HAPROXY_0_BACKEND_WEIGHT: 'high' });
  t.strictSame(routesOf([app]), ['a.example / -> /web:0']);
  t.strictSame(problemsOf([app]), [
    'warn HAPROXY_0_BACKEND_WEIGHT: "high" is no whole number; a number such as 0, 1 or 10',
    'warn HAPROXY_0_VHOST: "b c" is no host name; a name such as shop.example, or *.shop.example',
    'warn HAPROXY_0_VHOST: "d.example:80" names a port; the name alone; the port of a request plays no part',
  ]);
});

t.test('our own label for a policy takes every word that theirs does', async (t) => {
  const problems = (ISTHMUS_0_LB: string): readonly string[] =>
    problemsOf([labelled({ HAPROXY_0_VHOST: 'a.example', ISTHMUS_0_LB })]);
  for (const words of ['maglev', 'P2C', 'static-rr', 'hash cookie sid', 'hdr(x-user)', 'random(3)'])
    t.strictSame(problems(words), [], words);
  t.match(problems('best'), [/^warn ISTHMUS_0_LB: "best" is no policy; one of/]);
});

t.test('names: unknown, not honoured yet, of no port, reserved', async (t) => {
  const labels = {
    HAPROXY_0_VHOTS: 'a.example',
    HAPROXY_3_VHOST: 'a.example',
    ISTHMUS_0_LBB: 'maglev',
  };
  t.strictSame(problemsOf([labelled(labels)]), [
    'warn HAPROXY_0_VHOTS: is no label of this name; did you mean HAPROXY_0_VHOST?',
    'warn HAPROXY_3_VHOST: the app has no port 3; its ports are 0',
    'warn ISTHMUS_0_LBB: is not known to this version; did you mean LB?',
  ]);
});

t.test('a label that restricts and is not understood closes the port', async (t) => {
  const templates = { HAPROXY_0_HTTP_FRONTEND_ACL: 'acl x req.fhdr(foo) -m found' };
  const app = labelled({ HAPROXY_0_VHOST: 'a.example', ...templates });
  t.strictSame(routesOf([app]), []);
  t.match(problemsOf([app]), ['error HAPROXY_0_HTTP_FRONTEND_ACL: holds HAProxy text that means nothing here']);
  t.strictSame(routesOf([app], { ...external, allowUnsafeTemplates: true }), ['a.example / -> /web:0']);
  const broken = labelled({ HAPROXY_0_VHOST: 'a.example', HAPROXY_0_AUTH: 'realm:$5$secret' });
  t.strictSame(routesOf([broken]), []);
  t.strictSame(problemsOf([broken]).join().includes('secret'), false, 'what is secret is not told');
});

t.test('a path without a vhost, and expressions', async (t) => {
  t.match(problemsOf([labelled({ HAPROXY_0_PATH: '/x' })]), ['warn HAPROXY_0_PATH: has no effect without a vhost']);
  t.strictSame(routesOf([labelled({ HAPROXY_0_VHOST: '~shop[0-9]+\\.example' })]), [
    '~shop[0-9]+\\.example / -> /web:0',
  ]);
  t.match(problemsOf([labelled({ HAPROXY_0_VHOST: '~(a+)+' })]), [
    'warn HAPROXY_0_VHOST: "~(a+)+" is no expression that can be used',
  ]);
  t.match(problemsOf([labelled({ HAPROXY_0_VHOST: '~(' })]), [
    'warn HAPROXY_0_VHOST: "~(" is no expression that can be used',
  ]);
});

t.test('two apps with one host and path: the first app id has it, the conflict is told', async (t) => {
  const labels = { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: 'a.example' };
  const apps = [routedApp('/b', labels), routedApp('/a', labels)];
  t.strictSame(routesOf(apps), ['a.example / -> /a:0']);
  t.match(problemsOf(apps), [
    'error HAPROXY_0_PORT: /a:0 has service port 10000 already',
    'error HAPROXY_0_VHOST: /a:0 claims the same host and path',
  ]);
});

t.test('the configuration comes before labels', async (t) => {
  const options: RouteViewOptions = {
    ...external,
    staticRoutes: [{ host: 'A.example', to: ['http://10.0.0.9:80', 'ftp://x'] }],
  };
  const app = labelled({ HAPROXY_0_VHOST: 'a.example' });
  t.equal(
    printed([app], options),
    'http a.example / -> static:0 [weight 0, exact host, any path]\n    10.0.0.9:80 up weight=1\n',
  );
  t.match(problemsOf([app], options), ['error router.routes[0].to', 'error HAPROXY_0_VHOST: static:0 claims']);
});

t.test('back ends of the configuration that speak HTTP/2 in the clear', async (t) => {
  const view = createRouteView({
    groups: [],
    staticRoutes: [{ host: 'a.example', to: ['h2c://10.0.0.9:80', 'h2c://10.0.0.8', 'http://10.0.0.7:80'] }],
  });
  const rows = new Map(view.rebuild(clusterOf([])).set);
  t.match(rows.get('service:static:0'), { protocol: 'h2c' });
  t.match(rows.get('set:static:0'), {
    backends: [
      { ip: '10.0.0.8', port: 80 },
      { ip: '10.0.0.9', port: 80 },
    ],
  });
  t.equal(view.diagnostics().length, 1, 'one route has one protocol');
});

t.test('authority: who may claim which host', async (t) => {
  const authority = [{ apps: ['/prod/**'], hosts: ['*.shop.example', 'shop.example'] }];
  const claim = (id: string, host: string): boolean =>
    routesOf([routedApp(id, { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: host })], { ...external, authority })
      .length === 1;
  t.ok(claim('/prod/web', 'a.b.shop.example'));
  t.ok(claim('/prod', 'shop.example'));
  t.ok(claim('/prod/web', '*.eu.shop.example'));
  t.notOk(claim('/prod/web', 'example'));
  t.notOk(claim('/prod/web', '~.*'));
  t.notOk(claim('/test/web', 'shop.example'));
  t.notOk(claim('/production', 'shop.example'));
});

t.test('tasks: fit ones are up, ending ones drain, lost ones are a last resort', async (t) => {
  const app = labelled({ HAPROXY_0_VHOST: 'a.example' });
  const snapshot = clusterOf(
    [app],
    [
      routedTask('/web', 't1', '10.0.0.1', [31001]),
      routedTask('/web', 't2', '10.0.0.2', [31002], { state: 'TASK_KILLING' }),
      routedTask('/web', 't3', '10.0.0.3', [31003], { healthy: false }),
      routedTask('/web', 't4', '10.0.0.4', [31004], { state: 'TASK_UNREACHABLE' }),
      routedTask('/web', 't5', '10.0.0.5', [31005], { state: 'TASK_STAGING' }),
    ],
  );
  const view = createRouteView(external);
  view.rebuild(snapshot);
  const states = (): string[] =>
    view
      .print()
      .split('\n')
      .slice(1, -1)
      .map((line) => line.trim().split(' ').slice(0, 2).join(' '));
  t.strictSame(states(), ['10.0.0.1:31001 up', '10.0.0.2:31002 draining', '10.0.0.3:31003 down']);
  const change = view.derive(
    reduce(snapshot, { type: 'checked', backend: backendKey('10.0.0.1', 31001), verdict: 'failing' }),
    snapshot,
  );
  t.strictSame(states(), [
    '10.0.0.1:31001 down',
    '10.0.0.2:31002 draining',
    '10.0.0.3:31003 down',
    '10.0.0.4:31004 up',
  ]);
  t.strictSame(
    change.set.map(([key]) => key),
    ['set:marathon/web:0'],
    'liveness touches no route',
  );
});

t.test('the view law', (t) => {
  testViewLaw(
    t,
    () => createRouteView({ groups: ['g', 'h'], staticRoutes: [{ host: 'b.example', to: ['http://10.0.0.1:80'] }] }),
    {
      histories,
    },
  );
  t.end();
});

const labels: fc.Arbitrary<Labels> = fc
  .record(
    {
      HAPROXY_GROUP: fc.constantFrom('g', 'h,g', 'other'),
      HAPROXY_0_VHOST: fc.constantFrom('a.example', 'a.example,*.example', 'b.example', '~x.*', '!'),
      HAPROXY_1_VHOST: fc.constantFrom('a.example', 'c.example'),
      HAPROXY_0_PATH: fc.constantFrom('/x', '-i /x /y', 'z'),
      HAPROXY_0_BACKEND_WEIGHT: fc.constantFrom('2', '-1', 'z'),
      HAPROXY_1_ENABLED: fc.constantFrom('no', 'yes'),
      HAPROXY_0_AUTH: fc.constant('r:u:h'),
    },
    { requiredKeys: ['HAPROXY_GROUP'] },
  )
  .map((drawn) => drawn as Labels);

const app: fc.Arbitrary<App> = fc
  .tuple(fc.constantFrom('/a', '/b'), labels, fc.integer({ min: 0, max: 2 }))
  .map(([id, drawn, ports]) => routedApp(id, drawn, ports));

const appEvent: fc.Arbitrary<ClusterEvent> = fc.oneof(
  app.map((record) => ({ type: 'app' as const, key: record.key, app: record })),
  app.map((record) => ({ type: 'app' as const, key: record.key, app: null })),
);

/** Events of the common histories, with routed apps instead of bare ones. */
const event: fc.Arbitrary<ClusterEvent> = fc
  .tuple(arbitraryEvent, appEvent, fc.uniqueArray(app, { selector: ({ key }) => key, maxLength: 2 }))
  .map(([drawn, other, apps]) => {
    if (drawn.type === 'resync') return { ...drawn, picture: { ...drawn.picture, apps } };
    return ['app', 'allocated', 'agent', 'framework'].includes(drawn.type) ? other : drawn;
  });

const histories: fc.Arbitrary<readonly ClusterEvent[]> = fc
  .tuple(app, app, fc.array(event, { minLength: 1, maxLength: 30 }))
  .map(([one, two, events]) => {
    const apps = one.key === two.key ? [one] : [one, two];
    return [{ type: 'resync' as const, picture: { ...emptyPicture, apps } }, ...events];
  });

const emptyPicture = { tasks: [], agents: [], frameworks: [], apps: [], masters: { leader: null, all: [] } };

t.test('what is said of an address holds for static routes too', async (t) => {
  const view = createRouteView({
    staticRoutes: [{ host: 'a.example', to: ['http://10.0.0.9:80', 'http://10.0.0.8:80'] }],
  });
  const snapshot = clusterOf([]);
  view.rebuild(snapshot);
  const say = (verdict: 'failing' | 'drained' | null): string => {
    view.derive(reduce(snapshot, { type: 'checked', backend: backendKey('10.0.0.9', 80), verdict }), snapshot);
    return /10\.0\.0\.9:80 \S+ weight=\d/.exec(view.print())?.[0] ?? '';
  };
  t.equal(say('failing'), '10.0.0.9:80 down weight=0');
  t.equal(say('drained'), '10.0.0.9:80 draining weight=0');
  t.equal(say(null), '10.0.0.9:80 up weight=1');
});
