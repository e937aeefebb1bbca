// What the router writes down: access log and metrics.

import t, { type Test } from 'tap';
import type { AccessLogFormat, RouterOptions } from '../../../proxies/router/index.ts';
import { answering, counted, get, openBackend, openScene } from './scene.ts';

/** The lines written for these requests, each sent on its own connection. */
async function logged(t: Test, format: AccessLogFormat, requests: readonly string[]): Promise<string[]> {
  let written = '';
  const accessLog: RouterOptions['accessLog'] = { format, write: (lines) => void (written += lines) };
  const backend = await openBackend(t, answering('hello'));
  const scene = await openScene(t, [backend.port], { accessLog });
  for (const request of requests) {
    const client = await scene.client();
    client.send(request);
    await client.expect(/\r\n\r\n/);
    client.close();
  }
  await scene.router.stop();
  return written.split('\n').slice(0, -1);
}

t.test('json', async (t) => {
  const evil = get('/a?b=c', 'User-Agent: x"\xe9\t', 'Referer: r', 'Authorization: secret', 'Cookie: secret');
  const lines = await logged(t, 'json', [evil, get('/').replace('a.example', 'nowhere.example'), 'get / HTTP/1.1\r\n']);
  const [forwarded, unrouted, refused] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  t.match(forwarded, {
    client_addr: '127.0.0.1',
    protocol: 'HTTP/1.1',
    method: 'GET',
    host: 'a.example',
    path: '/a',
    query: 'b=c',
    status: 200,
    bytes_in: 0,
    bytes_out: 5,
    route: 'http:a.example/',
    app_id: 'static',
    server: /^127\.0\.0\.1:\d+$/,
    retries: 0,
    outcome: 'ok',
    user_agent: 'x"\xe9',
    referer: 'r',
    request_id: /^[-0-9a-f]{36}$/,
  });
  t.match(unrouted, { status: 503, route: '', outcome: 'denied' });
  t.match(refused, { status: 400, method: '-' });
  t.notMatch(lines.join(), /secret/);
  t.ok(
    lines.every((line) => /^[\x20-\x7e]+$/.test(line)),
    'ASCII alone',
  );
});

t.test('common and combined', async (t) => {
  const request = get('/a"b', 'User-Agent: x"\xe9\\', 'Referer: r');
  const [common] = await logged(t, 'common', [request]);
  t.match(
    common,
    /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/a\\"b HTTP\/1\.1" 200 5$/,
  );
  const [combined] = await logged(t, 'combined', [request]);
  t.match(combined, / 200 5 "r" "x\\"\\xe9\\\\"$/);
});

t.test('metrics', async (t) => {
  const backend = await openBackend(t, answering('hello'));
  const scene = await openScene(t, [backend.port]);
  const client = await scene.client();
  for (const host of ['a.example', 'a.example', 'b.example']) {
    client.send(get('/').replace('a.example', host));
    await client.expect(/\r\n\r\n[^]+$/);
  }
  t.equal(counted(scene.metrics, 'router_requests_total', { route: 'http:a.example/', code: '200' }), 2);
  t.equal(counted(scene.metrics, 'router_requests_total', { route: 'none', code: '503' }), 1);
  t.equal(counted(scene.metrics, 'router_active_connections', {}), 1);
  t.equal(counted(scene.metrics, 'router_request_seconds', { route: 'http:a.example/', le: '+Inf' }), 2);
  t.equal(counted(scene.metrics, 'router_request_seconds', { route: 'none', le: '+Inf' }), 1);
  void scene.router.plane.apply({ set: [], removed: ['route:http:a.example/'] }, new Map());
  t.equal(
    counted(scene.metrics, 'router_requests_total', { route: 'http:a.example/', code: '200' }),
    0,
    'a route that goes ends its series',
  );
});
