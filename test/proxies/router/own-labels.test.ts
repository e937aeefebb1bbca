// Labels of our own, hashes that nobody can verify, and redirects between the two entry points.

import t from 'tap';
import type { RequestView } from '../../../proxies/http1/index.ts';
import { createRouteView, type RouteRecord, type ServiceEntry } from '../../../proxies/router/index.ts';
import { httpsRedirect } from '../../../proxies/router/redirects.ts';
import type { RequestFacts } from '../../../proxies/router/request-facts.ts';
import type { Labels } from '../../../src/cluster/index.ts';
import { clusterOf, routedApp } from './routed-apps.ts';

function viewOf(labels: Labels): ReturnType<typeof createRouteView> {
  const view = createRouteView({ groups: ['*'] });
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

t.test('what this version does not do is said', async (t) => {
  t.same(told(viewOf({ ISTHMUS_0_CANARY_HEADER: 'k:v', ISTHMUS_0_MIRROR: '/b@10%', ISTHMUS_0_FAULT_DELAY: '2s@5%' })), [
    'warn ISTHMUS_0_CANARY_HEADER',
    'warn ISTHMUS_0_FAULT_DELAY',
    'warn ISTHMUS_0_MIRROR',
  ]);
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
