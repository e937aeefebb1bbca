// Canaries, mirrors, faults and retries by labels through a whole daemon, with a Marathon that knows its agents by host name alone.

import t from 'tap';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './cluster.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(120_000);

interface App {
  readonly port: number;
  readonly seen: { readonly url: string; readonly headers: IncomingHttpHeaders; readonly body: string }[];
  /** Statuses of the next answers; 200 behind them. */
  readonly statuses: number[];
}

async function serveApp(t: { teardown(action: () => void): void }, name: string): Promise<App> {
  const seen: App['seen'] = [];
  const statuses: number[] = [];
  const server: Server = createServer((asked, answer) => {
    let body = '';
    asked.on('data', (part: Buffer) => (body += part.toString()));
    asked.on('end', () => {
      seen.push({ url: asked.url ?? '', headers: asked.headers, body });
      answer.statusCode = statuses.shift() ?? 200;
      answer.end(name);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  return { port: (server.address() as AddressInfo).port, seen, statuses };
}

/** As Marathon's /v2/apps with its tasks shows one. */
const appOf = (id: string, labels: Readonly<Record<string, string>>, port: number, servicePort: number): unknown => ({
  id,
  instances: 1,
  labels: { HAPROXY_GROUP: 'external', ...labels },
  networks: [{ mode: 'host' }],
  portDefinitions: [{ port: servicePort, protocol: 'tcp', name: 'http' }],
  tasks: [
    {
      id: `${id.slice(1)}.9030bea3-1111-4222-8333-444455556666`,
      appId: id,
      host: 'localhost',
      ports: [port],
      slaveId: 'agents-S1',
      state: 'TASK_RUNNING',
      startedAt: '2026-11-21T10:00:00.000Z',
      version: '2026-11-21T09:59:00.000Z',
    },
  ],
});

for (const workers of [0, 1]) {
  t.test(`workers: ${workers}`, async (t) => {
    const [shop, next, shadow] = [await serveApp(t, 'shop'), await serveApp(t, 'next'), await serveApp(t, 'shadow')];
    const folder = mkdtempSync(join(tmpdir(), 'isthmus-traffic-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'apps.json');
    const host = { HAPROXY_0_VHOST: 'shop.example' };
    const asked = {
      ...host,
      ISTHMUS_0_MIRROR: '/shadow@100%',
      ISTHMUS_0_FAULT_ABORT: '418@100%',
      ISTHMUS_0_FAULT_HEADER: 'x-fault:1',
    };
    const apps = [
      appOf('/shop', asked, shop.port, 10_000),
      appOf('/shop-next', { ...host, ISTHMUS_0_CANARY_HEADER: 'x-canary:1' }, next.port, 10_001),
      appOf('/shadow', {}, shadow.port, 10_002),
      appOf(
        '/again',
        {
          'traefik.enable': 'true',
          'traefik.frontend.rule': 'Host:again.example',
          'traefik.backend.buffering.retryExpression': 'ResponseCode() == 503 && Attempts() <= 2',
        },
        next.port,
        10_003,
      ),
    ];
    writeFileSync(path, JSON.stringify({ apps }));
    const daemon = await startDaemon(`
cluster:
  - file: { path: ${JSON.stringify(path)}, name: marathon }
router:
  http: ["127.0.0.1:0"]
  groups: [external]
  allowFaults: true
  via: edge-7
  traefik: {}
health: { checks: false }
admin: { listen: "127.0.0.1:0" }
workers: ${workers}
`);
    t.teardown(() => daemon.stop());
    const [ip, port] = daemon.address('router.http').split(':');
    const ask = (
      host: string,
      headers: Readonly<Record<string, string>> = {},
      body = '',
    ): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }> =>
      new Promise((resolve, reject) => {
        const method = body === '' ? 'GET' : 'PUT';
        const call = request({ host: ip, port, method, agent: false, headers: { host, ...headers } }, (answer) => {
          let text = '';
          answer.on('data', (part: Buffer) => (text += part.toString()));
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
          answer.on('error', reject);
        });
        call.on('error', reject).end(body);
      });
    await eventually(
      'a route with a backend',
      30_000,
      () => ask('shop.example'),
      ({ status }) => status === 200,
    );
    t.match(await ask('shop.example'), { status: 200, body: 'shop' });
    t.match(await ask('shop.example', { 'x-canary': '1' }), { status: 200, body: 'next' });
    t.match(shop.seen.at(-1)?.headers, { via: '1.1 edge-7' });
    t.match(await ask('shop.example', { via: '1.1 edge-7,'.repeat(11) }), { status: 508 });
    t.match(await ask('shop.example', { 'x-fault': '1' }), { status: 418, headers: { 'x-isthmus-fault': 'abort' } });
    await ask('shop.example', {}, 'a body');
    await eventually(
      'a copy',
      30_000,
      () => Promise.resolve(shadow.seen.find(({ body }) => body === 'a body')),
      (copy) => copy?.headers['x-isthmus-mirror'] === '1',
    );
    t.notOk(next.seen.some(({ headers }) => headers['x-isthmus-mirror'] !== undefined));

    const before = next.seen.length;
    next.statuses.push(503, 503);
    t.match(await ask('again.example'), { status: 200, body: 'next' });
    t.equal(next.seen.length, before + 3);

    const metrics = await eventually(
      'counts',
      30_000,
      () => daemon.get('/metrics'),
      (text) => /isthmus_router_mirrored_total\{[^}]*answered[^}]*\} [1-9]/.test(text),
    );
    t.match(metrics, /isthmus_router_faults_total\{[^}]*abort[^}]*\} 1/);
    t.match(metrics, /isthmus_router_requests_total\{[^}]*shop\.example\/ -> \/shop-next:0[^}]*\} 1/);
    const why = await daemon.get(`/v1/explain?url=${encodeURIComponent('http://shop.example/')}&header=x-canary:1`);
    t.match(why, /canary \/shop-next:0: requests with x-canary: 1; this request goes there/);
    t.match(why, /mirror: 100 %/);
    t.match(why, /faults on purpose: of requests with x-fault: 1 100 % are answered with 418/);
    t.equal(await daemon.stop(), 0);
  });
}
