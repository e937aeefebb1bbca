// HTTP/2 over TLS beside HAProxy and nginx: small answers, large ones, many streams. Load by h2load, each server on the same core in turn.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testAuthority } from '../test/certs/authority.ts';
import { startDaemon } from '../test/feature/daemon.ts';
import { clusterState } from './cluster-state.ts';
import { needPackages, pinToServerCore, processorMicroseconds, runLoad, startPeer } from './processes.ts';
import { report, type Sample } from './results.ts';
import { backendPorts, host, startBackends, type Target } from './router-peers.ts';

const packages = { haproxy: 'haproxy', nginx: 'nginx-light', h2load: 'nghttp2-client', taskset: 'util-linux' };
const ports = { haproxy: 8478, nginx: 8475 } as const;

interface Load {
  readonly path: string;
  readonly connections: number;
  readonly streams: number;
  readonly warmUnits: number;
}

const loads: Readonly<Record<string, Load>> = {
  small: { path: '/', connections: 16, streams: 8, warmUnits: 60_000 },
  streams: { path: '/', connections: 4, streams: 64, warmUnits: 60_000 },
  large: { path: '/large', connections: 4, streams: 4, warmUnits: 1_000 },
};

const usage = `usage: npm run bench -- http2 [${Object.keys(loads).join('|')}]… [--seconds N] [--rounds N]\n`;

export async function run(args: readonly string[]): Promise<number> {
  const plan = { seconds: 5, rounds: 3 };
  const chosen: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    const value = Number(args[i + 1]);
    if (arg in loads) chosen.push(arg);
    else if ((arg === '--seconds' || arg === '--rounds') && Number.isInteger(value) && value > 0)
      plan[arg === '--seconds' ? 'seconds' : 'rounds'] = Number(args[++i]);
    else {
      process.stderr.write(usage);
      return 2;
    }
  }
  needPackages(packages);
  for (const name of chosen.length === 0 ? Object.keys(loads) : chosen)
    await measure(name, loads[name] as Load, plan.seconds, plan.rounds);
  return 0;
}

async function measure(name: string, load: Load, seconds: number, rounds: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const started: { stop(): Promise<unknown> }[] = [];
  try {
    started.push(await startBackends(directory));
    writeCertificate(directory);
    const targets = [await startIsthmus(directory), startHaproxy(directory), startNginx(directory)];
    started.push(...targets);
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const target of targets) await ask(target, load, ['-n', String(load.warmUnits)], 120);
    const samples: Sample[] = [];
    for (let round = 0; round < rounds; round++)
      for (const target of targets) samples.push(await sample(target, load, seconds));
    report(`http2-${name}`, 'request', samples, { load });
  } finally {
    for (const server of started.reverse()) await server.stop();
    rmSync(directory, { recursive: true });
  }
}

async function sample(target: Target, load: Load, seconds: number): Promise<Sample> {
  const before = processorMicroseconds(target.pid);
  const units = await ask(target, load, ['-D', String(seconds)], seconds + 30);
  const used = processorMicroseconds(target.pid) - before;
  const meanMilliseconds = (seconds * 1000 * load.connections * load.streams) / units;
  return {
    server: target.server,
    microsecondsPerUnit: used / units,
    unitsPerSecond: units / seconds,
    units,
    failures: 0,
    meanMilliseconds,
  };
}

/** How many requests were answered; throws where one was not. */
async function ask(
  { server, port }: Target,
  load: Load,
  howMuch: readonly string[],
  mostSeconds: number,
): Promise<number> {
  const shape = [`-c${load.connections}`, `-m${load.streams}`, '-H', `:authority: ${host}`];
  const output = await runLoad('h2load', [...howMuch, ...shape, `https://127.0.0.1:${port}${load.path}`], mostSeconds);
  const [, done = '0', failed = '0'] = /(\d+) succeeded, (\d+) failed/.exec(output) ?? [];
  const [, good = '0'] = /(\d+) 2xx/.exec(output) ?? [];
  if (Number(done) === 0 || Number(failed) > 0 || Number(good) < Number(done)) throw new Error(`${server}: ${output}`);
  return Number(done);
}

function writeCertificate(directory: string): void {
  const { certificate, key } = testAuthority().issue([host]);
  mkdirSync(join(directory, 'certs'));
  writeFileSync(join(directory, 'certs', 'site.pem'), `${certificate}${key}`);
  chmodSync(join(directory, 'certs'), 0o755);
}

async function startIsthmus(directory: string): Promise<Target> {
  const state = join(directory, 'state.json');
  writeFileSync(state, JSON.stringify(clusterState({ apps: 1, instances: 1 })));
  const daemon = await startDaemon(
    JSON.stringify({
      cluster: [{ file: { path: state } }],
      router: {
        http: [],
        https: ['127.0.0.1:0'],
        routes: [{ host, to: backendPorts.map((port) => `http://127.0.0.1:${port}`) }],
      },
      certs: [{ directory: join(directory, 'certs') }],
      store: { dir: join(directory, 'store') },
      admin: { listen: '127.0.0.1:0' },
      workers: 0,
    }),
    { patienceMs: 60_000 },
  );
  const { pid } = daemon.ready;
  pinToServerCore(pid);
  return { server: 'isthmus', pid, port: daemon.port('router.https'), stop: () => daemon.stop() };
}

function startHaproxy(directory: string): Target {
  const path = join(directory, 'haproxy.conf');
  writeFileSync(
    path,
    `global
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
  bind 127.0.0.1:${ports.haproxy} ssl crt ${directory}/certs/site.pem alpn h2,http/1.1
  use_backend app if { hdr(host) -i ${host} }
backend app
  balance roundrobin
${backendPorts.map((port, i) => `  server s${i} 127.0.0.1:${port}`).join('\n')}
`,
  );
  const peer = startPeer('haproxy', ['-db', '-f', path]);
  return { server: 'haproxy', pid: peer.pid, port: ports.haproxy, stop: () => peer.stop() };
}

function startNginx(directory: string): Target {
  const path = join(directory, 'nginx-h2.conf');
  const pem = `${directory}/certs/site.pem`;
  writeFileSync(
    path,
    `worker_processes 1;
pid ${directory}/nginx-h2.pid;
error_log ${directory}/nginx-h2.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy; fastcgi_temp_path ${directory}/f;
  uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
  upstream app { ${backendPorts.map((port) => `server 127.0.0.1:${port};`).join(' ')} keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${ports.nginx} ssl http2;
    ssl_certificate ${pem};
    ssl_certificate_key ${pem};
    server_name ${host};
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
    }
  }
}
`,
  );
  const peer = startPeer('nginx', ['-p', directory, '-c', path, '-g', 'daemon off;']);
  return { server: 'nginx', pid: peer.pid, port: ports.nginx, stop: () => peer.stop() };
}
