// What bench/proxies compares: the HTTP proxy and a forward of a real daemon, squid, tinyproxy, and HAProxy in TCP mode.

import { chmodSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
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
  const rules = [{ allow: { to: ['127.0.0.0/8'], ports: [...backendPorts, idlePort] }, unsafe: true }];
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
const dantePort = 8483;
const microsocksPort = 8484;
const relayPort = 8485;
/** Where idle tunnels lead. */
export const idlePort = 8486;

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

/** No log, no passwords; as many processes as it wants. */
export async function startDante(directory: string): Promise<Target> {
  const path = join(directory, 'danted.conf');
  writeFileSync(
    path,
    `logoutput: /dev/null
internal: 127.0.0.1 port = ${dantePort}
external: lo
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks pass { from: 127.0.0.0/8 to: 127.0.0.0/8 }
`,
  );
  const peer = startPeer('danted', ['-f', path]);
  await listening(dantePort);
  return { server: 'dante', port: dantePort, pid: peer.pid, stop: () => peer.stop() };
}

/** A thread for each connection. */
export async function startMicrosocks(): Promise<Target> {
  const peer = startPeer('microsocks', ['-i', '127.0.0.1', '-p', String(microsocksPort)]);
  await listening(microsocksPort);
  return { server: 'microsocks', port: microsocksPort, pid: peer.pid, stop: () => peer.stop() };
}

/** What Node costs by itself. */
export async function startBareRelay(): Promise<Target> {
  const program = fileURLToPath(new URL('proxies-relay.ts', import.meta.url));
  const args = [program, String(relayPort), String(backendPorts[0])];
  const peer = startPeer(process.execPath, args);
  await listening(relayPort);
  return { server: 'bare net relay', port: relayPort, pid: peer.pid, stop: () => peer.stop() };
}
