// Labels that hold HAProxy text: templates as Marathon-LB itself has them pass without a word, what people change in them is translated, and
// what is not understood closes the vhost where it might have restricted it.

import t from 'tap';
import type { Diagnostic, Labels } from '../../../src/cluster/index.ts';
import { goReplacement } from '../../../proxies/router/go-replacement.ts';
import { claimsOfUnit } from '../../../proxies/router/labels/dialects.ts';
import { unitKeyOf, unitOf } from '../../../proxies/router/labels/deployment-group.ts';
import { defaultLabelRules, type ClaimedRecord } from '../../../proxies/router/labels/label-rules.ts';
import { createRouteView } from '../../../proxies/router/route-view.ts';
import { clusterOf, routedApp, routedTask } from './routed-apps.ts';

/** With everything on that a template is looked at for. */
const base: Labels = {
  HAPROXY_0_VHOST: 'www.shop.example,shop.example',
  HAPROXY_0_PATH: '/cart',
  HAPROXY_0_AUTH: 'staff:anna:$6$ab$cd',
  HAPROXY_0_HTTP_BACKEND_PROXYPASS_PATH: '/cart',
  HAPROXY_0_HTTP_BACKEND_REVPROXY_PATH: '/cart',
  HAPROXY_0_BACKEND_NETWORK_ALLOWED_ACL: '10.20.0.0/16',
  HAPROXY_0_USE_HSTS: 'true',
};

interface Claimed {
  readonly records: readonly ClaimedRecord[];
  readonly told: readonly Diagnostic[];
}

function claim(labels: Labels): Claimed {
  const app = { ...routedApp('/cart', { ...base, ...labels }), healthChecks: [check] };
  const rules = { ...defaultLabelRules, groups: ['*'], listeners: ['http', 'https'] as const };
  const { records, diagnostics } = claimsOfUnit(unitOf(unitKeyOf(app), [app]), rules);
  return { records, told: diagnostics.filter(({ key }) => Object.hasOwn(labels, key)) };
}

const check = {
  protocol: 'HTTP',
  path: '/alive',
  port: null,
  portIndex: 0,
  intervalMs: 10_000,
  timeoutMs: 5_000,
  maxConsecutiveFailures: 3,
} as const;

const of = <K extends ClaimedRecord['kind']>(labels: Labels, kind: K): Extract<ClaimedRecord, { kind: K }>[] =>
  claim(labels).records.filter((record): record is Extract<ClaimedRecord, { kind: K }> => record.kind === kind);

const hostsOn = (listener: string, labels: Labels): readonly string[] =>
  of(labels, 'route').flatMap((route) => (route.listener === listener ? [route.host] : []));

const plain = {
  HTTP_FRONTEND_ACL_WITH_AUTH_AND_PATH:
    'acl host_{cleanedUpHostname} hdr(host) -i {hostname}\nacl auth_{cleanedUpHostname} http_auth(user_{backend})\nacl path_{backend} path_beg {path}\nhttp-request auth realm "{realm}" if host_{cleanedUpHostname} path_{backend} !auth_{cleanedUpHostname}\nuse_backend {backend} if host_{cleanedUpHostname} path_{backend}\n',
  HTTPS_FRONTEND_ACL_WITH_AUTH:
    'acl auth_{cleanedUpHostname} http_auth(user_{backend})\nhttp-request auth realm "{realm}" if {{ ssl_fc_sni {hostname} }} !auth_{cleanedUpHostname}\nuse_backend {backend} if {{ ssl_fc_sni {hostname} }}\n',
  HTTP_FRONTEND_APPID_ACL:
    '  acl app_{cleanedUpAppId} hdr(x-marathon-app-id) -i {appId}\n  use_backend {backend} if app_{cleanedUpAppId}\n',
  HTTP_BACKEND_PROXYPASS_GLUE:
    '  http-request set-header Host {hostname}\n  reqirep  "^([^ :]*)\\ {proxypath}/?(.*)" "\\1\\ /\\2"\n',
  HTTP_BACKEND_REVPROXY_GLUE:
    '  acl hdr_location res.hdr(Location) -m found\n  rspirep "^Location: (https?://{hostname}(:[0-9]+)?)?(/.*)" "Location:   {rootpath} if hdr_location"\n',
  BACKEND_SERVER_HTTP_HEALTHCHECK_OPTIONS:
    '  check inter {healthCheckIntervalSeconds}s fall {healthCheckFalls}{healthCheckPortOptions}\n',
  BACKEND_SERVER_OPTIONS: '  server {serverName} {host_ipv4}:{port}{cookieOptions}{healthCheckOptions}{otherOptions}\n',
  FRONTEND_HEAD: '\nfrontend {backend}\n  bind {bindAddr}:{servicePort}{sslCert}{bindOptions}\n  mode {mode}\n',
};

