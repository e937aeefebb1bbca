// Canaries, weights, mirrors and faults by labels of our own, on real connections.

import t from 'tap';
import type { Test } from 'tap';
import { createRouteView, type RouterOptions } from '../../../proxies/router/index.ts';
import type { Labels } from '../../../src/cluster/index.ts';
import { manualClock } from '../../runtime/manual-clock.ts';
import { clusterOf, routedApp, routedTask } from './routed-apps.ts';
import { answering, counted, get, openBackend, openScene, until, type RawBackend, type Scene } from './scene.ts';

interface Deployed {
  readonly id: string;
  readonly labels: Labels;
  readonly backend: RawBackend | null;
}

/** A router with these apps on `a.example`, as a view makes them. */
async function sceneOf(
  t: Test,
  deployed: readonly Deployed[],
  options: Partial<RouterOptions> = {},
): Promise<Scene & { ask(...fields: string[]): Promise<string> }> {
  const scene = await openScene(t, [], options);
  const view = createRouteView({ groups: ['*'], allowFaults: true });
  view.rebuild(
    clusterOf(
      deployed.map(({ id, labels }, i) =>
        routedApp(id, { HAPROXY_0_VHOST: 'a.example', HAPROXY_0_PORT: String(10_000 + i), ...labels }),
      ),
      deployed.flatMap(({ id, backend }) =>
        backend === null ? [] : [routedTask(id, `t${id.slice(1)}`, '127.0.0.1', [backend.port])],
      ),
    ),
  );
  t.same(view.diagnostics(), []);
  await scene.router.plane.replace(view.table);
  const ask = async (...fields: string[]): Promise<string> => {
    const client = await scene.client();
    client.send(get('/x', 'Connection: close', ...fields));
    const { text } = await client.end();
    return text;
  };
  return { ...scene, ask };
}

const bodyOf = (text: string): string => text.split('\r\n\r\n')[1] ?? '';

t.test('a canary by field and by cookie; the others go on', async (t) => {
  const [stable, next] = [await openBackend(t, answering('stable')), await openBackend(t, answering('next'))];
  const scene = await sceneOf(t, [
    { id: '/a', labels: {}, backend: stable },
    {
      id: '/b',
      labels: { ISTHMUS_0_CANARY_HEADER: 'x-canary:1', ISTHMUS_0_CANARY_COOKIE: 'beta' },
      backend: next,
    },
  ]);
  t.equal(bodyOf(await scene.ask()), 'stable');
  t.equal(bodyOf(await scene.ask('X-Canary: 1')), 'next');
  t.equal(bodyOf(await scene.ask('X-Canary: 2')), 'stable');
  t.equal(bodyOf(await scene.ask('Cookie: a=b; beta=x')), 'next');
  t.equal(bodyOf(await scene.ask('Cookie: alphabeta=x')), 'stable');
  const route = 'http:a.example/ -> /b:0';
  t.equal(counted(scene.metrics, 'router_requests_total', { route, code: '200' }), 2, 'counted apart');
});

t.test('a canary without a backend gets nothing', async (t) => {
  const stable = await openBackend(t, answering('stable'));
  const labels = { ISTHMUS_0_CANARY_HEADER: 'x-canary', ISTHMUS_0_CANARY_PERCENT: '100' };
  const scene = await sceneOf(t, [
    { id: '/a', labels: {}, backend: stable },
    { id: '/b', labels, backend: null },
  ]);
  t.equal(bodyOf(await scene.ask('X-Canary: 1')), 'stable');
});

t.test('a share of the clients, each always at the same', async (t) => {
  const [stable, next] = [await openBackend(t, answering('stable')), await openBackend(t, answering('next'))];
  const scene = await sceneOf(
    t,
    [
      { id: '/a', labels: {}, backend: stable },
      { id: '/b', labels: { ISTHMUS_0_CANARY_PERCENT: '25%' }, backend: next },
    ],
    { trustedProxies: ['127.0.0.0/8'] },
  );
  let canaries = 0;
  for (let i = 0; i < 200; i++) {
    const client = `X-Forwarded-For: 10.0.${i}.7`;
    const first = bodyOf(await scene.ask(client));
    if (first === 'next') canaries++;
    if (i % 20 === 0) t.equal(bodyOf(await scene.ask(client)), first);
  }
  t.ok(canaries > 25 && canaries < 80, `${canaries} of 200`);
});

