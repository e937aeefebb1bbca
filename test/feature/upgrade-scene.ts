// A daemon with every function under a steady load of new connections, upgraded again and again.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testAuthority } from '../certs/authority.ts';
import { processesOf, type DaemonProcess } from '../storm/processes.ts';
import { patient } from '../storm/patience.ts';
import { startCluster, vipRange, webApp, type TestCluster } from './cluster.ts';
import { startDaemon, type RunningDaemon } from './daemon.ts';
import type { Counts, Rates, ToUpgradeLoad, UpgradeTargets } from './upgrade-load.ts';

export interface UpgradeScene {
  readonly test: TestCluster;
  readonly daemon: RunningDaemon;
  readonly targets: UpgradeTargets;
  /** Load until the function that comes back is called: it resolves to what became of each piece. */
  load(rates: Rates): () => Promise<Counts>;
  /** Resolves when generation `number` has said that it is ready. */
  upgrade(number: number): Promise<void>;
  /** Resolves when nobody is left but the supervisor, one control process and the workers. */
  settled(): Promise<readonly DaemonProcess[]>;
  processes(): readonly DaemonProcess[];
  close(): Promise<void>;
}

const host = 'shop.example';
const vipName = 'shop-web.marathon.l4lb.thisdcos.directory:8080';
const patienceMs = patient(120_000);

export async function makeUpgradeScene(workers: number): Promise<UpgradeScene> {
  const authority = testAuthority();
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-upgrade-'));
  const { certificate, key } = authority.issue([host]);
  writeFileSync(join(folder, 'shop.pem'), `${certificate}${key}`);
  const test = await startCluster();
  await test.marathon.deploy(webApp());
  const daemon = await startDaemon(configFor(test, folder, workers), {
    args: ['--ready-timeout', '180s'],
    patienceMs,
  });
  const targets = await targetsOf(daemon, authority.certificate);
  const processes = (): readonly DaemonProcess[] => processesOf(daemon.child.pid ?? 0);
  return {
    ...{ test, daemon, targets },
    load: (rates) => beginLoad(targets, rates),
    async upgrade(number) {
      daemon.child.kill('SIGUSR2');
      await daemon.line(({ msg, generation }) => msg === 'ready' && generation === number);
    },
    async settled() {
      const deadline = Date.now() + patienceMs;
      while (processes().length !== workers + 2) {
        if (Date.now() > deadline) throw new Error(`still there: ${JSON.stringify(processes())}`);
        await new Promise((wake) => setTimeout(wake, 100));
      }
      return processes();
    },
    processes,
    async close() {
      await daemon.stop();
      await test.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configFor(test: TestCluster, folder: string, workers: number): string {
  const masters = test.masters.urls.map((url) => `"${url}"`).join(', ');
  return `
cluster:
  - mesos: { masters: [${masters}] }
  - marathon: { urls: ["${test.marathon.url}"], name: marathon }
dns: { listen: ["127.0.0.1:0"], http: "127.0.0.1:0", upstreams: ["127.0.0.1:9"] }
vips: { plane: user, range: "${vipRange(test)}", ipv6: false }
router: { http: ["127.0.0.1:0"], https: ["127.0.0.1:0"], groups: [external] }
certs: [{ directory: "${folder}" }]
socks: { listen: ["127.0.0.1:0"], rules: [{ allow: { to: [cluster] } }] }
httpProxy: { listen: ["127.0.0.1:0"], rules: [{ allow: { to: [cluster] } }] }
forwards: [{ listen: "127.0.0.1:0", to: ["vip:/shop-web:8080"], from: any }]
admin: { listen: "127.0.0.1:0", token: test-token }
workers: ${workers}
`;
}

async function targetsOf(daemon: RunningDaemon, ca: string): Promise<UpgradeTargets> {
  const vips = await daemon.until<{ name: string; ips: string[]; port: number }[]>('/v1/vips', (rows) =>
    rows.some(({ name }) => name === 'shop-web.marathon'),
  );
  const vip = vips.find(({ name }) => name === 'shop-web.marathon');
  return {
    http: daemon.port('router.http'),
    https: daemon.port('router.https'),
    dns: daemon.port('dns'),
    socks: daemon.port('socks'),
    httpProxy: daemon.port('httpProxy'),
    forward: daemon.port('forwards'),
    vip: `${vip?.ips[0] ?? ''}:${vip?.port ?? 0}`,
    taskName: 'web.shop.marathon.mesos',
    liar: '',
    ...{ vipName, host, ca },
  };
}

function beginLoad(targets: UpgradeTargets, rates: Rates): () => Promise<Counts> {
  const program = fileURLToPath(new URL('./upgrade-load.ts', import.meta.url));
  const child = fork(program, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const told = once(child, 'message') as Promise<[Counts]>;
  const tell = (message: ToUpgradeLoad): void => void child.send(message);
  tell({ type: 'begin', targets, rates });
  return async () => {
    tell({ type: 'end' });
    const [counts] = await told;
    return counts;
  };
}