t.test('a template that says what is so anyway changes nothing and is not told of', async (t) => {
  const before = claim({}).records;
  for (const [name, text] of Object.entries(plain)) {
    const { records, told } = claim({ [`HAPROXY_0_${name}`]: text });
    t.same(told, [], name);
    t.same(records, before, name);
  }
});

t.test('hosts of ACLs: {hostname} is each vhost, whatever stands before it and however it is compared', async (t) => {
  const wild = { HAPROXY_0_HTTP_FRONTEND_ACL: 'acl h hdr_end(host) -i .{hostname}\nuse_backend {backend} if h' };
  t.same(hostsOn('http', wild), ['*.www.shop.example', '*.shop.example']);
  const sni = { HAPROXY_0_HTTPS_FRONTEND_ACL: 'use_backend {backend} if {{ ssl_fc_sni_end {hostname} }}' };
  t.same(hostsOn('https', sni), ['~.*www\\.shop\\.example', '~.*shop\\.example'], 'and never every host');
  const flag = { HAPROXY_0_HTTP_FRONTEND_ACL: 'acl h hdr(host) -m end .shop.example\nuse_backend {backend} if h' };
  t.same(hostsOn('http', flag), ['*.shop.example']);
  const either = {
    HAPROXY_0_HTTP_FRONTEND_ACL:
      'acl a hdr(host) -i a.example\nacl b hdr(host) -i b.example\nuse_backend {backend} if a\nuse_backend {backend} if b',
  };
  t.same(hostsOn('http', either), ['a.example', 'b.example']);
  const or = {
    HAPROXY_0_HTTP_FRONTEND_ACL:
      'acl a hdr(host) -i a.example\nacl b src 10.0.0.0/8\nuse_backend {backend} if a or { hdr(host) -i b.example } b',
  };
  t.match(
    of(or, 'route').filter(({ listener }) => listener === 'http'),
    [
      { host: 'a.example', conditions: undefined },
      { host: 'b.example', conditions: [{ on: 'source', networks: ['10.0.0.0/8'] }] },
    ],
  );
});

t.test('paths of ACLs: compared otherwise than as a prefix, the label is no prefix', async (t) => {
  const exact = { HAPROXY_0_HTTP_FRONTEND_ACL: 'acl p path {path}\nuse_backend {backend} if host_x p' };
  t.match(
    of(exact, 'route').find(({ listener }) => listener === 'http'),
    { path: '/', conditions: [{ on: 'path', paths: [{ kind: 'exact', text: '/cart' }] }] },
  );
  const nested = { HAPROXY_0_HTTP_FRONTEND_ACL: 'acl p path_reg ^/((a+))+$\nuse_backend {backend} if p' };
  t.match(claim(nested).told, [{ severity: 'error' }], 'an expression that could run for ever closes the vhost');
  t.same(of(nested, 'route'), []);
});

t.test('an ACL beside a header is news, a denial closes', async (t) => {
  const text = 'acl inside src 10.0.0.0/8\nhttp-request set-header X-Inside 1 if inside';
  const header = claim({ HAPROXY_0_BACKEND_HTTP_OPTIONS: text });
  t.match(header.told, [{ severity: 'warn' }]);
  t.ok(header.records.some(({ kind }) => kind === 'route'));
  const denial = claim({ HAPROXY_0_BACKEND_HTTP_OPTIONS: `${text}\nhttp-request deny unless inside` });
  t.match(denial.told, [{ severity: 'error' }]);
  t.notOk(denial.records.some(({ kind }) => kind === 'route'));
});