t.test('weights share by app, whatever the number of tasks; sessions stay', async (t) => {
  const [one, two] = [await openBackend(t, answering('one')), await openBackend(t, answering('two'))];
  const sticky = { HAPROXY_0_STICKY: 'true' };
  const scene = await sceneOf(t, [
    { id: '/a', labels: { ISTHMUS_0_WEIGHT: '3', ...sticky }, backend: one },
    { id: '/b', labels: { ISTHMUS_0_WEIGHT: '1', ...sticky }, backend: two },
  ]);
  const answers: string[] = [];
  for (let i = 0; i < 8; i++) answers.push(await scene.ask());
  t.equal(answers.filter((text) => bodyOf(text) === 'two').length, 2);
  const cookie = /Set-Cookie: ([^;]+)/i.exec(answers.find((text) => bodyOf(text) === 'two') ?? '')?.[1] ?? '';
  for (let i = 0; i < 4; i++) t.equal(bodyOf(await scene.ask(`Cookie: ${cookie}`)), 'two');
});

t.test('a mirror gets copies with bodies, and its answers are nobody’s', async (t) => {
  const first = await openBackend(t, answering('first'));
  const bodies: string[] = [];
  const shadow = await openBackend(t, (socket, _head, body) => {
    bodies.push(body);
    answering('shadow')(socket, '', '');
  });
  const scene = await sceneOf(t, [
    { id: '/a', labels: { ISTHMUS_0_MIRROR: '/b@100%', ISTHMUS_0_MIRROR_HOSTSUFFIX: '-shadow' }, backend: first },
    { id: '/b', labels: { HAPROXY_0_VHOST: 'b.example' }, backend: shadow },
  ]);
  const client = await scene.client();
  client.send('PUT /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello');
  await client.expect(/first$/);
  await until(() => shadow.heads.length === 1);
  t.match(shadow.heads[0], /^PUT \/p HTTP\/1\.1\r\nX-Isthmus-Mirror: 1\r\nHost: a-shadow\.example\r\n/);
  t.same(bodies, ['hello']);
  t.notMatch(first.heads[0], 'X-Isthmus-Mirror');
  await until(() => counted(scene.metrics, 'router_mirrored_total', { result: 'answered' }) === 1);
  client.send('POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n');
  await client.expect(/first$/);
  client.send(get('/again'));
  await client.expect(/first$/);
  await until(() => shadow.heads.length === 2);
  t.match(shadow.heads[1], /^GET \/again/, 'what may not be done twice is not copied');
  t.notMatch(client.received, 'shadow');
});

t.test('a mirror that is dead, or hangs, is nobody’s trouble', async (t) => {
  const first = await openBackend(t, answering('first'));
  const shadow = await openBackend(t, () => undefined);
  const scene = await sceneOf(t, [
    { id: '/a', labels: { ISTHMUS_0_MIRROR: '/b@100%' }, backend: first },
    { id: '/b', labels: { HAPROXY_0_VHOST: 'b.example' }, backend: shadow },
  ]);
  for (let i = 0; i < 100; i++) t.equal(bodyOf(await scene.ask()), 'first');
  await until(() => counted(scene.metrics, 'router_mirrored_total', { result: 'dropped' }) > 0);
  t.ok(shadow.connections <= 16, `${shadow.connections} connections`);
  await shadow.stop();
  await until(() => counted(scene.metrics, 'router_mirrored_total', { result: 'failed' }) > 0);
  t.equal(bodyOf(await scene.ask()), 'first');
});

