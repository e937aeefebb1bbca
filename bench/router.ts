// The router beside HAProxy: one backend, kept-alive connections, small answers, load by wrk, each server on the same core in turn.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon } from '../test/feature/daemon.ts';
import { clusterState } from './cluster-state.ts';
import { firstLine, needPackages, pinToServerCore, processorMicroseconds, runLoad, startPeer } from './processes.ts';
import { report, type Sample } from './results.ts';

const rounds = 3;
const secondsPerRound = 5;
const connections = 32;
const octets = 1024;

interface Target {
  readonly server: string;
  readonly pid: number;
  readonly port: number;
}

export async function run(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    process.stderr.write('usage: npm run bench -- router\n');
    return 2;
  }
  needPackages({ haproxy: 'haproxy', wrk: 'wrk', nginx: 'nginx-light', taskset: 'util-linux' });
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  try {
    return await compare(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function compare(directory: string): Promise<number> {
  const state = join(directory, 'state.json');
  writeFileSync(state, JSON.stringify(clusterState({ apps: 1, instances: 1 })));
  const daemon = await startDaemon(
    JSON.stringify({
      cluster: [{ file: { path: state } }],
      router: {
        http: ['127.0.0.1:0'],
        routes: [{ host: 'bench.example', to: ['http://127.0.0.1:8497'] }],
        limits: { requestsPerConnection: 0 },
      },
      admin: { listen: '127.0.0.1:0' },
      workers: 0,
    }),
  );
  const backend = startPeer('nginx', ['-p', directory, '-c', nginxConfig(directory), '-g', 'daemon off;'], 'load');
  const haproxy = startPeer('haproxy', ['-db', '-f', haproxyConfig(directory)]);
  try {
    pinToServerCore(daemon.ready.pid);
    const samples = await measure([
      { server: 'isthmus', pid: daemon.ready.pid, port: daemon.port('router.http') },
      { server: 'haproxy', pid: haproxy.pid, port: 8498 },
    ]);
    const versions = {
      haproxy: firstLine('haproxy', '-v'),
      wrk: firstLine('wrk', '-v'),
      nginx: firstLine('nginx', '-v'),
    };
    report('router', 'request', ['isthmus', 'haproxy'], samples, { versions, connections, octets });
    return 0;
  } finally {
    await haproxy.stop();
    await backend.stop();
    await daemon.stop();
  }
}

function nginxConfig(directory: string): string {
  const path = join(directory, 'nginx.conf');
  writeFileSync(
    path,
    `worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/nginx.log;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 100000000;
  server { listen 127.0.0.1:8497; location / { return 200 "${'x'.repeat(octets)}"; } }
}
`,
  );
  return path;
}

function haproxyConfig(directory: string): string {
  const path = join(directory, 'haproxy.cfg');
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
frontend in
  bind 127.0.0.1:8498
  use_backend app if { hdr(host) -i bench.example }
backend app
  server one 127.0.0.1:8497
`,
  );
  return path;
}

async function measure(targets: readonly Target[]): Promise<readonly Sample[]> {
  for (const target of targets) await load(target, 2);
  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) {
      const sample = await load(target, secondsPerRound);
      process.stderr.write(`${sample.server}: ${sample.microsecondsPerUnit.toFixed(2)} µs, ${sample.units} requests\n`);
      samples.push(sample);
    }
  }
  return samples;
}

async function load({ server, pid, port }: Target, seconds: number): Promise<Sample> {
  const before = processorMicroseconds(pid);
  const url = `http://127.0.0.1:${port}/`;
  const output = await runLoad(
    'wrk',
    ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-H', 'Host: bench.example', url],
    seconds + 20,
  );
  const used = processorMicroseconds(pid) - before;
  const units = Number(/(\d+) requests in/.exec(output)?.[1] ?? 0);
  const other = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0);
  if (units === 0 || other > 0) throw new Error(`${server}: ${units} requests, ${other} of them refused: ${output}`);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output)?.slice(1) ?? [];
  const [, mean, scale] = /Latency\s+([\d.]+)(us|ms|s)/.exec(output) ?? [];
  const toMs = { us: 0.001, ms: 1, s: 1000 }[scale as 'us' | 'ms' | 's'];
  return {
    server,
    units,
    failures: errors.reduce((sum, text) => sum + Number(text), 0),
    microsecondsPerUnit: used / units,
    unitsPerSecond: units / seconds,
    meanMilliseconds: Number(mean) * (toMs ?? Number.NaN),
  };
}
