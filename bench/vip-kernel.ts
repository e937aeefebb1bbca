// VIPs in the kernel, on a network of namespaces that the benchmark makes and removes: how long tables of any size take to load and to
// change, and what a connection through a VIP takes beside one without.

import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Commands } from '../lb/kernel/command.ts';
import type { VipRecord } from '../lb/vip-record.ts';
import { createFlows } from '../lb/kernel/flows.ts';
import { KernelPlane } from '../lb/kernel/kernel-plane.ts';
import { createNft } from '../lb/kernel/nft.ts';
import { backendKey, type Backend } from '../src/cluster/index.ts';
import { createMetrics, silentLogger, systemClock } from '../src/runtime/index.ts';
import { makeNetwork, type Network } from '../test/feature/netns/network.ts';
import { median } from './results.ts';

export interface KernelFigures {
  readonly vips: number;
  readonly loadMs: number;
  /** A backend that is replaced by another one. */
  readonly changeMs: number;
  /** Medians of connecting to a container from another machine. */
  readonly directMicroseconds: number;
  readonly vipMicroseconds: number;
}

const changes = 40;
const connects = 3000;
const container = '10.88.0.11';
const port = 8080;
const ranges = { range: '11.0.0.0-11.255.255.255', range6: 'fd01:c::-fd01:c::ffff:ffff:ffff:ffff' };
const dialler = fileURLToPath(new URL('./vip-dialler.ts', import.meta.url));

export async function measureKernel(vips: number): Promise<KernelFigures> {
  const network = await makeNetwork();
  const commands = commandsIn(network);
  const plane = new KernelPlane({
    ...{ kernel: createNft(commands), flows: createFlows(commands), ranges },
    hairpins: { tend: () => Promise.resolve(), problem: () => null },
    surroundings: () => ({ own: new Set(['10.99.0.1', '10.88.0.1']), interfaces: ['br0', 'up0'], inside: ['br0'] }),
    ...{ drainMs: 0, clock: systemClock, log: silentLogger, metrics: createMetrics() },
  });
  try {
    const dialled = vips;
    const records = Array.from({ length: vips + 1 }, (_, i) => recordOf(i, i === dialled ? null : 0));
    const loadMs = await timed(() => plane.replace(new Map(records.map((one) => [one.key, one]))));
    const times: number[] = [];
    for (let i = 1; i <= changes; i++) {
      const next = recordOf((i * 7919) % vips, i);
      times.push(await timed(() => plane.apply({ set: [[next.key, next]], removed: [] })));
    }
    await plane.stop();
    const { direct, vip } = await dial(network, `${addressOf(dialled)}:80`);
    return { vips, loadMs, changeMs: median(times), directMicroseconds: direct, vipMicroseconds: vip };
  } finally {
    await plane.stop();
    await network.close();
  }
}

/** Medians in microseconds, of connections made in turns. */
async function dial(network: Network, vip: string): Promise<{ readonly direct: number; readonly vip: number }> {
  const child = network.spawn('r', process.execPath, [dialler, `${container}:${port}`, vip, String(connects)]);
  for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
    const [, direct, through] = /^MEDIANS (\S+) (\S+)$/.exec(line) ?? [];
    if (direct !== undefined) return { direct: Number(direct), vip: Number(through) };
    process.stderr.write(`${line}\n`);
  }
  throw new Error('the dialler said nothing');
}

function commandsIn(network: Network): Commands {
  return {
    run: (tool, args, input) =>
      new Promise((resolve) => {
        const child = network.spawn('h', tool, args);
        const out = { stdout: '', stderr: '' };
        child.stdout?.on('data', (part: Buffer) => (out.stdout += part.toString()));
        child.stderr?.on('data', (part: Buffer) => (out.stderr += part.toString()));
        child.once('close', (code) => resolve({ code, ...out }));
        child.stdin?.end(input ?? '');
      }),
    follow: () => ({ close: () => undefined }),
  };
}

const addressOf = (i: number): string => `11.${i >> 16}.${(i >> 8) & 0xff}.${i & 0xff}`;

/** Three backends, of which `version` moves the last; null: the one that is dialled directly as well. */
function recordOf(i: number, version: number | null): VipRecord {
  const ip = addressOf(i);
  const key = `tcp/${ip}:80`;
  const others = ['10.88.0.12', `10.88.1.${i % 250}`].map((other, k) => backendOf(other, 20_000 + k * (version ?? 0)));
  const backends = [backendOf(container, port), ...(version === null ? [] : others)];
  return { key, protocol: 'tcp', name: null, ips: [ip], port: 80, set: { id: key, backends } };
}

const backendOf = (ip: string, number: number): Backend => ({
  ...{ key: backendKey(ip, number), ip, port: number },
  ...{ task: null, zone: null, weight: 1, state: 'up' },
});

async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}
