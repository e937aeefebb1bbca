// gRPC beside HAProxy and nginx, in front of a back end of HTTP/2 in the clear: calls of one message by h2load, and streams on which
// messages go both ways by a client of our own.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { needPackages, processorMicroseconds, runLoad, startPeer } from './processes.ts';
import { report, type Sample } from './results.ts';
import { host, listening, nginxConfig, startIsthmus, type Target, writeCertificate } from './router-peers.ts';

const packages = { haproxy: 'haproxy', nginx: 'nginx-light', h2load: 'nghttp2-client', taskset: 'util-linux' };
const ports = { haproxy: 8488, nginx: 8485, backend: 8487 } as const;

const kinds = ['unary', 'streaming'] as const;
const connections = 4;
const streams = 8;
const warmUnits = 20_000;
/** A message of 32 octets behind its prefix. */
const message = Buffer.concat([Buffer.from([0, 0, 0, 0, 32]), Buffer.alloc(32, 'x')]);

/** Measures both kinds. Peers alone set no goal here: the table tells. */
export async function runGrpc(seconds: number, rounds: number): Promise<void> {
  needPackages(packages);
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const started: { stop(): Promise<unknown> }[] = [];
  try {
    const program = fileURLToPath(new URL('http2-grpc-backend.ts', import.meta.url));
    started.push(startPeer(process.execPath, [program, String(ports.backend)], 'load'));
    await listening(ports.backend);
    const certificates = writeCertificate(directory);
    const grpc = { host, to: [`h2c://127.0.0.1:${ports.backend}`] };
    const targets = [
      await startIsthmus(directory, { certificates, only: grpc }),
      await startHaproxy(directory),
      await startNginx(directory),
    ];
    started.push(...targets);
    const body = join(directory, 'message');
    writeFileSync(body, message);
    for (const kind of kinds) {
      const load = kind === 'unary' ? unary(body) : streaming;
      for (const target of targets) await load(target, { units: warmUnits });
      const samples: Sample[] = [];
      for (let round = 0; round < rounds; round++)
        for (const target of targets) samples.push(await sample(target, load, seconds));
      report(`http2-grpc-${kind}`, kind === 'unary' ? 'call' : 'message', samples, { load: { connections, streams } });
    }
  } finally {
    for (const server of started.reverse()) await server.stop();
    rmSync(directory, { recursive: true });
  }
}

type HowMuch = { readonly units: number } | { readonly seconds: number };
/** Answers with how many units were done; throws where one failed. */
type Load = (target: Target, howMuch: HowMuch) => Promise<number>;

async function sample(target: Target, load: Load, seconds: number): Promise<Sample> {
  const before = processorMicroseconds(target.pid);
  const units = await load(target, { seconds });
  const used = processorMicroseconds(target.pid) - before;
  return {
    server: target.server,
    microsecondsPerUnit: used / units,
    unitsPerSecond: units / seconds,
    units,
    failures: 0,
    meanMilliseconds: (seconds * 1000 * connections * streams) / units,
  };
}

const unary =
  (body: string): Load =>
  async ({ server, port }, howMuch) => {
    const amount = 'units' in howMuch ? ['-n', String(howMuch.units)] : ['-D', String(howMuch.seconds)];
    const fields = [`:authority: ${host}`, 'content-type: application/grpc', 'te: trailers'];
    const shape = [`-c${connections}`, `-m${streams}`, '-d', body, ...fields.flatMap((field) => ['-H', field])];
    const output = await runLoad('h2load', [...amount, ...shape, `https://127.0.0.1:${port}/bench.Echo/Unary`], 180);
    const [, done = '0', failed = '0'] = /(\d+) succeeded, (\d+) failed/.exec(output) ?? [];
    const [, good = '0'] = /(\d+) 2xx/.exec(output) ?? [];
    if (Number(done) === 0 || Number(failed) > 0 || Number(good) < Number(done))
      throw new Error(`${server}: ${output}`);
    return Number(done);
  };

const streaming: Load = async ({ server, port }, howMuch) => {
  const program = fileURLToPath(new URL('http2-grpc-load.ts', import.meta.url));
  const limits = 'units' in howMuch ? [60, howMuch.units] : [howMuch.seconds, Number.MAX_SAFE_INTEGER];
  const numbers = [port, connections, streams, ...limits].map(String);
  const { messages, failures } = JSON.parse(await runLoad(process.execPath, [program, ...numbers], 180)) as {
    readonly messages: number;
    readonly failures: number;
  };
  if (messages === 0 || failures > 0) throw new Error(`${server}: ${messages} messages, ${failures} failures`);
  return messages;
};

async function startHaproxy(directory: string): Promise<Target> {
  const path = join(directory, 'haproxy.conf');
  writeFileSync(
    path,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 3s
  timeout client 60s
  timeout server 60s
  option forwardfor
frontend in
  bind 127.0.0.1:${ports.haproxy} ssl crt ${directory}/certs/site.pem alpn h2
  use_backend app if { hdr(host) -i ${host} }
backend app
  http-reuse always
  server s0 127.0.0.1:${ports.backend} proto h2
`,
  );
  return peer('haproxy', ['-db', '-f', path]);
}

function startNginx(directory: string): Promise<Target> {
  const path = join(directory, 'nginx-grpc.conf');
  const pem = `${directory}/certs/site.pem`;
  const server = `keepalive_requests 100000000;
  client_max_body_size 0;
  upstream app { server 127.0.0.1:${ports.backend}; keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${ports.nginx} ssl http2; ssl_certificate ${pem}; ssl_certificate_key ${pem};
    server_name ${host};
    location / { grpc_pass grpc://app; grpc_set_header X-Forwarded-For $remote_addr; }
  }`;
  writeFileSync(path, nginxConfig(directory, 'nginx-grpc', server));
  return peer('nginx', ['-p', directory, '-c', path, '-g', 'daemon off;']);
}

async function peer(server: 'haproxy' | 'nginx', args: readonly string[]): Promise<Target> {
  const { pid, stop } = startPeer(server, args);
  const port = ports[server];
  await listening(port);
  return { server, pid, port, stop };
}
