// HAPROXY_* labels as records: options, service, port and app id of a port, deployment groups, and templates.

import t from 'tap';
import type { App, Labels } from '../../../src/cluster/index.ts';
import { withoutSecrets, type RouteRecord } from '../../../proxies/router/route-record.ts';
import { createRouteView, type RouteViewOptions } from '../../../proxies/router/route-view.ts';
import { clusterOf, routedApp, routedTask } from './routed-apps.ts';

const corrected: RouteViewOptions = { groups: ['*'] };
const reference: RouteViewOptions = { groups: ['*'], labels: 'reference' };

function recordsOf(apps: readonly App[], options = corrected): Readonly<Record<string, RouteRecord>> {
  const view = createRouteView(options);
  view.rebuild(clusterOf(apps));
  return Object.fromEntries(view.table);
}

const ofLabels = (labels: Labels, options = corrected): Readonly<Record<string, RouteRecord>> =>
  recordsOf([routedApp('/web', { HAPROXY_0_VHOST: 'a.example', ...labels })], options);

t.test('values of a port', async (t) => {
  const labels = {
    HAPROXY_0_PORT: '8085',
    HAPROXY_0_STICKY: 'true',
    HAPROXY_0_BALANCE: 'leastconn',
    HAPROXY_0_USE_HSTS: 'true',
    HAPROXY_0_REDIRECT_TO_HTTPS: '1',
    HAPROXY_0_AUTH: 'realm:user:$5$salt$hash',
    HAPROXY_0_HTTP_BACKEND_PROXYPASS_PATH: '/p',
  };
  const records = ofLabels(labels);
  t.match(records['port:8085'], { port: 8085, mode: 'http', appId: '/web', set: 'marathon/web:0' });
  t.match(records['app:/web'], { set: 'marathon/web:0' });
  t.match(records['service:marathon/web:0'], {
    name: 'web_8085',
    balance: { policy: 'leastconn' },
    sticky: { cookie: 'mesosphere_server_id', httpOnly: true },
  });
  t.match(records['options:marathon/web:0'], {
    hsts: { always: false },
    redirectToHttps: { code: 301, otherCode: 308 },
    auth: { realm: 'realm', everywhere: true, users: [{ name: 'user', hash: '$5$salt$hash' }] },
    path: [{ change: 'strip', prefixes: ['/p'], segment: true }],
    host: { text: 'a.example' },
  });
  t.match(records['route:http:a.example/'], { redirects: true });
  const measured = ofLabels(labels, reference);
  t.match(measured['options:marathon/web:0'], { hsts: { always: true }, auth: { everywhere: false } });
  t.notMatch(measured['options:marathon/web:0'], { redirectToHttps: {} }, '1 is false as measured');
});

t.test('password hashes are shown nowhere', async (t) => {
  const entry = ofLabels({ HAPROXY_0_AUTH: 'realm:user:$5$salt$hash' })['options:marathon/web:0'];
  t.ok(JSON.stringify(entry).includes('$5$salt$hash'));
  t.notOk(JSON.stringify(entry === undefined ? null : withoutSecrets(entry)).includes('hash$'));
  t.notOk(JSON.stringify(entry === undefined ? null : withoutSecrets(entry)).includes('$5$salt'));
});

t.test('templates: what is known is translated, defaults pass, the wildcard recipe routes', async (t) => {
  const records = ofLabels({
    HAPROXY_0_BACKEND_HTTP_OPTIONS: 'option forwardfor\n  http-request set-header X-A b\n  timeout server 90s',
    HAPROXY_0_BACKEND_SERVER_OPTIONS: 'server {serverName} {host_ipv4}:{port} ssl verify none maxconn 7',
    HAPROXY_0_HTTP_FRONTEND_ACL: 'acl w hdr_end(host) -i .b.example\n  use_backend {backend} if w',
  });
  t.match(records['options:marathon/web:0'], { requestHeaders: [{ change: 'set', name: 'X-A', value: 'b' }] });
  t.match(records['service:marathon/web:0'], {
    protocol: 'https',
    upstreamTls: { insecure: true },
    connectionsPerBackend: 7,
    timeouts: { responseMs: 90_000 },
  });
  t.match(records['route:http:*.b.example/'], { host: '*.b.example' });
});

t.test('a deployment group is one service; old tasks end as new ones are healthy', async (t) => {
  const group = { HAPROXY_DEPLOYMENT_GROUP: 'nginx', HAPROXY_0_PORT: '10000' };
  const old = routedApp('/nginx-green', { ...group, HAPROXY_DEPLOYMENT_STARTED_AT: '2016-02-01T14:13:42' });
  const fresh = routedApp('/nginx-blue', { ...group, HAPROXY_DEPLOYMENT_STARTED_AT: '2016-02-01T14:57:54' });
  const view = createRouteView(corrected);
  const tasks = [
    routedTask('/nginx-green', 'green.1', '10.0.0.1', [31001]),
    routedTask('/nginx-green', 'green.2', '10.0.0.2', [31002]),
    routedTask('/nginx-blue', 'blue.1', '10.0.0.3', [31003]),
  ];
  view.rebuild(clusterOf([{ ...old, instances: 2 }, fresh], tasks));
  const port = view.table.get('port:10000');
  t.match(port, { appId: '/nginx' });
  const set = port?.kind === 'port' ? view.table.get(`set:${port.set}`) : undefined;
  t.strictSame(set?.kind === 'set' ? set.backends.map(({ key, state }) => `${key} ${state}`) : [], [
    '10.0.0.1:31001 draining',
    '10.0.0.2:31002 up',
    '10.0.0.3:31003 up',
  ]);
});

t.test('Traefik: a rule, its priority and its options; a bad rule costs its own route alone', async (t) => {
  const traefik = {
    domain: 'd',
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
  const rule = 'Host:x.d;PathPrefixStrip:/a;Method:GET';
  const apps = [
    routedApp('/x', { 'traefik.frontend.rule': rule, 'traefik.backend.loadbalancer.stickiness': 'true' }),
    routedApp('/y', {}),
    routedApp('/z', { 'traefik.frontend.rule': 'Nonsense:z' }),
  ];
  const records = Object.values(recordsOf(apps, { traefik }));
  const routes = records.filter((record) => record.kind === 'route');
  t.match(
    routes.map((route) => [route.host, route.path, route.weight]),
    [
      ['x.d', '/a', rule.length],
      ['y.d', '/', 'Host:y.d'.length],
    ],
  );
  t.match(routes[0], { conditions: [{ on: 'method', methods: ['GET'] }] });
  const [options, service] = [routes[0]?.options, routes[0]?.set];
  t.match(
    records.find((record) => record.kind === 'options' && record.id === options),
    { path: [{ change: 'strip' }] },
  );
  t.match(
    records.find((record) => record.kind === 'service' && record.id === service),
    { sticky: { acceptsUrl: true } },
  );
});
