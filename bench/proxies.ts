// The HTTP proxy beside squid and tinyproxy, SOCKS beside Dante and microsocks, CONNECT tunnels and forwards beside HAProxy's TCP mode, and
// beside the least that a relay on Node's sockets does: connections, small exchanges, bulk, memory; tunnels under reloads.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { firstLine, needPackages, processorMicroseconds, runLoad } from './processes.ts';
import type { TunnelLoad } from './proxies-load.ts';
import { measureMemory } from './proxies-memory.ts';
import {
  startBareRelay,
  startDante,
  startMicrosocks,
  startProxies,
  startSquid,
  startTinyproxy,
  type ProxyTargets,
} from './proxies-peers.ts';
import { reloadUnderLoad } from '../test/feature/reload-scene.ts';
import { circumstances, median, table } from './results.ts';
import type { RouterSample } from './router-load.ts';
import { backendPorts, packages, startBackends, type Target, versionOf } from './router-peers.ts';
import { startHaproxyTcp } from './vip-peers.ts';

interface Case {
  readonly unit: string;
  /** Which listener of ours, and how the load asks for the target. */
  readonly ours: keyof ProxyTargets;
  readonly via: TunnelLoad['via'] | 'absolute';
  readonly peers: readonly ('squid' | 'tinyproxy' | 'haproxy' | 'dante' | 'microsocks' | 'bare net relay')[];
  readonly path: '/' | '/large';
  readonly connections: number;
  /** Requests on a connection; 0: no end. */
  readonly requests: number;
  /** Most processor time for a unit, in HAProxy's (performance.md). */
  readonly must?: number;
}

const small = { path: '/', connections: 32, requests: 0 } as const;
const connect = { path: '/', connections: 32, requests: 1 } as const;
const bulk = { path: '/large', connections: 8, requests: 0 } as const;
const tunnel = { ours: 'http', via: 'connect', peers: ['haproxy', 'bare net relay', 'squid', 'tinyproxy'] } as const;
const forward = { ours: 'forward', via: 'none', peers: ['haproxy', 'bare net relay'] } as const;
const socks = { ours: 'socks', via: 'socks5', peers: ['haproxy', 'bare net relay', 'dante', 'microsocks'] } as const;
const absolute = { ours: 'http', via: 'absolute', peers: ['squid', 'tinyproxy'] } as const;

const cases: Readonly<Record<string, Case>> = {
  'http-small': { unit: 'request', ...absolute, ...small },
  'http-connect': { unit: 'connection', ...absolute, ...connect },
  'http-bulk': { unit: 'MiB', ...absolute, ...bulk },
  'tunnel-small': { unit: 'request', ...tunnel, ...small, must: 1.3 },
  'tunnel-connect': { unit: 'connection', ...tunnel, ...connect, must: 1.3 },
  'tunnel-bulk': { unit: 'MiB', ...tunnel, ...bulk, must: 1.4 },
  'socks-small': { unit: 'request', ...socks, ...small, must: 1.3 },
  'socks-connect': { unit: 'connection', ...socks, ...connect, must: 1.3 },
  'socks-bulk': { unit: 'MiB', ...socks, ...bulk, must: 1.4 },
  'forward-small': { unit: 'request', ...forward, ...small, must: 1.3 },
  'forward-connect': { unit: 'connection', ...forward, ...connect, must: 1.3 },
  'forward-bulk': { unit: 'MiB', ...forward, ...bulk, must: 1.4 },
};

const rounds = 3;
const seconds = 3;

/** Names of cases, or beginnings of them; none: all. */
export async function run(args: readonly string[]): Promise<number> {
  const names = Object.keys(cases).filter((name) => args.length === 0 || args.some((arg) => name.startsWith(arg)));
  const wantsMemory = args.length === 0 || args.includes('memory');
  if (args.includes('reload')) return runReload();
  if (names.length === 0 && !wantsMemory) {
    process.stderr.write(`usage: npm run bench -- proxies [${Object.keys(cases).join('|')}|memory|reload]…\n`);
    return 2;
  }
  const { haproxy = '', taskset = '', nginx = '' } = packages;
  const rest = { squid: 'squid-openssl', tinyproxy: 'tinyproxy', danted: 'dante-server', microsocks: 'microsocks' };
  needPackages({ haproxy, taskset, nginx, ...rest });
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const started: { stop(): Promise<unknown> }[] = [];
  try {
    started.push(await startBackends(directory));
    const ours = await startProxies(directory);
    started.push(ours.http);
    const peers: Record<string, Target> = {};
    for (const start of [startHaproxyTcp, startBareRelay, startSquid, startTinyproxy, startDante, startMicrosocks]) {
      const peer = await start(directory);
      peers[peer.server] = peer;
      started.push(peer);
    }
    let missed = 0;
    for (const name of names) missed += await runCase(name, ours, peers);
    if (wantsMemory) {
      const samples = await measureMemory([ours.socks, peers['dante'] as Target, peers['microsocks'] as Target]);
      keep('proxies-memory', { versions: socksVersions(), samples });
    }
    return missed === 0 ? 0 : 1;
  } finally {
    for (const server of started.reverse()) await server.stop();
    rmSync(directory, { recursive: true });
  }
}

