// What bench/proxies compares: the HTTP proxy and a forward of a real daemon, squid, tinyproxy, and HAProxy in TCP mode.

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon } from '../test/feature/daemon.ts';
import { clusterState } from './cluster-state.ts';
import { pinToServerCore, startPeer } from './processes.ts';
import { backendPorts, listening, type Target } from './router-peers.ts';

export interface ProxyTargets {
  /** The daemon by its HTTP proxy, by its SOCKS proxy and by a forward: one process. */
  readonly http: Target;
  readonly socks: Target;
  readonly forward: Target;
}

export async function startProxies(directory: string): Promise<ProxyTargets> {
  const path = join(directory, 'proxies-state.json');
  writeFileSync(path, JSON.stringify(clusterState({ apps: 1, instances: 1 })));
  const rules = [{ allow: { to: ['127.0.0.0/8'], ports: backendPorts }, unsafe: true }];
  const daemon = await startDaemon(
    JSON.stringify({
      cluster: [{ file: { path } }],
      httpProxy: { listen: ['127.0.0.1:0'], rules },
      socks: { listen: ['127.0.0.1:0'], rules },
      forwards: [{ listen: '127.0.0.1:0', to: backendPorts.map((port) => `127.0.0.1:${port}`), from: 'any' }],
      admin: { listen: '127.0.0.1:0' },
      log: { level: 'warn' },
      workers: 0,
    }),
  );
  pinToServerCore(daemon.ready.pid);
  const target = (key: string): Target => ({
    server: 'isthmus',
    pid: daemon.ready.pid,
    port: daemon.port(key),
    stop: () => daemon.stop(),
  });
  return { http: target('httpProxy'), socks: target('socks'), forward: target('forwards') };
}

const squidPort = 8481;
const tinyproxyPort = 8482;

/** No cache, no log, one process; persistent connections both ways, as by default. */
export async function startSquid(directory: string): Promise<Target> {
  const path = join(directory, 'squid.conf');
  writeFileSync(
    path,
    `http_port 127.0.0.1:${squidPort}
http_access allow all
cache deny all
access_log none
cache_log /dev/null
cache_store_log none
pid_filename none
coredump_dir ${directory}
shutdown_lifetime 0 seconds
max_filedescriptors 8192
`,
  );
  chmodSync(directory, 0o755);
  const peer = startPeer('squid', ['-N', '-f', path]);
  await listening(squidPort);
  return { server: 'squid', port: squidPort, pid: peer.pid, stop: () => peer.stop() };
}

export async function startTinyproxy(directory: string): Promise<Target> {
  const path = join(directory, 'tinyproxy.conf');
  writeFileSync(
    path,
    `Listen 127.0.0.1
Port ${tinyproxyPort}
Timeout 600
Allow 127.0.0.1
MaxClients 512
LogLevel Critical
`,
  );
  const peer = startPeer('tinyproxy', ['-d', '-c', path]);
  await listening(tinyproxyPort);
  return { server: 'tinyproxy', port: tinyproxyPort, pid: peer.pid, stop: () => peer.stop() };
}
