// What `router.labels: reference` does to requests as Marathon-LB does: fields of strangers go on, and over TLS the handshake's name decides.

import t from 'tap';
import type { Peer, RequestView } from '../../../proxies/http1/index.ts';
import { createRouteView, type RouteTarget } from '../../../proxies/router/index.ts';
import type { RoutePlane } from '../../../proxies/router/route-plane.ts';
import { answering, get, openBackend, openScene, until } from './scene.ts';
import { clusterOf, routedApp } from './routed-apps.ts';

const spoofed = get('/', 'X-Forwarded-For: 8.8.8.8', 'X-Forwarded-Proto: https', 'X-Forwarded-Port: 1');

t.test('X-Forwarded-For and -Proto of strangers are appended to', async (t) => {
  const backend = await openBackend(t, answering('x'));
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  client.send(spoofed);
  await until(() => backend.heads.length === 1);
  t.notMatch(backend.heads[0], /8\.8\.8\.8/, 'corrected: nobody says where it comes from but us');
  scene.treat({ appendsForwarded: true });
  const other = await scene.client();
  other.send(spoofed);
  await until(() => backend.heads.length === 2);
  const lines = (backend.heads[1] ?? '').split('\r\n').filter((line) => /^X-Forwarded-(For|Proto|Port)/i.test(line));
  t.same(lines, [
    'X-Forwarded-For: 8.8.8.8',
    'X-Forwarded-Proto: https',
    'X-Forwarded-For: 127.0.0.1',
    `X-Forwarded-Port: ${scene.port}`,
  ]);
});

t.test("over TLS the handshake's name decides", async (t) => {
  const scene = await openScene(t, []);
  const table = (labels: 'corrected' | 'reference'): ReturnType<typeof createRouteView>['table'] => {
    const view = createRouteView({ groups: ['*'], listeners: ['http', 'https'], labels });
    view.rebuild(clusterOf([routedApp('/a', { HAPROXY_0_VHOST: 'a.example', HAPROXY_0_MODE: 'http' })]));
    return view.table;
  };
  const request = { host: 'other.example', authority: 'other.example', matchPath: '/' } as RequestView;
  const asked = (serverName: string | null): RouteTarget | null => {
    const peer = { secure: true, tls: { serverName, clientCertificate: null, allows: () => true } } as unknown as Peer;
    return (scene.router.plane as RoutePlane).lookup(request, peer, () => '')?.entry ?? null;
  };
  await scene.router.plane.replace(table('corrected'));
  t.equal(asked('a.example'), null);
  await scene.router.plane.replace(table('reference'));
  t.equal(asked('a.example')?.appId, '/a');
  t.equal(asked(null), null);
  t.equal(asked('other.example'), null);
});

t.test("as measured the handshake's name is compared letter by letter, but for the map", async (t) => {
  const scene = await openScene(t, []);
  const led = async (haproxyMap: boolean): Promise<boolean> => {
    const view = createRouteView({ groups: ['*'], listeners: ['https'], labels: 'reference', haproxyMap });
    view.rebuild(clusterOf([routedApp('/a', { HAPROXY_0_VHOST: 'A.example', HAPROXY_0_MODE: 'http' })]));
    const plane = scene.router.plane as RoutePlane;
    await plane.replace(view.table);
    const request = { host: 'a.example', authority: 'a.example', matchPath: '/' } as RequestView;
    const tls = { serverName: 'a.example', askedName: 'A.Example', clientCertificate: null, allows: () => true };
    return plane.lookup(request, { secure: true, tls } as unknown as Peer, () => '') !== null;
  };
  t.equal(await led(false), false);
  t.equal(await led(true), true);
});

t.test('a front end for each vhost: of the map the first one alone is on https', async (t) => {
  const hosts = (rules: { readonly haproxyMap?: boolean; readonly labels?: 'corrected' }): readonly string[] => {
    const common = { groups: ['*'], listeners: ['http', 'https'] as const, labels: 'reference' as const };
    const view = createRouteView({ ...common, haproxyMap: true, groupHttpsByVhost: true, ...rules });
    view.rebuild(clusterOf([routedApp('/a', { HAPROXY_0_VHOST: 'a.example,b.example' })]));
    return [...view.table.values()].flatMap((one) =>
      one.kind === 'route' && one.listener === 'https' ? [one.host] : [],
    );
  };
  t.same(hosts({}), ['a.example']);
  t.same(hosts({ haproxyMap: false }), ['a.example', 'b.example']);
  t.same(hosts({ labels: 'corrected' }), ['a.example', 'b.example']);
});