async function runCase(name: string, ours: ProxyTargets, peers: Readonly<Record<string, Target>>): Promise<number> {
  const one = cases[name] as Case;
  const targets = [ours[one.ours], ...one.peers.map((peer) => peers[peer] as Target)];
  for (const target of targets) await runRound(target, one, 1);
  const samples: RouterSample[] = [];
  for (let round = 0; round < rounds; round++)
    for (const target of targets) samples.push(await runRound(target, one, seconds));
  const of = (server: string, field: Exclude<keyof RouterSample, 'server'>): number =>
    median(samples.filter((sample) => sample.server === server).map((sample) => sample[field]));
  const ratioTo = (server: string): number => of('isthmus', 'microsecondsPerUnit') / of(server, 'microsecondsPerUnit');
  const rows = targets.map(({ server }) => [
    server,
    of(server, 'microsecondsPerUnit').toFixed(1),
    ratioTo(server).toFixed(2),
    of(server, 'unitsPerSecond').toFixed(0),
    of(server, 'p50Milliseconds').toFixed(2),
    of(server, 'p99Milliseconds').toFixed(2),
    String(samples.filter((sample) => sample.server === server).reduce((sum, { failures }) => sum + failures, 0)),
  ]);
  const head = [name, `µs CPU/${one.unit}`, 'isthmus ÷ it', `${one.unit}/s`, 'p50 ms', 'p99 ms', 'lost'];
  process.stdout.write(table([head, ...rows]));
  const isMet = one.must === undefined || ratioTo('haproxy') <= one.must;
  if (one.must !== undefined)
    process.stdout.write(
      `CPU: ${ratioTo('haproxy').toFixed(2)} × haproxy, must be ${one.must}: ${isMet ? 'met' : 'MISSED'}\n`,
    );
  process.stdout.write('\n');
  const versions = {
    haproxy: versionOf('haproxy'),
    squid: firstLine('squid', '-v'),
    tinyproxy: firstLine('tinyproxy', '-v'),
    nginx: versionOf('nginx'),
    ...socksVersions(),
  };
  const ratios = Object.fromEntries(one.peers.map((peer) => [peer, ratioTo(peer)]));
  keep(`proxies-${name}`, {
    versions,
    seconds,
    rounds,
    unit: one.unit,
    ratios,
    must: one.must ?? null,
    isMet,
    samples,
  });
  return isMet ? 0 : 1;
}

const socksVersions = (): Readonly<Record<string, string>> => ({
  dante: firstLine('danted', '-v'),
  microsocks: firstLine('dpkg-query', '-W', '-f', '${Version}', 'microsocks'),
});

/** Tunnels by SOCKS, CONNECT and a forward, and a configuration that becomes another again and again. */
async function runReload(): Promise<number> {
  const options = { workers: 2, tunnels: 2_000, reloads: 100 };
  const startedAt = performance.now();
  const result = await reloadUnderLoad(options);
  const seconds = (performance.now() - startedAt) / 1000;
  const isMet = result.active === options.tunnels && result.descriptorsAfter <= result.descriptorsBefore;
  const { active, descriptorsBefore, descriptorsAfter } = result;
  process.stdout.write(
    table([
      ['reload', 'tunnels', 'reloads', 'seconds', 'lost', 'descriptors before', 'after'],
      [
        ...['isthmus', String(options.tunnels), String(options.reloads), seconds.toFixed(0)],
        ...[String(options.tunnels - active), String(descriptorsBefore), String(descriptorsAfter)],
      ],
    ]),
  );
  keep('proxies-reload', { ...options, seconds, ...result, isMet });
  return isMet ? 0 : 1;
}

const loadProgram = fileURLToPath(new URL('proxies-load.ts', import.meta.url));

async function runRound(target: Target, one: Case, length: number): Promise<RouterSample> {
  const backend = backendPorts[0] ?? 0;
  const isAbsolute = one.via === 'absolute';
  // HAProxy and forwards lead to the backends by themselves.
  const via =
    ['haproxy', 'bare net relay'].includes(target.server) || isAbsolute ? 'none' : (one.via as TunnelLoad['via']);
  const load: TunnelLoad = {
    ...{
      port: target.port,
      via,
      target: backend,
      connections: one.connections,
      requests: one.requests,
      seconds: length,
    },
    path: isAbsolute ? `http://127.0.0.1:${backend}${one.path}` : one.path,
  };
  const before = processorMicroseconds(target.pid);
  const output = await runLoad(process.execPath, [loadProgram, JSON.stringify(load)], length + 30);
  const used = processorMicroseconds(target.pid) - before;
  const numbers = /^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(output)?.slice(1).map(Number) ?? [];
  const [units = 0, failures = 0, p50 = 0, p99 = 0, p999 = 0] = numbers;
  if (units === 0) throw new Error(`${target.server}: nothing came through: ${output}`);
  return {
    ...{ server: target.server, units, failures, microsecondsPerUnit: used / units, unitsPerSecond: units / length },
    ...{ p50Milliseconds: p50 / 1000, p99Milliseconds: p99 / 1000, p999Milliseconds: p999 / 1000 },
  };
}

function keep(name: string, result: object): void {
  const folder = fileURLToPath(new URL('results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}${name}.json`, `${JSON.stringify({ name, ...circumstances(), ...result }, null, 2)}\n`);
}
