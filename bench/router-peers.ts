// The servers that bench/router compares: each in front of the same three backends, on the server's core, with a plain configuration
// that does what the router does by default: keep-alive both ways, X-Forwarded-For, no log.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testAuthority } from '../test/certs/authority.ts';
import { startDaemon } from '../test/feature/daemon.ts';
import { clusterState } from './cluster-state.ts';
import { pinToServerCore, startPeer } from './processes.ts';

export interface Target {
  readonly server: string;
  readonly pid: number;
  /** Absent: 127.0.0.1. */
  readonly ip?: string;
  readonly port: number;
  stop(): Promise<unknown>;
}

const smallBytes = 66;
const largeBytes = 1024 * 1024;
export const host = 'bench.example';
export const backendPorts = [8491, 8492, 8493];
/** Further addresses of the first, for routes in number: as in a cluster, few of them share a backend. */
const aliases = Array.from({ length: 50 }, (_, i) => `127.0.0.${i + 2}:${8491}`);

/** nginx with three listeners: `/` is small, `/large` is 1 MiB. */
export async function startBackends(directory: string): Promise<{ stop(): Promise<void> }> {
  // nginx becomes another user, who must read the file.
  chmodSync(directory, 0o755);
  writeFileSync(join(directory, 'large'), Buffer.alloc(largeBytes, 'x'));
  const servers = backendPorts.map(
    (port) =>
      `server { ${[`127.0.0.1:${port}`, ...(port === 8491 ? aliases : [])].map((one) => `listen ${one};`).join(' ')} root ${directory}; location = / { return 200 "${'x'.repeat(smallBytes)}"; } }`,
  );
  const path = join(directory, 'backends.conf');
  writeFileSync(path, nginxConfig(directory, 'backends', `keepalive_requests 100000000;\n${servers.join('\n')}`));
  const peer = startPeer('nginx', ['-p', directory, '-c', path, '-g', 'daemon off;'], 'load');
  await Promise.all(backendPorts.map(listening));
  return peer;
}

export interface DaemonOptions {
  readonly name?: string;
  /** Routes besides the one that is asked for: `host-N.example`. */
  readonly routes?: number;
  readonly accessLog?: boolean;
  /** Instead of the three back ends. */
  readonly only?: { readonly host: string; readonly to: readonly string[] };
  readonly more?: readonly { readonly host: string; readonly to: readonly string[] }[];
  readonly limits?: Readonly<Record<string, number>>;
  /** A folder of certificates: the listener speaks TLS. */
  readonly certificates?: string;
}

export async function startIsthmus(directory: string, options: DaemonOptions = {}): Promise<Target> {
  const state = join(directory, 'state.json');
  writeFileSync(state, JSON.stringify(clusterState({ apps: 1, instances: 1 })));
  const to = backendPorts.map((port) => `http://127.0.0.1:${port}`);
  const others = Array.from({ length: options.routes ?? 0 }, (_, i) => ({
    host: `host-${i}.example`,
    to: [`http://${aliases[i % aliases.length] ?? ''}`],
  }));
  const { certificates } = options;
  const listener = ['127.0.0.1:0'];
  const daemon = await startDaemon(
    JSON.stringify({
      cluster: [{ file: { path: state } }],
      router: {
        http: certificates === undefined ? listener : [],
        https: certificates === undefined ? [] : listener,
        routes: [options.only ?? { host, to }, ...others, ...(options.more ?? [])],
        limits: { requestsPerConnection: 0, ...options.limits },
        ...(options.accessLog === true ? { accessLog: { path: join(directory, 'access.log') } } : {}),
      },
      ...(certificates === undefined
        ? {}
        : { certs: [{ directory: certificates }], store: { dir: join(directory, 'store') } }),
      admin: { listen: '127.0.0.1:0' },
      workers: 0,
    }),
    { patienceMs: 60_000 },
  );
  pinToServerCore(daemon.ready.pid);
  return {
    server: options.name ?? 'isthmus',
    pid: daemon.ready.pid,
    port: daemon.port(certificates === undefined ? 'router.http' : 'router.https'),
    stop: () => daemon.stop(),
  };
}

