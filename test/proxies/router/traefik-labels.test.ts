// Labels of Traefik: what ISTHMUS_<n>_* add to their routes, the order of frontends, redirects of the security headers, and what is told of
// labels that are wrong.

import t from 'tap';
import type { Diagnostic, Labels } from '../../../src/cluster/index.ts';
import type { RequestView } from '../../../proxies/http1/index.ts';
import { claimsOfUnit } from '../../../proxies/router/labels/dialects.ts';
import { unitKeyOf, unitOf } from '../../../proxies/router/labels/deployment-group.ts';
import { defaultLabelRules, type ClaimedRecord } from '../../../proxies/router/labels/label-rules.ts';
import { safeRegex } from '../../../proxies/router/labels/safe-regex.ts';
import { compareRoutes, whyBefore } from '../../../proxies/router/precedence.ts';
import { httpsRedirect } from '../../../proxies/router/redirects.ts';
import type { RequestFacts } from '../../../proxies/router/request-facts.ts';
import type { RouteEntry } from '../../../proxies/router/route-record.ts';
import { routedApp } from './routed-apps.ts';

const traefik = {
  domain: 'shop.example',
  exposedByDefault: true,
  constraints: [],
  groupsAsSubDomains: false,
  marathonLBCompatibility: false,
  filterMarathonConstraints: false,
  forceTaskHostname: false,
  respectReadinessChecks: false,
  ipSources: ['host'],
  defaultEntryPoints: ['http', 'https'],
};

interface Claimed {
  readonly records: readonly ClaimedRecord[];
  readonly told: readonly Diagnostic[];
}

function claim(id: string, labels: Labels, labelRules: 'corrected' | 'reference' = 'corrected'): Claimed {
  const app = routedApp(id, labels, 2);
  const listeners = ['http', 'https'] as const;
  const rules = { ...defaultLabelRules, listeners, traefik, labels: labelRules, httpsPort: 8443 };
  const { records, diagnostics } = claimsOfUnit(unitOf(unitKeyOf(app), [app]), rules);
  return { records, told: diagnostics };
}

const of = <K extends ClaimedRecord['kind']>({ records }: Claimed, kind: K): Extract<ClaimedRecord, { kind: K }>[] =>
  records.filter((record): record is Extract<ClaimedRecord, { kind: K }> => record.kind === kind);

t.test('own labels go by the port that a frontend leads to', async (t) => {
  const claimed = claim('/desk', {
    'traefik.web.portIndex': '0',
    'traefik.web.frontend.rule': 'Host:desk.example',
    'traefik.api.portIndex': '1',
    'traefik.api.frontend.rule': 'Host:api.desk.example',
    ISTHMUS_0_TIMEOUT: '7s',
    ISTHMUS_1_LB: 'maglev',
    ISTHMUS_1_COMPRESS: 'true',
    ISTHMUS_1_CANARY_PERCENT: '5',
    ISTHMUS_4_TIMEOUT: '1s',
  });
  const services = of(claimed, 'service');
  t.match(
    services.find(({ name }) => name.endsWith('web')),
    { timeouts: { totalMs: 7_000 }, balance: undefined },
  );
  t.match(
    services.find(({ name }) => name.endsWith('api')),
    { balance: { policy: 'maglev' }, timeouts: undefined },
  );
  t.same(
    of(claimed, 'options').map(({ compress }) => compress === true),
    [true, false],
    'segments are in the order of their names',
  );
  const routes = of(claimed, 'route').filter(({ listener }) => listener === 'http');
  t.match(
    routes.find(({ host }) => host === 'api.desk.example'),
    { portIndex: 1, share: { canary: { percent: 5 } } },
  );
  t.match(
    claimed.told.map(({ key, reason, hint }) => `${key} ${reason}: ${hint}`),
    ['ISTHMUS_4_TIMEOUT the app has no port 4: its ports are 0, 1'],
  );
});

t.test('of two rules of one length the first frontend by name comes first', async (t) => {
  const routeOf = (id: string, rule: string): RouteEntry =>
    of(claim(id, { 'traefik.frontend.rule': rule }), 'route')[0] as RouteEntry;
  const byPath = routeOf('/zebra', 'PathPrefix:/orders/of');
  const byHost = routeOf('/apes', 'Host:a.shop.example.x');
  t.equal(byPath.weight, byHost.weight);
  t.ok(compareRoutes(byHost, byPath) < 0);
  t.equal(whyBefore(byHost, byPath), 'frontend frontend-apes before frontend-zebra');
});

