// TLS beside HAProxy and nginx with the same certificates: new connections with whole and with resumed handshakes, by ECDSA and by RSA, and
// small requests on kept ones. Every connection of the first asks one small request.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testAuthority } from '../test/certs/authority.ts';
import { startDaemon } from '../test/feature/daemon.ts';
import { issueByOpenssl, together } from '../test/feature/tls-site.ts';
import { clusterState } from './cluster-state.ts';
import { needPackages, pinToServerCore, processorMicroseconds, runLoad, startPeer } from './processes.ts';
import { report, type Sample } from './results.ts';
import { backendPorts, host, startBackends, type Target } from './router-peers.ts';
import type { TlsLoad, TlsLoadResult } from './tls-load.ts';

const packages = { haproxy: 'haproxy', nginx: 'nginx-light', openssl: 'openssl', taskset: 'util-linux' };
const ports = { haproxy: 8468, nginx: 8465 } as const;

const ecdsa = 'ecdsa_secp256r1_sha256';
/** HAProxy looks for the older one, whichever is used. */
const rsa = 'rsa_pss_rsae_sha256:rsa_pkcs1_sha256';

interface Case {
  readonly load: Pick<TlsLoad, 'requests' | 'resumes' | 'signatures'>;
  /** Ours to HAProxy's processor time, at most. */
  readonly must: number | null;
  readonly warmUnits: number;
}

const cases: Readonly<Record<string, Case>> = {
  new: { load: { requests: 1, resumes: false, signatures: ecdsa }, must: 1.5, warmUnits: 8_000 },
  'new-rsa': { load: { requests: 1, resumes: false, signatures: rsa }, must: null, warmUnits: 4_000 },
  resumed: { load: { requests: 1, resumes: true, signatures: ecdsa }, must: null, warmUnits: 8_000 },
  small: { load: { requests: 0, resumes: false, signatures: ecdsa }, must: 1.6, warmUnits: 60_000 },
};

const usage = `usage: npm run bench -- tls [${Object.keys(cases).join('|')}]… [--seconds N] [--rounds N]\n`;
const callers = 16;

export async function run(args: readonly string[]): Promise<number> {
  const plan = { seconds: 5, rounds: 3 };
  const chosen: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    const value = Number(args[i + 1]);
    if (arg in cases) chosen.push(arg);
    else if ((arg === '--seconds' || arg === '--rounds') && Number.isInteger(value) && value > 0)
      plan[arg === '--seconds' ? 'seconds' : 'rounds'] = Number(args[++i]);
    else {
      process.stderr.write(usage);
      return 2;
    }
  }
  needPackages(packages);
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const started: { stop(): Promise<unknown> }[] = [];
  try {
    started.push(await startBackends(directory));
    writeCertificates(directory);
    const targets = [await startIsthmus(directory), startHaproxy(directory), startNginx(directory)];
    started.push(...targets);
    await new Promise((resolve) => setTimeout(resolve, 500));
    let missed = 0;
    for (const name of chosen.length === 0 ? Object.keys(cases) : chosen)
      if (!(await measure(name, targets, plan.seconds, plan.rounds))) missed++;
    return missed === 0 ? 0 : 1;
  } finally {
    for (const server of started.reverse()) await server.stop();
    rmSync(directory, { recursive: true });
  }
}

/** Whether the goal is met. */
async function measure(name: string, targets: readonly Target[], seconds: number, rounds: number): Promise<boolean> {
  const { load, must, warmUnits } = cases[name] as Case;
  for (const target of targets) await ask(target, { ...load, seconds: 60, most: warmUnits });
  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round++)
    for (const target of targets) samples.push(await sample(target, load, seconds));
  const unit = load.requests === 0 ? 'request' : 'connection';
  const { ratios } = report(`tls-${name}`, unit, samples, { load: { callers, ...load }, must });
  const ratio = ratios['haproxy'] ?? Infinity;
  const isMet = must === null || ratio <= must;
  if (must !== null) process.stdout.write(`must ≤ ${must} × HAProxy: ${ratio.toFixed(2)} ${isMet ? 'ok' : 'MISSED'}\n`);
  return isMet;
}

async function sample(target: Target, load: Case['load'], seconds: number): Promise<Sample> {
  const before = processorMicroseconds(target.pid);
  const startedAt = performance.now();
  const { handshakes, requests } = await ask(target, { ...load, seconds, most: Number.MAX_SAFE_INTEGER });
  const units = load.requests === 0 ? requests : handshakes;
  return {
    server: target.server,
    microsecondsPerUnit: (processorMicroseconds(target.pid) - before) / units,
    unitsPerSecond: units / ((performance.now() - startedAt) / 1000),
    units,
    failures: 0,
    meanMilliseconds: (seconds * 1000 * callers) / units,
  };
}

const loadProgram = fileURLToPath(new URL('tls-load.ts', import.meta.url));

/** Throws where a request failed, or sessions were not resumed that should be. */
async function ask({ server, port }: Target, load: Omit<TlsLoad, 'port' | 'host' | 'callers'>): Promise<TlsLoadResult> {
  const text = JSON.stringify({ ...load, port, host, callers } satisfies TlsLoad);
  const output = await runLoad(process.execPath, [loadProgram, text], load.seconds + 60);
  const result = JSON.parse(/RESULT (.*)/.exec(output)?.[1] ?? 'null') as TlsLoadResult | null;
  if (result === null || result.requests === 0 || result.failures > 0) throw new Error(`${server}: ${output}`);
  const isResumed = result.resumed >= result.handshakes - 4 * callers;
  if (load.resumes ? !isResumed : result.resumed > 0)
    throw new Error(`${server} did not resume as it should: ${output}`);
  return result;
}

/** Each server has both: the client's signatures decide. */
function writeCertificates(directory: string): void {
  const ca = testAuthority();
  const kinds = {
    ecdsa: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    rsa: ['rsa:2048'],
  };
  mkdirSync(join(directory, 'certs'));
  for (const [kind, newkey] of Object.entries(kinds))
    writeFileSync(
      join(directory, 'certs', `site.pem.${kind}`),
      together(issueByOpenssl(ca, { names: [host], newkey })),
    );
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
        limits: { requestsPerConnection: 0 },
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
  const path = join(directory, 'haproxy-tls.conf');
  writeFileSync(
    path,
    `global
  nbthread 1
  maxconn 4096
  tune.ssl.cachesize 20000
defaults
  mode http
  timeout connect 3s
  timeout client 15s
  timeout server 30s
  option http-keep-alive
  option forwardfor
frontend in
  bind 127.0.0.1:${ports.haproxy} ssl crt ${directory}/certs/site.pem alpn http/1.1
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
  const path = join(directory, 'nginx-tls.conf');
  const pairs = ['ecdsa', 'rsa'].map(
    (kind) =>
      `ssl_certificate ${directory}/certs/site.pem.${kind}; ssl_certificate_key ${directory}/certs/site.pem.${kind};`,
  );
  writeFileSync(
    path,
    `worker_processes 1;
pid ${directory}/nginx-tls.pid;
error_log ${directory}/nginx-tls.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy; fastcgi_temp_path ${directory}/f;
  uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
  upstream app { ${backendPorts.map((port) => `server 127.0.0.1:${port};`).join(' ')} keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${ports.nginx} ssl;
    ${pairs.join('\n    ')}
    ssl_protocols TLSv1.2 TLSv1.3;
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
