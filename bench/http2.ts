// HTTP/2 over TLS beside HAProxy and nginx: small answers, large ones, many streams. Load by h2load, each server on the same core in turn.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runGrpc } from './http2-grpc.ts';
import { runMixed } from './http2-mixed.ts';
import { needPackages, processorMicroseconds, runLoad, startPeer } from './processes.ts';
import { report, type Sample } from './results.ts';
import {
  haproxyConfig,
  host,
  listening,
  nginxConfig,
  nginxProxy,
  startBackends,
  startIsthmus,
  type Target,
  writeCertificate,
} from './router-peers.ts';

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
  connections: { path: '/', connections: 400, streams: 1, warmUnits: 60_000 },
};
/** Slow and fast clients on the same connections: the daemon alone, with a table of its own. */
const mixed = 'mixed';
/** Calls and streams to a back end of HTTP/2. */
const grpc = 'grpc';
const names = [...Object.keys(loads), mixed, grpc];

/** Of our processor time for a request to each peer's, at most: for small answers, and for 1 MiB of body. */
const musts: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  small: { haproxy: 1.5, nginx: 0.9 },
  streams: { haproxy: 1.5, nginx: 0.9 },
  connections: { haproxy: 1.5, nginx: 0.9 },
  large: { haproxy: 1 },
};

const usage = `usage: npm run bench -- http2 [${names.join('|')}]… [--seconds N] [--rounds N]\n`;

export async function run(args: readonly string[]): Promise<number> {
  const plan = { seconds: 5, rounds: 3 };
  const chosen: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    const value = Number(args[i + 1]);
    if (names.includes(arg)) chosen.push(arg);
    else if ((arg === '--seconds' || arg === '--rounds') && Number.isInteger(value) && value > 0)
      plan[arg === '--seconds' ? 'seconds' : 'rounds'] = Number(args[++i]);
    else {
      process.stderr.write(usage);
      return 2;
    }
  }
  needPackages(packages);
  let missed = 0;
  for (const name of chosen.length === 0 ? names : chosen) {
    if (name === grpc) {
      await runGrpc(plan.seconds, plan.rounds);
      continue;
    }
    missed +=
      name === mixed
        ? await runMixed(plan.seconds, plan.rounds)
        : await measure(name, loads[name] as Load, plan.seconds, plan.rounds);
  }
  return missed === 0 ? 0 : 1;
}

/** Answers with how many goals were missed. */

async function measure(name: string, load: Load, seconds: number, rounds: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const started: { stop(): Promise<unknown> }[] = [];
  try {
    started.push(await startBackends(directory));
    const certificates = writeCertificate(directory);
    const targets = [
      await startIsthmus(directory, { certificates }),
      await startHaproxy(directory),
      await startNginx(directory),
    ];
    started.push(...targets);
    for (const target of targets) await ask(target, load, ['-n', String(load.warmUnits)], 120);
    const samples: Sample[] = [];
    for (let round = 0; round < rounds; round++)
      for (const target of targets) samples.push(await sample(target, load, seconds));
    const { ratios } = report(`http2-${name}`, 'request', samples, { load });
    return missedOf(name, ratios);
  } finally {
    for (const server of started.reverse()) await server.stop();
    rmSync(directory, { recursive: true });
  }
}

function missedOf(name: string, ratios: Readonly<Record<string, number>>): number {
  let missed = 0;
  for (const [server, must] of Object.entries(musts[name] ?? {})) {
    const isMet = (ratios[server] ?? Infinity) <= must;
    process.stdout.write(
      `${server}: ${(ratios[server] ?? NaN).toFixed(2)}, at most ${must}: ${isMet ? 'met' : 'MISSED'}\n`,
    );
    if (!isMet) missed++;
  }
  return missed;
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

function startHaproxy(directory: string): Promise<Target> {
  const path = join(directory, 'haproxy.conf');
  writeFileSync(path, haproxyConfig(`127.0.0.1:${ports.haproxy} ssl crt ${directory}/certs/site.pem alpn h2,http/1.1`));
  return peer('haproxy', ['-db', '-f', path]);
}

function startNginx(directory: string): Promise<Target> {
  const path = join(directory, 'nginx-h2.conf');
  const pem = `${directory}/certs/site.pem`;
  const listen = `listen 127.0.0.1:${ports.nginx} ssl http2; ssl_certificate ${pem}; ssl_certificate_key ${pem};`;
  writeFileSync(path, nginxConfig(directory, 'nginx-h2', nginxProxy(listen)));
  return peer('nginx', ['-p', directory, '-c', path, '-g', 'daemon off;']);
}

async function peer(server: keyof typeof ports, args: readonly string[]): Promise<Target> {
  const { pid, stop } = startPeer(server, args);
  const port = ports[server];
  await listening(port);
  return { server, pid, port, stop };
}