t.test('redirects to https know its port, the one host, and who has TLS in front', async (t) => {
  const headers = {
    'traefik.frontend.headers.SSLRedirect': 'true',
    'traefik.frontend.headers.SSLHost': 'www.shop.example',
    'traefik.frontend.headers.SSLForceHost': 'true',
    'traefik.frontend.headers.SSLProxyHeaders': 'X-Edge-Tls:on||X-Forwarded-Proto:https',
  };
  const { sslRedirect, redirectToHttps } = of(claim('/a', headers), 'options')[0] ?? {};
  t.equal(redirectToHttps, undefined);
  if (sslRedirect === undefined) throw new Error('no redirect');
  const ask = (authority: string, secure: boolean, fields: Record<string, string>, trusted = false): string | null => {
    const request = {
      authority,
      forwardTarget: '/x',
      method: 'GET',
      fields: { get: (name: string) => fields[name] ?? null },
    } as unknown as RequestView;
    const facts = { request, secure, entry: 'vhost', requestId: '', peer: { trusted } } as unknown as RequestFacts;
    return httpsRedirect(sslRedirect)(facts)?.fields.find(([name]) => name === 'Location')?.[1] ?? null;
  };
  t.equal(ask('www.shop.example', false, {}), 'https://www.shop.example:8443/x');
  t.equal(ask('www.shop.example', false, { 'x-edge-tls': 'on' }), null);
  t.equal(ask('www.shop.example', false, { 'x-edge-tls': 'off' }), 'https://www.shop.example:8443/x');
  t.equal(ask('www.shop.example', false, { 'x-forwarded-proto': 'https' }), 'https://www.shop.example:8443/x');
  t.equal(ask('www.shop.example', false, { 'x-forwarded-proto': 'https' }, true), null);
  t.equal(ask('shop.example', true, {}), 'https://www.shop.example:8443/x');
  t.equal(ask('WWW.shop.example', true, {}), null);
  const entryPoint = of(claim('/a', { 'traefik.frontend.redirect.entryPoint': 'https' }), 'options')[0];
  t.match(entryPoint?.redirectToHttps, { code: 302, otherCode: 307, port: 8443 });
});

t.test(
  'passing certificates the old way where there is no TLS costs the frontend as measured, and nothing otherwise',
  async (t) => {
    const listeners = (mode: 'corrected' | 'reference', entryPoints: string): readonly string[] => {
      const labels = { 'traefik.frontend.passTLSCert': 'true', 'traefik.frontend.entryPoints': entryPoints };
      return of(claim('/a', labels, mode), 'route').map(({ listener }) => listener);
    };
    t.same(listeners('corrected', 'http,https'), ['http', 'https']);
    t.same(listeners('reference', 'http,https'), []);
    t.same(listeners('reference', 'https'), ['https']);
  },
);

t.test('wrong labels are told of, with what would be right', async (t) => {
  const { told } = claim('/a', {
    'traefik.frontend.rul': 'Host:x.example',
    'traefik.web.frontend.headers.frameDenny': 'true',
    'traefik.web.portIndex': 'one',
    'traefik.web.frontend.errors.all.status': '500-599,4xx',
    'traefik.web.frontend.errors.all.backend': 'pages',
    'traefik.web.frontend.rateLimit.rateSet.slow.average': '10',
    'traefik.web.frontend.redirect.regex': '^http://(.*)$',
    'traefik.web.frontend.rule': 'Host:web.example',
    'traefik.backend.maxconn.amount': '10',
    'traefik.backend.maxconn.extractorfunc': 'request.hos',
  });
  t.same(told.map(({ key, reason, hint }) => `${key} ${reason}: ${hint}`).sort(), [
    'traefik.backend.maxconn.extractorfunc is no key, so it is request.host: request.host, client.ip or request.header.NAME',
    'traefik.frontend.rateLimit.rateSet.slow.period is missing or not above 0, so the rate does not hold: such as period 10s, average 100',
    'traefik.frontend.rul is no label of this name: did you mean traefik.frontend.rule?',
    'traefik.web.frontend.errors.all.status "4xx" is no status: statuses and ranges between commas, such as 404,500-599',
    'traefik.web.frontend.headers.frameDenny is no label of this name: did you mean traefik.frontend.headers.frameDeny?',
    'traefik.web.frontend.redirect.regex has no effect without replacement: set traefik.frontend.redirect.replacement',
    'traefik.web.portIndex "one" is no index of a port: its ports are 0, 1',
  ]);
});

t.test('expressions of Go and PCRE mean the same here, or nothing', async (t) => {
  const match = (source: string, text: string): boolean | null => {
    const safe = safeRegex(source);
    return safe === null ? null : new RegExp(safe).test(text);
  };
  t.equal(match('(?i)^shop', 'SHOP'), true);
  t.equal(match('^(?i)/Img/', '/iMG/x'), true);
  t.equal(match('^[[:alpha:]]+$', 'abc'), true);
  t.equal(match('^[[:alpha:]]+$', 'ab]'), false);
  t.equal(match('\\Aab\\z', 'ab'), true);
  t.equal(match('(?P<name>a)b', 'ab'), true);
  for (const source of ['\\p{L}', '((a+))+', '(a)\\1', 'a(?=b)', 'a(?i)b', '\\Qa.b\\E'])
    t.equal(safeRegex(source), null, source);
});
