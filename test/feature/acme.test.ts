// Certificates from an authority, seen from outside: issued by http-01, tls-alpn-01 and dns-01, renewed while requests go on, and served on
// while the authority is gone.

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync, globSync, renameSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { needs } from '../needs.ts';
import { ask, askForever, eventually, type HttpAnswer, type Loop } from './cluster.ts';
import { startDaemon, type RunningDaemon } from './daemon.ts';
import { startAuthorityFront, type AuthorityFront } from './pebble.ts';

t.setTimeout(230_000);

const bindings = { 'kid-1': 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W' };

interface Listed {
  readonly name: string;
  readonly origin: string;
  readonly issuer: string;
  readonly keyType: string;
  readonly fingerprint: string;
  readonly renewAt?: string;
}

interface Place {
  readonly folder: string;
  readonly front: AuthorityFront;
  readonly backend: Server;
  start(): Promise<RunningDaemon>;
  /** These hosts are routed, each redirected to https. */
  route(...hosts: readonly string[]): void;
}

async function place(workers: number): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-acme-'));
  const front = await startAuthorityFront();
  const backend = createServer((_request, response) => response.end('shop'));
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  const hook = join(folder, 'hook.sh');
  // The hook speaks to pebble's DNS, which its own curl reaches without TLS.
  writeFileSync(hook, hookText(front.dns), { mode: 0o755 });
  const { port } = backend.address() as AddressInfo;
  const common = `directory: "${front.url}", email: ops@shop.example, tls: { ca: "${front.caFile}" }, eab: { kid: kid-1, key: "${bindings['kid-1']}" }`;
  const start = (): Promise<RunningDaemon> =>
    startDaemon(
      `
cluster: [{ file: { path: "${folder}/apps.json" } }]
router: { http: ["127.0.0.1:0"], https: ["127.0.0.1:0"], groups: [external] }
health: { checks: false }
certs:
  - acme: { ${common}, domains: [a.example, late.example], challenge: http-01 }
  - acme: { ${common}, domains: [b.example], challenge: tls-alpn-01, keyType: rsa }
  - acme: { ${common}, domains: ["*.wild.example"], challenge: dns-01, hook: "${hook}" }
admin: { listen: "127.0.0.1:0" }
store: { dir: "${folder}/store" }
workers: ${workers}
`,
      { patienceMs: 60_000 },
    );
  const route = (...hosts: readonly string[]): void => {
    writeFileSync(join(folder, 'apps.tmp'), JSON.stringify({ apps: hosts.map((host) => appOf(host, port)) }));
    renameSync(join(folder, 'apps.tmp'), join(folder, 'apps.json'));
  };
  return { folder, front, backend, start, route };
}

const hookText = (dns: string): string => `#!/bin/sh
set -e
case "$1" in
  add) exec curl -sSf -d "{\\"host\\":\\"$2.\\",\\"value\\":\\"$3\\"}" ${dns}/set-txt ;;
  remove) exec curl -sSf -d "{\\"host\\":\\"$2.\\"}" ${dns}/clear-txt ;;
esac
exit 2
`;

function appOf(host: string, port: number): object {
  const id = `/${host.replaceAll('.', '-')}`;
  const task = {
    id: `${id.slice(1)}.instance-1`,
    appId: id,
    host: '127.0.0.1',
    ports: [port],
    state: 'TASK_RUNNING',
    startedAt: '2026-11-21T00:00:00.000Z',
    slaveId: 'agent-1',
    ipAddresses: [{ ipAddress: '127.0.0.1', protocol: 'IPv4' }],
  };
  return {
    id,
    instances: 1,
    labels: { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: host, HAPROXY_0_REDIRECT_TO_HTTPS: 'true' },
    networks: [{ mode: 'host' }],
    portDefinitions: [{ port: 10_000, protocol: 'tcp', name: 'http' }],
    tasks: [task],
  };
}

/** One request on a connection of its own, whose certificate must be good for `host`. */
function askTls(port: number, host: string, ca: string, seen: Set<string>): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, servername: host, headers: { host }, ca, agent: false, timeout: 20_000 };
    const call = request(options, (answer) => {
      answer.on('data', () => undefined);
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: '' }));
    });
    call.on('socket', (socket) => {
      socket.once('secureConnect', () => {
        const shown = (
          socket as unknown as { getPeerX509Certificate(): { fingerprint256: string } }
        ).getPeerX509Certificate();
        seen.add(shown.fingerprint256);
      });
    });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', reject);
    call.end();
  });
}

/** Waits for them, and says on failure why there are none. */
async function certificates(
  daemon: RunningDaemon,
  isEnough: (listed: readonly Listed[]) => boolean,
): Promise<readonly Listed[]> {
  const look = async (): Promise<{ readonly listed: readonly Listed[]; readonly degraded: readonly string[] }> => {
    await pause();
    const { degraded } = await daemon.json<{ readonly degraded: readonly string[] }>('/v1/status');
    return { listed: await daemon.json<readonly Listed[]>('/v1/certs'), degraded };
  };
  return (await eventually('certificates', 90_000, look, ({ listed }) => isEnough(listed))).listed;
}

