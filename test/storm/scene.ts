// Where a storm takes place: a small cluster on real servers, a back end that lies, certificates that change, and a daemon with every function.

import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testAuthority } from '../certs/authority.ts';
import { startCluster, vipRange, webApp, type TestCluster } from '../feature/cluster.ts';
import { startDaemon, type RunningDaemon } from '../feature/daemon.ts';
import type { Targets } from './targets.ts';

const host = 'shop.example';
const liarHost = 'liar.example';
const vipName = 'shop-web.marathon.l4lb.thisdcos.directory:8080';

export interface Scene {
  readonly test: TestCluster;
  readonly daemon: RunningDaemon;
  readonly targets: Targets;
  /** Rolls out a version of the app with so many instances; resolves when the deployment ended, whatever became of it. */
  deploy(instances: number): Promise<void>;
  rotateCertificate(): void;
  /** Another configuration, and the signal. */
  reload(): void;
  changeLie(): string;
  close(): Promise<void>;
}

export async function makeScene(workers: number): Promise<Scene> {
  const ca = testAuthority();
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-storm-'));
  mkdirSync(join(folder, 'certs'));
  const rotateCertificate = (): void => {
    const { certificate, key } = ca.issue([host]);
    const file = join(folder, 'certs', 'shop.pem');
    writeFileSync(`${file}.new`, `${certificate}${key}`);
    renameSync(`${file}.new`, file);
  };
  rotateCertificate();
  const liar = await startLiar();
  const test = await startCluster();
  let version = 0;
  const app = (instances: number): never =>
    webApp({ instances, labels: { HAPROXY_0_STICKY: 'false', VERSION: String(version++) } });
  await test.marathon.deploy(app(3));
  const masters = test.masters.urls.map((url) => `"${url}"`).join(', ');
  const daemon = await startDaemon(
    `
cluster:
  - mesos: { masters: [${masters}] }
  - marathon: { urls: ["${test.marathon.url}"], name: marathon }
dns: { listen: ["127.0.0.1:0"], http: "127.0.0.1:0", upstreams: ["127.0.0.1:9"] }
vips: { plane: user, range: "${vipRange(test)}", ipv6: false }
router:
  http: ["127.0.0.1:0"]
  https: ["127.0.0.1:0"]
  groups: [external]
  noRoute: 503
  routes: [{ host: "${liarHost}", to: ["http://127.0.0.1:${liar.port}"] }]
certs: [{ directory: "${folder}/certs" }]
socks: { listen: ["127.0.0.1:0"], rules: [{ allow: { to: [cluster] } }] }
httpProxy: { listen: ["127.0.0.1:0"], rules: [{ allow: { to: [cluster] } }] }
store: { dir: "${folder}/store" }
admin: { listen: "127.0.0.1:0", token: test-token }
workers: ${workers}
`,
    { args: ['--ready-timeout', '180s'], patienceMs: 180_000 },
  );
  const vip = (await daemon.json<{ name: string; ips: string[]; port: number }[]>('/v1/vips')).find(
    ({ name }) => name === 'shop-web.marathon',
  );
  const targets: Targets = {
    http: daemon.port('router.http'),
    https: daemon.port('router.https'),
    dns: daemon.port('dns'),
    socks: daemon.port('socks'),
    httpProxy: daemon.port('httpProxy'),
    vip: `${vip?.ips[0] ?? ''}:${vip?.port ?? 0}`,
    taskName: 'web.shop.marathon.mesos',
    ...{ vipName, host, liar: liarHost, ca: ca.certificate },
  };
  const config = join(daemon.directory, 'isthmus.yaml');
  return {
    ...{ test, daemon, targets, rotateCertificate },
    deploy: (instances) => test.marathon.deploy(app(instances), { force: true }).then(nothing, nothing),
    reload() {
      const text = readFileSync(config, 'utf8');
      const next = text.includes('noRoute: 503') ? ['noRoute: 503', 'noRoute: 404'] : ['noRoute: 404', 'noRoute: 503'];
      writeFileSync(config, text.replace(next[0] ?? '', next[1] ?? ''));
      daemon.child.kill('SIGHUP');
    },
    changeLie: liar.change,
    async close() {
      await daemon.stop();
      await test.close();
      liar.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const nothing = (): void => undefined;

const lies: Readonly<Record<string, (socket: Socket) => void>> = {
  garbage: (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
  'a body cut short': (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort'),
  'two lengths': (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'),
  'a reset': (socket) => socket.resetAndDestroy(),
  'a drop at a time': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n');
    let left = 10;
    const timer = setInterval(() => (left-- > 0 ? socket.write('.') : socket.end()), 100);
    socket.on('close', () => clearInterval(timer));
  },
};

async function startLiar(): Promise<{ readonly port: number; change(): string; close(): void }> {
  const names = Object.keys(lies);
  let turn = 0;
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', nothing);
    socket.on('close', () => open.delete(socket));
    socket.once('data', () => lies[names[turn % names.length] ?? '']?.(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    change: () => names[++turn % names.length] ?? '',
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
