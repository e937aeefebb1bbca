// Who has a record: the first by order, found without a look at all the others.

import t from 'tap';
import { Claims } from '../../../proxies/router/claims.ts';
import { Claimants, type Claim } from '../../../proxies/router/claimants.ts';
import { createRouteView, type RouteRecord } from '../../../proxies/router/index.ts';
import { seededRandom } from '../../../src/runtime/index.ts';
import type { ClaimedRecord } from '../../../proxies/router/labels/label-rules.ts';
import { clusterOf, routedApp, routedTask } from './routed-apps.ts';

const appRecord = (appId: string): ClaimedRecord =>
  ({ kind: 'app', id: '/one', app: null, appId, portIndex: 0, options: appId, set: appId }) as ClaimedRecord;

const byAppId = (a: Claim, b: Claim): number => (a.appId < b.appId ? -1 : a.appId > b.appId ? 1 : 0);

t.test('work grows with the changes, not with those who claim the same', async (t) => {
  const comparisonsOf = (count: number): number => {
    let comparisons = 0;
    const claims = new Claims(true, (a, b) => {
      comparisons++;
      return byAppId(a, b);
    });
    const ids = Array.from({ length: count }, (_, i) => `/app-${String(i * 7919 + 1_000_000)}`);
    const random = seededRandom(7);
    for (const id of [...ids].sort(() => random() - 0.5)) {
      claims.replace(id, id, [appRecord(id)], []);
      claims.winner('app:/one');
    }
    // Each comes again, and then they leave, the first one first: the worst order for whoever looks for the next.
    for (const id of ids) {
      claims.replace(id, id, [appRecord(id)], []);
      claims.winner('app:/one');
    }
    for (const id of [...ids].sort()) {
      t.match(claims.winner('app:/one'), { appId: id });
      claims.replace(id, id, [], []);
    }
    t.equal(claims.winner('app:/one'), undefined);
    return comparisons;
  };
  for (const count of [100, 1_600]) {
    const each = comparisonsOf(count) / count;
    t.ok(each < 6 * Math.log2(count), `${each.toFixed(1)} comparisons for each of ${count}`);
  }
});

t.test('the first is always the least of those that are left', async (t) => {
  const random = seededRandom(3);
  const claimants = new Claimants(byAppId);
  const left = new Set<string>();
  for (let step = 0; step < 3_000; step++) {
    const owner = `o${Math.floor(random() * 60)}`;
    if (left.has(owner)) {
      t.equal(claimants.release(owner), left.size - 1);
      left.delete(owner);
    } else {
      claimants.add({ owner, appId: owner, record: appRecord(owner) });
      left.add(owner);
    }
    if (random() < 0.5 && claimants.first()?.owner !== [...left].sort()[0]) t.fail(`step ${step}`);
  }
  t.equal(claimants.size, left.size);
});

const host = { HAPROXY_0_VHOST: 'shop.example' };

t.test('canaries stand beside the first, weights where both say one, and others are told', async (t) => {
  const view = createRouteView({ groups: ['*'] });
  const apps = [
    routedApp('/a-canary', { ...host, ISTHMUS_0_CANARY_HEADER: 'x-canary: yes', ISTHMUS_0_CANARY_PERCENT: '5%' }),
    routedApp('/b-stable', { ...host, ISTHMUS_0_WEIGHT: '80' }),
    routedApp('/c-weighted', { ...host, ISTHMUS_0_WEIGHT: '20' }),
    routedApp('/d-other', host),
  ];
  view.rebuild(clusterOf(apps));
  const routes = [...view.table.values()].filter((record: RouteRecord) => record.kind === 'route');
  t.equal(routes.length, 1);
  t.match(routes[0], {
    appId: '/b-stable',
    branches: [
      { appId: '/c-weighted', set: 'marathon/c-weighted:0', share: { weight: 20 } },
      { appId: '/a-canary', share: { canary: { header: { name: 'x-canary', value: 'yes' }, percent: 5 } } },
    ],
  });
  t.same(
    view
      .diagnostics()
      .filter(({ key }) => key === 'HAPROXY_0_VHOST')
      .map(({ app, key }) => `${app} ${key}`),
    ['marathon/d-other HAPROXY_0_VHOST'],
  );
});

t.test('a canary without anybody beside it has the route', async (t) => {
  const view = createRouteView({ groups: ['*'] });
  const canary = routedApp('/canary', { ...host, ISTHMUS_0_CANARY_COOKIE: 'beta' });
  const snapshot = clusterOf([canary], [routedTask('/canary', 't', '10.0.0.1', [31000])]);
  view.rebuild(snapshot);
  const route = view.table.get('route:http:shop.example/');
  t.match(route, { appId: '/canary' });
  t.equal(route?.kind === 'route' ? route.branches : null, undefined);
});
