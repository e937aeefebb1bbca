// Labels of apps through a whole daemon: what they ask of requests is done, service ports and app ids are served, and Marathon-LB's
// endpoints say so.

import t from 'tap';
import { request } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { eventually, startCluster, webApp } from './cluster.ts';
import { startDaemon } from './daemon.ts';

t.setTimeout(90_000);

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

function ask(address: string, path: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const call = request({ host, port, path, agent: false, headers, timeout: 5_000 }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(parts).toString() }),
      );
    });
    call.on('timeout', () => call.destroy(new Error(`${address} did not answer`)));
    call.on('error', reject).end();
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

// openssl passwd -6 -salt abcdefgh geheim
const hash = '$6$abcdefgh$msgktWxVAbjjh3X7lA5LaM7dS/ZfABJL6T4qcRsnjcOTj0kptUvZcrvrXIoO5fgPA9xz6UnF2To2Y7jGc/IZY/';
const credentials = { authorization: `Basic ${Buffer.from('eva:geheim').toString('base64')}` };

for (const workers of [0, 2]) {
  t.test(`workers: ${workers}`, async (t) => {
    const test = await startCluster();
    t.teardown(() => test.close());
    const [port, plainPort] = [await freePort(), await freePort()];
    await test.marathon.deploy(
      webApp({
        labels: {
          HAPROXY_0_PORT: String(port),
          HAPROXY_0_AUTH: `inside:eva:${hash}`,
          HAPROXY_0_STICKY: 'true',
          HAPROXY_0_HTTP_BACKEND_PROXYPASS_PATH: '/app',
        },
      }),
    );
    await test.marathon.deploy(
      webApp({
        id: '/shop/plain',
        host: 'plain.example',
        vip: '/plain:80',
        labels: { HAPROXY_0_REDIRECT_TO_HTTPS: 'true', HAPROXY_0_PORT: String(plainPort) },
      }),
    );
    const daemon = await startDaemon(`
cluster:
  - mesos: { masters: [${test.masters.urls.map((url) => `"${url}"`).join(', ')}] }
  - marathon: { urls: ["${test.marathon.url}"], name: marathon }
router:
  http: ["127.0.0.1:0"]
  groups: [external]
  servicePorts: "127.0.0.1"
  appIdHeader: "127.0.0.1:0"
  haproxyEndpoints: "127.0.0.1:0"
  accessLog: { path: "{dir}/access.log", format: haproxy }
admin: { listen: "127.0.0.1:0", token: test-token }
workers: ${workers}
`);
    t.teardown(() => daemon.stop());
    const http = daemon.address('router.http');
    const host = { host: 'shop.example' };
    const open = await eventually(
      'route',
      10_000,
      () => ask(http, '/app/x', host),
      ({ status }) => status === 401,
    );
    t.equal(open.headers['www-authenticate'], 'Basic realm="inside"');
    const answer = await ask(http, '/app/x', { ...host, ...credentials });
    t.equal(answer.status, 200);
    const [cookie = ''] = answer.headers['set-cookie'] ?? [];
    t.match(cookie, /^mesosphere_server_id=[0-9a-f]{10}; Path=\/; HttpOnly; SameSite=Lax$/);

    const redirected = await ask(http, '/a?b', { host: 'plain.example' });
    t.match(redirected, { status: 301, headers: { location: 'https://plain.example/a?b' } });

    const service = `127.0.0.1:${port}`;
    const listeners = await daemon.until<Readonly<Record<string, unknown>>>('/v1/listeners', (found) => {
      return JSON.stringify(found).includes(service);
    });
    t.same(listeners['router.service'], { [port]: service, [plainPort]: `127.0.0.1:${plainPort}` });
    t.equal((await ask(service, '/', { host: 'whatever' })).status, 401, 'passwords hold there, too');
    t.equal((await ask(service, '/', credentials)).status, 200);

    const byApp = daemon.address('router.appIdHeader');
    t.equal((await ask(byApp, '/', { 'x-marathon-app-id': '/shop/web', ...credentials })).status, 200);
    t.equal((await ask(byApp, '/', { 'x-marathon-app-id': '/shop/none' })).status, 503);

    const endpoints = daemon.address('router.haproxyEndpoints');
    const csv = (await ask(endpoints, '/haproxy?stats;csv', {})).body;
    const [head = '', ...rows] = csv.trimEnd().split('\n');
    t.match(head, /^# pxname,svname,qcur,.*,$/);
    const servers = rows
      .map((row) => row.split(','))
      .filter(([px, sv]) => px === `shop_web_${port}` && !/END$/.test(sv ?? ''));
    t.equal(servers.length, 2);
    t.ok(servers.every((cells) => cells[head.slice(2).split(',').indexOf('status')] === 'UP'));
    t.match((await ask(endpoints, '/_haproxy_getvhostmap', {})).body, `shop.example shop_web_${port}\n`);
    t.match((await ask(endpoints, '/_haproxy_getappmap', {})).body, '/shop/web shop_web_');
    t.match((await ask(endpoints, '/_haproxy_getpids', {})).body, /^\d+\n$/);
    t.equal((await ask(endpoints, '/_haproxy_health_check', {})).status, 200);
    const model = (await ask(endpoints, '/_haproxy_getconfig', {})).body;
    t.match(model, 'shop.example');
    t.notMatch(model, 'msgktWxVAbjjh3X7');
    t.equal((await ask(endpoints, '/_mlb_signal/hup', {})).status, 401);
    t.equal((await ask(endpoints, '/_mlb_signal/hup', { authorization: 'Bearer test-token' })).status, 200);

    const served = new RegExp(
      `^127\\.0\\.0\\.1:\\d+ \\[[^\\]]+\\] \\w+ shop_web_${port}/\\S+ 0/0/\\d+/\\d+/\\d+ 200 `,
      'm',
    );
    // Each worker writes its own part of the log, at its own time: waited for are the lines themselves.
    const lines = await eventually(
      'the lines of a served and of a refused request',
      15_000,
      () => Promise.resolve(readFileSync(`${daemon.directory}/access.log`, 'utf8')),
      (text) => served.test(text) && / 401 /.test(text),
    );
    t.match(lines, / 401 /, 'beside the refused one');
    t.notMatch(lines, 'geheim');
    t.equal(await daemon.stop(), 0);
  });
}
