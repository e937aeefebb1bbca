// Tables of VIPs of any size in the user-space plane: how long they take to load and to change, and what a socket for each VIP costs
// beside one for all of a port.

import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { createVipFunction, defaultVipTimeouts, type VipFunction, type VipRecord } from '../lb/index.ts';
import { backendKey, type Backend } from '../src/cluster/index.ts';
import { createMetrics, silentLogger, systemClock, systemRandom } from '../src/runtime/index.ts';
import { median } from './results.ts';

const vipPort = 8487;
const changes = 200;
const connects = 2000;

export interface TableFigures {
  readonly vips: number;
  readonly loadMs: number;
  readonly changeMs: number;
  /** A VIP that comes or goes. */
  readonly comeMs: number;
  readonly connectMs: number;
  readonly residentMiB: number;
}

/** Median times of one change with `vips` present, each of three backends. */
export async function measureTable(vips: number): Promise<TableFigures> {
  const backend = createServer((socket) => socket.on('error', () => undefined).end('x'));
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { port } = backend.address() as { readonly port: number };
  const records = Array.from({ length: vips + 1 }, (_, i) => recordOf(i, port));
  const before = process.memoryUsage().rss;
  const plane = openPlane();
  const loadMs = await timed(() => plane.load(new Map(records.slice(0, vips).map((one) => [one.key, one]))));
  const changeMs = await medianOf(changes, (i) => plane.set(changed(records[(i * 7919) % vips] as VipRecord, i)));
  const last = records[vips] as VipRecord;
  const comeMs = await medianOf(changes, (i) => (i % 2 === 0 ? plane.set(last) : plane.remove(last)));
  const connectMs = await medianOf(connects, (i) => exchange(addressOf((i * 7919) % vips)));
  const residentMiB = (process.memoryUsage().rss - before) / 1024 / 1024;
  await plane.vips.stop();
  backend.close();
  return { vips, loadMs, changeMs, comeMs, connectMs, residentMiB };
}

/** Bare sockets, without a balancer behind: one for each of `vips` addresses, or one for all. */
export async function measureSockets(
  vips: number,
  kind: 'each' | 'one',
): Promise<Omit<TableFigures, 'changeMs' | 'comeMs'>> {
  const before = process.memoryUsage().rss;
  const known = new Map(Array.from({ length: vips }, (_, i) => [addressOf(i), i]));
  const servers: Server[] = [];
  const open = (ip: string): Promise<unknown> => {
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      socket.on('error', () => undefined);
      if (kind === 'one' && !known.has(socket.localAddress ?? '')) socket.resetAndDestroy();
      else socket.end('x');
    });
    servers.push(server);
    return once(server.listen({ host: ip, port: vipPort, backlog: 4096 }), 'listening');
  };
  const loadMs = await timed(() => Promise.all((kind === 'one' ? ['0.0.0.0'] : [...known.keys()]).map(open)));
  const connectMs = await medianOf(connects, (i) => exchange(addressOf((i * 7919) % vips)));
  const residentMiB = (process.memoryUsage().rss - before) / 1024 / 1024;
  for (const server of servers) server.close();
  return { vips, loadMs, connectMs, residentMiB };
}

interface OpenPlane {
  readonly vips: VipFunction;
  load(table: ReadonlyMap<string, VipRecord>): Promise<void>;
  set(record: VipRecord): Promise<void>;
  remove(record: VipRecord): Promise<void>;
}

function openPlane(): OpenPlane {
  const vips = createVipFunction({
    ...{ workers: false, policy: 'roundrobin', timeouts: defaultVipTimeouts },
    ...{ log: silentLogger, metrics: createMetrics(), clock: systemClock, random: systemRandom },
  });
  const empty = new Map<string, VipRecord>();
  return {
    vips,
    async load(table) {
      await vips.plane.replace(table);
      await vips.start();
    },
    set: async (record) => vips.plane.apply({ set: [[record.key, record]], removed: [] }, empty),
    remove: async ({ key }) => vips.plane.apply({ set: [], removed: [key] }, empty),
  };
}

const addressOf = (i: number): string => `127.20.${i >> 8}.${i & 0xff}`;

function recordOf(i: number, port: number): VipRecord {
  const name = `app-${i}.marathon`;
  const key = `tcp/${name}:${vipPort}`;
  const backends = ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map((_, k) => backendOf(`127.0.0.1`, port, k));
  return { key, protocol: 'tcp', name, ips: [addressOf(i)], port: vipPort, set: { id: key, backends } };
}

/** One of the three takes traffic, so that each connection succeeds; the others stand for their place. */
const backendOf = (ip: string, port: number, k: number): Backend => ({
  key: backendKey(ip, port + k),
  ...{ ip, port: port + k, task: null, zone: null },
  ...(k === 0 ? { weight: 1, state: 'up' } : { weight: 0, state: 'down' }),
});

function changed(record: VipRecord, i: number): VipRecord {
  const [first, ...others] = record.set.backends;
  const backends = [first as Backend, ...others.map((one) => ({ ...one, zone: `z${i}` }))];
  return { ...record, set: { ...record.set, backends } };
}

async function exchange(ip: string): Promise<void> {
  const socket = connect(vipPort, ip);
  socket.resume();
  await once(socket, 'close');
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

async function medianOf(count: number, action: (i: number) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) times.push(await timed(() => action(i)));
  return median(times);
}