/** A folder with a certificate for the host, which nginx can read. */
export function writeCertificate(directory: string): string {
  const { certificate, key } = testAuthority().issue([host]);
  const folder = join(directory, 'certs');
  mkdirSync(folder);
  writeFileSync(join(folder, 'site.pem'), `${certificate}${key}`);
  chmodSync(folder, 0o755);
  return folder;
}

const peerPorts = { haproxy: 8498, nginx: 8495, caddy: 8496, 'http-proxy': 8497 } as const;
export type PeerName = keyof typeof peerPorts;

/** Which package a peer comes from; `http-proxy` is a dependency of development. */
export const packages: Readonly<Record<string, string>> = {
  haproxy: 'haproxy',
  nginx: 'nginx-light',
  caddy: 'caddy',
  wrk: 'wrk',
  taskset: 'util-linux',
};

export async function startServer(name: PeerName, directory: string): Promise<Target> {
  const port = peerPorts[name];
  const peer = startPeer(...commandOf(name, directory));
  await listening(port);
  return { server: name, port, pid: peer.pid, stop: () => peer.stop() };
}

function commandOf(name: PeerName, directory: string): readonly [string, readonly string[]] {
  if (name === 'http-proxy') {
    const program = fileURLToPath(new URL('router-http-proxy.ts', import.meta.url));
    return [process.execPath, [program, String(peerPorts[name]), ...backendPorts.map(String)]];
  }
  const path = join(directory, `${name}.conf`);
  writeFileSync(path, configs[name](directory));
  if (name === 'haproxy') return ['haproxy', ['-db', '-f', path]];
  if (name === 'nginx') return ['nginx', ['-p', directory, '-c', path, '-g', 'daemon off;']];
  return ['caddy', ['run', '--adapter', 'caddyfile', '--config', path]];
}

const configs: Readonly<Record<Exclude<PeerName, 'http-proxy'>, (directory: string) => string>> = {
  haproxy: () => haproxyConfig(`127.0.0.1:${peerPorts.haproxy}`),
  nginx: (directory) => nginxConfig(directory, 'nginx', nginxProxy(`listen 127.0.0.1:${peerPorts.nginx};`)),
  caddy: () => `{
  admin off
  auto_https off
}
http://${host}:${peerPorts.caddy} {
  bind 127.0.0.1
  reverse_proxy ${backendPorts.map((port) => `127.0.0.1:${port}`).join(' ')} {
    lb_policy round_robin
  }
}
`,
};

/** `bind`: address and what else stands in its line. */
export const haproxyConfig = (bind: string): string => `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 3s
  timeout client 15s
  timeout server 30s
  option http-keep-alive
  option forwardfor
frontend in
  bind ${bind}
  use_backend app if { hdr(host) -i ${host} }
backend app
  balance roundrobin
${backendPorts.map((port, i) => `  server s${i} 127.0.0.1:${port}`).join('\n')}
`;

/** `listen`: the lines that say where and how. */
export const nginxProxy = (listen: string): string => `keepalive_requests 100000000;
upstream app { ${backendPorts.map((port) => `server 127.0.0.1:${port};`).join(' ')} keepalive 64; keepalive_requests 100000000; }
server {
  ${listen}
  server_name ${host};
  location / {
    proxy_pass http://app;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $remote_addr;
  }
}`;

export function nginxConfig(directory: string, name: string, http: string): string {
  return `worker_processes 1;
pid ${directory}/${name}.pid;
error_log ${directory}/${name}.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${directory}/${name}-body;
  proxy_temp_path ${directory}/${name}-proxy;
  fastcgi_temp_path ${directory}/${name}-fastcgi;
  uwsgi_temp_path ${directory}/${name}-uwsgi;
  scgi_temp_path ${directory}/${name}-scgi;
  ${http}
}
`;
}

/** First line that says which version ran. */
export function versionOf(program: string): string {
  const flag = program === 'caddy' ? 'version' : '-v';
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' });
  return `${stdout}${stderr}`.trim().split('\n')[0] ?? '';
}

/** Resolves once somebody accepts on `port`. */
export async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false)).on('close', () => undefined);
      socket.once('connect', () => socket.destroy());
    });
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nobody listens on ${port}`);
}