t.test('aborts and delays, said in the answer; over when they are over', async (t) => {
  const backend = await openBackend(t, answering('fine'));
  const clock = manualClock();
  const labels = {
    ISTHMUS_0_FAULT_ABORT: '503@100%',
    ISTHMUS_0_FAULT_HEADER: 'x-test:1',
    ISTHMUS_0_FAULT_UNTIL: new Date(clock.now() + 60_000).toISOString(),
  };
  const scene = await sceneOf(t, [{ id: '/a', labels, backend }], { clock });
  t.match(await scene.ask('X-Test: 1'), /^HTTP\/1\.1 503 [^]*\r\nX-Isthmus-Fault: abort\r\n/);
  t.equal(bodyOf(await scene.ask()), 'fine', 'without the field');
  t.equal(counted(scene.metrics, 'router_faults_total', { kind: 'abort' }), 1);
  clock.advance(60_000);
  t.equal(bodyOf(await scene.ask('X-Test: 1')), 'fine');
});

t.test('a delay holds the request, and counts for its time', async (t) => {
  const backend = await openBackend(t, answering('late'));
  const clock = manualClock();
  const scene = await sceneOf(t, [{ id: '/a', labels: { ISTHMUS_0_FAULT_DELAY: '2s@100%' }, backend }], { clock });
  const answer = scene.ask();
  await until(() => counted(scene.metrics, 'router_faults_total', { kind: 'delay' }) === 1);
  t.equal(backend.heads.length, 0);
  clock.advance(2_000);
  t.match(await answer, /\r\nX-Isthmus-Fault: delay\r\n[^]*late$/);

  const short = await sceneOf(
    t,
    [{ id: '/a', labels: { ISTHMUS_0_FAULT_DELAY: '20s@100%', ISTHMUS_0_TIMEOUT: '1s' }, backend }],
    { clock },
  );
  const late = short.ask();
  await until(() => counted(short.metrics, 'router_faults_total', { kind: 'delay' }) === 1);
  clock.advance(1_000);
  t.match(await late, /^HTTP\/1\.1 504 /);
});

t.test('a client that leaves while it waits', async (t) => {
  const backend = await openBackend(t, answering('late'));
  const clock = manualClock();
  const labels = { ISTHMUS_0_FAULT_DELAY: '2s@100%', ISTHMUS_0_MAXREQUESTS: '1' };
  const scene = await sceneOf(t, [{ id: '/a', labels, backend }], { clock });
  const client = await scene.client();
  client.send(get('/x'));
  await until(() => counted(scene.metrics, 'router_faults_total', { kind: 'delay' }) === 1);
  client.socket.resetAndDestroy();
  await until(() => counted(scene.metrics, 'router_requests_total', { route: 'http:a.example/', code: '499' }) === 1);
  const next = scene.ask();
  await until(() => counted(scene.metrics, 'router_faults_total', { kind: 'delay' }) === 2);
  clock.advance(2_000);
  t.match(await next, /^HTTP\/1\.1 200 /, 'its place is free again');
  t.equal(backend.heads.length, 1);
});

t.test('Via where we have a name, and a circle of requests is broken', async (t) => {
  const backend = await openBackend(t, answering('once'));
  const scene = await openScene(t, [backend.port], { via: 'edge-1' });
  const ask = async (...fields: string[]): Promise<string> => {
    const client = await scene.client();
    client.send(get('/x', 'Connection: close', ...fields));
    return (await client.end()).text;
  };
  t.match(await ask('Via: 1.0 other'), /once$/);
  t.match(backend.heads[0], /\r\nVia: 1\.0 other\r\n[^]*\r\nVia: 1\.1 edge-1\r\n/);
  t.match(await ask(`Via: ${'1.1 edge-1, '.repeat(10)}1.1 edge-10`), /once$/);
  const looped = await ask(`Via: ${'1.1 edge-1, '.repeat(5)}1.1 other`, `Via: ${'1.1 edge-1, '.repeat(6)}`);
  t.match(looped, /^HTTP\/1\.1 508 [^]*proxy_loop_detected/);
  t.equal(backend.heads.length, 2);
});