t.test('checks: the request with its fields, written with line ends of its own', async (t) => {
  const labels = {
    HAPROXY_0_BACKEND_HTTP_HEALTHCHECK_OPTIONS:
      'option httpchk HEAD {healthCheckPath} HTTP/1.1\\r\\nHost:\\ probe.example\\r\\nUser-Agent:\\ lb probe\nhttp-check expect status 204',
    HAPROXY_0_BACKEND_SERVER_HTTP_HEALTHCHECK_OPTIONS: 'check inter 7s fall 5 rise 3',
  };
  t.same(claim(labels).told, []);
  t.match(of(labels, 'service')[0]?.check, {
    method: 'HEAD',
    path: '/alive',
    host: 'probe.example',
    headers: { 'User-Agent': 'lb probe' },
    expectedStatus: [[204, 204]],
    intervalMs: 7_000,
    fall: 5,
    rise: 3,
  });
});

t.test('servers: weights, backups and a port of their own', async (t) => {
  const labels = {
    HAPROXY_0_BACKEND_SERVER_OPTIONS:
      'server {serverName} {host_ipv4}:7070{cookieOptions}{healthCheckOptions}{otherOptions} weight 10 backup maxconn 30',
  };
  t.same(claim(labels).told, []);
  t.match(of(labels, 'service')[0], { balance: { policy: 'first' }, connectionsPerBackend: 30 });
  const view = createRouteView({ groups: ['*'] });
  view.rebuild(clusterOf([routedApp('/cart', labels)], [routedTask('/cart', 'cart.1', '10.1.1.1', [31_001])]));
  t.match(view.table.get('set:marathon/cart:0'), { backends: [{ key: '10.1.1.1:7070' }], names: ['10_1_1_1_31001'] });
});

t.test('users, networks, rewrites and bind of other shapes', async (t) => {
  const labels = {
    HAPROXY_0_USERLIST_HEAD:
      'userlist user_{backend}\n user {user} password {passwd}\n user ben insecure-password apple',
    HAPROXY_0_HTTP_BACKEND_NETWORK_ALLOWED_ACL: 'acl network_allowed hdr_ip(x-forwarded-for) {network_allowed}',
    HAPROXY_0_HTTP_BACKEND_PROXYPASS_GLUE: 'reqrep ^([^\\ :]*)\\ {proxypath}/v1/(.*) \\1\\ /$new/\\2',
    HAPROXY_0_FRONTEND_HEAD:
      'frontend {backend}\n bind 10.0.0.9:{servicePort}{sslCert}{bindOptions} accept-proxy\n mode {mode}',
    HAPROXY_0_BACKEND_HTTP_OPTIONS:
      'option forwardfor header X-Client\n no option http-keep-alive\n compression algo gzip',
  };
  t.same(claim(labels).told, []);
  t.match(of(labels, 'port')[0], { address: '10.0.0.9', acceptProxy: true });
  t.match(of(labels, 'options')[0], {
    auth: { users: [{ name: 'anna' }, { name: 'ben', hash: '{SHA}0L4txCG+T80BcuWvzuo5cOLz2UA=' }] },
    networks: { allowed: ['10.20.0.0/16'] },
    path: [{ change: 'replace-regex', regex: '^/cart/v1/(.*)', replacement: '/$$new/${1}' }],
    requestHeaders: [{ change: 'set', name: 'X-Client', variable: 'client-address' }],
    compress: true,
  });
});

t.test('a template of its own for the app id front end keeps the app off it', async (t) => {
  const labels = { HAPROXY_0_HTTP_FRONTEND_APPID_ACL: 'use_backend {backend} if { src 10.0.0.0/8 }' };
  t.same(of(labels, 'app'), []);
  t.match(claim(labels).told, [{ severity: 'error' }]);
});

t.test('replacements are Go’s', async (t) => {
  const replaced = (text: string, template: string): string =>
    text.replace(/^\/(a+)(?<rest>.*)$/, goReplacement(template));
  t.equal(replaced('/aab', '/$1-${2}'), '/aa-b');
  t.equal(replaced('/aab', '/${rest}/$rest'), '/b/b');
  t.equal(replaced('/aab', '/$1x$9'), '/', 'there is no group 1x, and none of number 9');
  t.equal(replaced('/aab', '/$$1$&$'), '/$1$&$');
});