/** Handshakes without a breath would take the processor from those who are waited for. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

const fingerprintOf = (listed: readonly Listed[], name: string): string =>
  listed.find((one) => one.name === name)?.fingerprint ?? '';

const names = ['a.example', 'b.example', '*.wild.example'];

for (const workers of [0, 2]) {
  t.test(`issued, renewed and served on, workers: ${workers}`, { skip: needs('pebble', 'curl') }, async (t) => {
    const { folder, front, backend, start, route } = await place(workers);
    t.teardown(async () => {
      await front.close();
      backend.close();
      rmSync(folder, { recursive: true, force: true });
    });
    route('a.example', 'b.example', 'x.wild.example', 'not-allowed.example');
    let daemon = await start();
    t.teardown(() => daemon.stop());
    await eventually(
      'an authority that is not there is said',
      60_000,
      () => daemon.json<{ readonly degraded: readonly string[] }>('/v1/status'),
      ({ degraded }) => degraded.some((line) => /^certs: acme 127\.0\.0\.1:\d+: .*cannot be reached/.test(line)),
    );
    const ports = { httpPort: daemon.port('router.http'), tlsPort: daemon.port('router.https') };
    await front.begin({ ...ports, refusedNonces: workers === 0 ? 50 : 5, bindings });

    const issued = await certificates(daemon, (listed) => names.every((name) => fingerprintOf(listed, name) !== ''));
    t.same(
      issued.map(({ name }) => name).sort(),
      [...names].sort(),
      'for those hosts and no others, the star by dns-01',
    );
    t.match(
      issued.find(({ name }) => name === 'b.example'),
      { keyType: 'rsa', issuer: /Pebble/ },
    );
    t.match(
      issued.find(({ name }) => name === 'a.example'),
      { keyType: 'ec', renewAt: /^20/ },
    );
    const redirected = await ask(`127.0.0.1:${ports.httpPort}`, 'a.example', '/.well-known/acme-challenge/unknown');
    t.equal(redirected.status, 301, 'what nobody waits for is redirected as ever');
    for (const file of globSync(`${folder}/store/certs/acme/**/*.json`))
      t.equal(statSync(file).mode & 0o777, 0o600, `${file.split('/').at(-1) ?? ''} is its owner's alone`);

    const root = await front.root();
    const seen = new Set<string>();
    let port = daemon.port('router.https');
    const loops = ['a.example', 'b.example', 'x.wild.example'].map((host): Loop => {
      return askForever(() => pause().then(() => askTls(port, host, root, seen)));
    });
    front.askRenewal();
    const renewed = await certificates(daemon, (listed) =>
      names.every((name) => fingerprintOf(listed, name) !== fingerprintOf(issued, name)),
    );
    const fresh = names.map((name) => fingerprintOf(renewed, name));
    await eventually(
      'the new ones are served',
      30_000,
      async () => [...seen],
      (served) => fresh.every((one) => served.includes(one)),
    );
    t.equal(new Set(front.replaced).size, names.length, 'each order says which certificate it replaces');

    front.setDown(true);
    route('a.example', 'b.example', 'x.wild.example', 'late.example');
    await eventually(
      'the authority is said to be gone, and asked again',
      60_000,
      () => pause().then(() => daemon.get('/metrics')),
      (text) =>
        metric(text, 'isthmus_certs_acme_up') === 0 && metric(text, 'isthmus_certs_acme_unreachable_total') >= 4,
    );
    await eventually(
      'the name that must wait is said',
      60_000,
      () => pause().then(() => daemon.json<{ readonly degraded: readonly string[] }>('/v1/status')),
      ({ degraded }) => degraded.some((line) => /cannot be reached.*late\.example must wait/.test(line)),
    );
    t.same(await Promise.all(loops.map((loop) => loop.stop())), [[], [], []], 'no request failed');
    t.ok(loops.every((loop) => loop.count() > 2));

    await daemon.stop();
    daemon = await start();
    port = daemon.port('router.https');
    const again = new Set<string>();
    t.equal(
      (await askTls(port, 'a.example', root, again)).status,
      200,
      'served from the store, with no authority there',
    );
    t.same([...again], [fresh[0]]);

    t.notMatch(JSON.stringify(daemon.log), new RegExp(`PRIVATE KEY|${bindings['kid-1']}`), 'no key is in the log');
    const account = globSync(`${folder}/store/certs/acme/*/account.json`);
    t.equal(account.length, 1, 'one account for all');
    t.match(JSON.parse(readFileSync(account[0] ?? '', 'utf8')), { url: /^https:/ });
  });
}

/** Sum over all labels. */
function metric(text: string, name: string): number {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
