// One daemon for many cases of equal configuration: its cluster files are written anew for each, and a marker app tells when they are read.

import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../../certs/x509/index.ts';
import { startDaemon, type RunningDaemon } from '../feature/daemon.ts';
import type { RouteRecord } from '../../proxies/router/index.ts';
import { clusterFiles, type ClusterFiles } from './l7-cluster.ts';
import type { Row } from './l7-outcome.ts';

/** A group that no case has, so that the marker is published whatever the groups are. */
const markerGroup = 'conformance-marker';
const markerPort = 64_998;

/** A folder with a certificate for all of these names, so that none of them is asked for on a connection made for another. */
export function certificateFolder(names: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-l7-certificate-'));
  const dayMs = 86_400_000;
  const made = makeCertificate({
    commonName: 'conformance',
    names,
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + dayMs),
  });
  writeFileSync(join(folder, 'all.pem'), made.certificate + made.key);
  return folder;
}
const patienceMs = 8000;

export class CaseDaemon {
  #daemon: RunningDaemon | null = null;
  #key = '';
  #folder = '';
  #count = 0;

  /** The daemon of these sections with this cluster read; another one, where the last had other sections or other sources. */
  async load(apps: readonly Row[], dns: Row, sections: (groups: readonly string[]) => Row): Promise<RunningDaemon> {
    const id = `conformance-marker-${++this.#count}`;
    const cluster = clusterFiles([...apps, markerApp(id)], dns, id);
    const config = sections([markerGroup]);
    const key = JSON.stringify(config);
    const running = this.#daemon;
    if (running !== null && this.#key === key) {
      this.#write(cluster);
      if (await isRead(running, id)) return running;
    }
    await this.close();
    this.#folder = mkdtempSync(join(tmpdir(), 'isthmus-l7-'));
    this.#write(cluster);
    const daemon = await startOnFiles(this.#folder, config);
    this.#daemon = daemon;
    this.#key = key;
    if (!(await isRead(daemon, id))) throw new Error('the daemon did not read the cluster of the case');
    return daemon;
  }

  async close(): Promise<void> {
    await this.#daemon?.stop('SIGKILL');
    this.#daemon = null;
  }

  /** By renaming, so that no half of a file is read. */
  #write(cluster: ClusterFiles): void {
    for (const [name, content] of [
      ['apps.json', cluster.apps],
      ['state.json', cluster.state],
    ] as const) {
      const path = join(this.#folder, name);
      writeFileSync(`${path}.new`, JSON.stringify(content));
      renameSync(`${path}.new`, path);
    }
  }
}

const markerApp = (id: string): Row => ({
  id: `/${id}`,
  instances: 0,
  labels: { HAPROXY_GROUP: markerGroup, HAPROXY_0_MODE: 'tcp', HAPROXY_0_ENABLED: 'true' },
  portDefinitions: [{ port: markerPort, protocol: 'tcp' }],
  tasks: [],
});

/** Both files: the app comes with Marathon's, the task with Mesos's. */
async function isRead(daemon: RunningDaemon, id: string): Promise<boolean> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const table = await daemon.json<readonly RouteRecord[]>('/v1/routes');
    const isThere = table.some((record) => record.kind === 'port' && record.appId === `/${id}`);
    const tasks = await daemon.json<readonly Row[]>('/v1/tasks');
    if (isThere && tasks.some((task) => task['taskId'] === id)) return arePortsOpen(daemon, deadline);
    if (Date.now() > deadline) return false;
    await pause();
  }
}

/** Ports follow the table a moment later; one that cannot be opened is for the case to find. */
async function arePortsOpen(daemon: RunningDaemon, deadline: number): Promise<boolean> {
  const table = await daemon.json<readonly RouteRecord[]>('/v1/routes');
  const isEmpty = (id: string): boolean => {
    const set = table.find((record) => record.kind === 'set' && record.id === id);
    return set?.kind !== 'set' || set.backends.every(({ state }) => state === 'down');
  };
  const wanted = table.flatMap((record) =>
    record.kind === 'port' && !(record.closesEmpty === true && isEmpty(record.set)) ? [record.id] : [],
  );
  const patience = Math.min(deadline, Date.now() + 1500);
  for (;;) {
    const listeners = await daemon.json<Row>('/v1/listeners');
    const open = Object.keys((listeners['router.service'] ?? {}) as object);
    if (open.sort().join() === wanted.sort().join() || Date.now() > patience) return true;
    await pause();
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 15));

function startOnFiles(folder: string, sections: Row): Promise<RunningDaemon> {
  const config = {
    cluster: [
      { file: { path: join(folder, 'apps.json'), name: 'marathon' } },
      { file: { path: join(folder, 'state.json') } },
    ],
    admin: { listen: '127.0.0.1:0' },
    health: { checks: false, eject: false, panic: '0%' },
    workers: 0,
    ...sections,
  };
  return startDaemon(JSON.stringify(config));
}
