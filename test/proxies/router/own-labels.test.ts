// Labels of our own, hashes that nobody can verify, and redirects between the two entry points.

import t from 'tap';
import type { RequestView } from '../../../proxies/http1/index.ts';
import { createRouteView, type RouteRecord, type ServiceEntry } from '../../../proxies/router/index.ts';
import { parseBreakerExpression } from '../../../proxies/router/breaker-expression.ts';
import { httpsRedirect } from '../../../proxies/router/redirects.ts';
import type { RequestFacts } from '../../../proxies/router/request-facts.ts';
import type { Labels } from '../../../src/cluster/index.ts';
import { clusterOf, routedApp } from './routed-apps.ts';

function viewOf(labels: Labels, rules: { readonly allowFaults?: boolean } = {}): ReturnType<typeof createRouteView> {
  const view = createRouteView({ groups: ['*'], ...rules });
  view.rebuild(clusterOf([routedApp('/a', { HAPROXY_0_VHOST: 'a.example', ...labels })]));
  return view;
}

const serviceOf = (view: ReturnType<typeof createRouteView>): ServiceEntry =>
  [...view.table.values()].find((record: RouteRecord) => record.kind === 'service') as ServiceEntry;

const told = (view: ReturnType<typeof createRouteView>): readonly string[] =>
  view.diagnostics().map(({ key, severity }) => `${severity} ${key}`);

t.test('a breaker by its expression', async (t) => {
  const view = viewOf({ ISTHMUS_0_BREAKER: 'NetworkErrorRatio() > 0.5', ISTHMUS_0_BREAKER_OPEN: '3s' });
  t.same(serviceOf(view).breaker, { expression: 'NetworkErrorRatio() > 0.5', openMs: 3000, recoveryMs: 10_000 });
  const bad = viewOf({ ISTHMUS_0_BREAKER: 'system("x")' });
  t.equal(serviceOf(bad).breaker, undefined);
  t.same(told(bad), ['warn ISTHMUS_0_BREAKER']);
});

t.test('a breaker by the share of failures', async (t) => {
  const view = viewOf({ ISTHMUS_0_BREAKER_ERRORS: '30%', ISTHMUS_0_BREAKER_OPEN: '5s' });
  const expression = 'RequestCount() >= 20 && ResponseCodeRatio(500, 600, 0, 600) >= 0.3';
  t.same(serviceOf(view).breaker, { expression, openMs: 5000, recoveryMs: 10_000 });
  t.not(parseBreakerExpression(expression), null);
});

t.test('traffic: what is understood, what is refused, and faults where they are not allowed', async (t) => {
  const view = viewOf({
    ISTHMUS_0_MIRROR: 'shop/next:1@2.5%',
    ISTHMUS_0_MIRROR_ALLMETHODS: 'yes',
    ISTHMUS_0_MAXPENDING: '5',
    ISTHMUS_0_FAULT_DELAY: '2s@5%',
  });
  t.match(serviceOf(view), {
    mirror: { appId: '/shop/next', portIndex: 1, percent: 2.5, set: 'marathon/shop/next:1', allMethods: true },
    waitingPerBackend: 5,
  });
  t.match(view.diagnostics(), [{ key: 'ISTHMUS_0_FAULT_DELAY', hint: 'set router.allowFaults' }]);
  const broken: Labels = {
    ISTHMUS_0_CANARY_COOKIE: 'a b',
    ISTHMUS_0_CANARY_HEADER: 'x y:1',
    ISTHMUS_0_CANARY_PERCENT: '101',
    ISTHMUS_0_FAULT_ABORT: '200@5%',
    ISTHMUS_0_FAULT_DELAY: '61s@5%',
    ISTHMUS_0_FAULT_UNTIL: 'tomorrow',
    ISTHMUS_0_MIRROR: '/b',
    ISTHMUS_0_MIRROR_HOSTSUFFIX: '.evil\r\nX: y',
    ISTHMUS_0_WEIGHT: '-1',
  };
  const bad = viewOf(broken, { allowFaults: true });
  t.same(
    told(bad),
    Object.keys(broken).map((key) => `warn ${key}`),
  );
  t.notOk([...bad.table.values()].some((record) => 'mirror' in record || 'faults' in record || 'share' in record));
});

t.test('a DES hash lets nobody in, says so, and is not shown', async (t) => {
  const view = viewOf({ HAPROXY_0_AUTH: 'realm:eva:rEK1ecacw.7.c' });
  t.same(told(view), ['error HAPROXY_0_AUTH']);
  t.notMatch(JSON.stringify(view.diagnostics()), /rEK1ecacw/);
});

t.test('to https from http, and back where that is asked for', async (t) => {
  const ask = (secure: boolean, scheme?: 'http', method = 'GET'): unknown => {
    const request = { authority: 'foo:80', forwardTarget: '/', method } as RequestView;
    const facts = { request, secure, entry: 'vhost', requestId: 'x' } as unknown as RequestFacts;
    const rule = { code: 302, otherCode: 307, port: null, ...(scheme === undefined ? {} : { scheme }) };
    const answer = httpsRedirect(rule)(facts);
    return answer === null ? null : [answer.status, answer.fields[0]?.[1]];
  };
  t.same(ask(false), [302, 'https://foo/']);
  t.same(ask(false, undefined, 'POST'), [307, 'https://foo/']);
  t.equal(ask(true), null);
  t.same(ask(true, 'http'), [302, 'http://foo/']);
  t.equal(ask(false, 'http'), null);
});
