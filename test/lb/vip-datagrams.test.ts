// UDP VIPs of the user-space plane on real sockets: sessions, their ends, and what happens when a backend goes or refuses.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { createVipFunction, type VipFunction, type VipFunctionOptions, type VipRecord } from '../../lb/index.ts';
import { backendKey, type Backend } from '../../src/cluster/index.ts';
import { createMetrics, silentLogger, systemClock, type Metrics } from '../../src/runtime/index.ts';
import { manualClock } from '../runtime/manual-clock.ts';
import { turns } from '../runtime/loopback.ts';

/** Two clocks of one minute: nothing here waits for real time. */
const udpMs = 60_000;

interface Room {
  readonly vips: VipFunction;
  readonly metrics: Metrics;
  show(record: VipRecord): Promise<void>;
  hide(record: VipRecord): Promise<void>;
}

async function room(t: Test, options: Partial<VipFunctionOptions> = {}): Promise<Room> {
  const metrics = createMetrics();
  const vips = createVipFunction({
    workers: false,
    policy: 'roundrobin',
    timeouts: { connectMs: 3000, idleMs: 0, halfCloseMs: 0, udpMs },
    ...{ log: silentLogger, metrics, clock: systemClock, random: () => 0 },
    ...options,
  });
  t.teardown(() => vips.stop());
  await vips.start();
  const table = new Map<string, VipRecord>();
  return {
    vips,
    metrics,
    async show(record) {
      table.set(record.key, record);
      await vips.plane.apply({ set: [[record.key, record]], removed: [] }, table);
    },
    async hide({ key }) {
      table.delete(key);
      await vips.plane.apply({ set: [], removed: [key] }, table);
    },
  };
}

interface Server {
  readonly backend: Backend;
  readonly socket: Socket;
  readonly got: string[];
}

/** Answers with its name and what it heard; a silent one only hears. */
async function server(t: Test, name: string, ip = '127.0.0.1', isSilent = false): Promise<Server> {
  const socket = await bound(t, ip);
  const got: string[] = [];
  socket.on('message', (datagram, from) => {
    got.push(String(datagram));
    if (!isSilent) socket.send(`${name}:${String(datagram)}`, from.port, from.address);
  });
  return { backend: at(ip, socket.address().port), socket, got };
}

async function bound(t: Test, ip: string): Promise<Socket> {
  const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4');
  socket.bind(0, ip);
  await once(socket, 'listening');
  t.teardown(() => new Promise<void>((resolve) => void closing(socket, resolve)));
  return socket;
}

function closing(socket: Socket, done: () => void): void {
  try {
    socket.close(done);
  } catch {
    done();
  }
}

const at = (ip: string, port: number, fields: Partial<Backend> = {}): Backend => ({
  ...{ key: backendKey(ip, port), ip, port, task: null, weight: 1, state: 'up', zone: null },
  ...fields,
});

function vip(ip: string, port: number, ...backends: readonly Backend[]): VipRecord {
  const key = `udp/dns.marathon:${port}`;
  return { key, protocol: 'udp', name: 'dns.marathon', ips: [ip], port, set: { id: key, backends } };
}

async function ask(client: Socket, ip: string, port: number, text: string): Promise<string> {
  client.send(text, port, ip);
  const [answer] = (await once(client, 'message')) as [Buffer];
  return String(answer);
}

function valueOf(metrics: Metrics, name: string, reason?: string): number | undefined {
  const family = metrics.read().find((metric) => metric.name === `isthmus_${name}`);
  return family?.values.find(({ labels }) => reason === undefined || labels['reason'] === reason)?.value;
}

/** A UDP port that is free on 127.0.0.1. */
async function freePort(t: Test): Promise<number> {
  const socket = await bound(t, '127.0.0.1');
  const { port } = socket.address();
  await new Promise<void>((resolve) => void socket.close(() => resolve()));
  return port;
}

t.test('a client stays with its backend, others get the next, and answers come from the VIP', async (t) => {
  const { vips, show, metrics } = await room(t);
  const [one, two, port] = [await server(t, 'one'), await server(t, 'two'), await freePort(t)];
  await show(vip('127.71.0.1', port, one.backend, two.backend));
  t.strictSame(vips.addresses.all(), { [`udp dns.marathon:${port}`]: `127.71.0.1:${port}` });
  const [a, b] = [await bound(t, '127.0.0.1'), await bound(t, '127.0.0.1')];
  const first = (await ask(a, '127.71.0.1', port, 'x')).slice(0, 3);
  for (const text of ['y', 'z']) t.equal(await ask(a, '127.71.0.1', port, text), `${first}:${text}`);
  t.not((await ask(b, '127.71.0.1', port, 'x')).slice(0, 3), first);
  a.send('q', port, '127.71.0.1');
  const [, from] = (await once(a, 'message')) as [Buffer, { address: string; port: number }];
  t.strictSame([from.address, from.port], ['127.71.0.1', port]);
  t.equal(valueOf(metrics, 'lb_vip_udp_sessions'), 2);
  t.equal(valueOf(metrics, 'lb_vip_connections_total'), 2);
  t.strictSame(vips.problems(), []);
});

t.test('the next datagram goes elsewhere at once when a backend goes or takes no more', async (t) => {
  const { show, metrics } = await room(t);
  const [one, two, port] = [await server(t, 'one'), await server(t, 'two'), await freePort(t)];
  const client = await bound(t, '127.0.0.1');
  await show(vip('127.71.0.2', port, one.backend));
  t.equal(await ask(client, '127.71.0.2', port, 'x'), 'one:x');
  await show(vip('127.71.0.2', port, { ...one.backend, weight: 0, state: 'draining' }, two.backend));
  t.equal(await ask(client, '127.71.0.2', port, 'y'), 'two:y', 'weight 0');
  await show(vip('127.71.0.2', port, one.backend));
  t.equal(await ask(client, '127.71.0.2', port, 'z'), 'one:z', 'gone');
  t.equal(valueOf(metrics, 'lb_vip_udp_sessions'), 1);
});

t.test('a refused datagram is sent to another backend', async (t) => {
  const { show, metrics } = await room(t);
  const [dead, two, port] = [await freePort(t), await server(t, 'two'), await freePort(t)];
  const client = await bound(t, '127.0.0.1');
  await show(vip('127.71.0.3', port, at('127.0.0.1', dead), two.backend));
  for (const text of ['x', 'y']) t.equal(await ask(client, '127.71.0.3', port, text), `two:${text}`);
  t.equal(valueOf(metrics, 'lb_vip_connect_failures_total', 'refused'), 1);
});

t.test('sessions are forgotten when they are idle, and end with the VIP', async (t) => {
  const clock = manualClock();
  const { show, hide, metrics } = await room(t, { clock });
  const [one, port] = [await server(t, 'one'), await freePort(t)];
  const client = await bound(t, '127.0.0.1');
  const record = vip('127.71.0.4', port, one.backend);
  await show(record);
  await ask(client, '127.71.0.4', port, 'x');
  clock.advance(udpMs / 2);
  await ask(client, '127.71.0.4', port, 'y');
  clock.advance(udpMs * 0.75);
  t.equal(valueOf(metrics, 'lb_vip_udp_sessions'), 1, 'the last datagram counts');
  clock.advance(udpMs);
  t.equal(valueOf(metrics, 'lb_vip_udp_sessions'), 0);
  await ask(client, '127.71.0.4', port, 'z');
  await hide(record);
  t.equal(valueOf(metrics, 'lb_vip_udp_sessions'), 0);
});

t.test('caps, allowlist and rate drop what is too much', async (t) => {
  const { show, metrics } = await room(t, { mostConnections: 2 });
  const [one, port] = [await server(t, 'one', '127.0.0.1', true), await freePort(t)];
  const record = vip('127.71.0.5', port, one.backend);
  await show({ ...record, options: { allow: ['127.0.0.1', '10.0.0.0/8'], connections: 1 } });
  const [known, other, stranger] = [
    await bound(t, '127.0.0.1'),
    await bound(t, '127.0.0.1'),
    await bound(t, '127.0.0.2'),
  ];
  stranger.send('no', port, '127.71.0.5');
  known.send('yes', port, '127.71.0.5');
  await once(one.socket, 'message');
  other.send('limit', port, '127.71.0.5');
  while (valueOf(metrics, 'lb_vip_connect_failures_total', 'limit') === 0) await turns(1);
  t.strictSame(one.got, ['yes']);
  t.equal(valueOf(metrics, 'lb_vip_connect_failures_total', 'allow'), 1);
  await show({ ...record, options: { rate: { perSecond: 1, burst: 1 } } });
  other.send('paced', port, '127.71.0.5');
  await once(one.socket, 'message');
  (await bound(t, '127.0.0.1')).send('rate', port, '127.71.0.5');
  while (valueOf(metrics, 'lb_vip_connect_failures_total', 'limit') === 1) await turns(1);
  t.strictSame(one.got, ['yes', 'paced'], 'the cap of all VIPs together');
});

t.test('without a backend datagrams are dropped and counted', async (t) => {
  const { show, metrics } = await room(t);
  const [port, client] = [await freePort(t), await bound(t, '127.0.0.1')];
  await show(vip('127.71.0.6', port));
  client.send('x', port, '127.71.0.6');
  while (valueOf(metrics, 'lb_vip_connect_failures_total', 'no-backend') === 0) await turns(1);
  t.equal(valueOf(metrics, 'lb_vip_udp_sessions'), 0);
});

t.test('IPv6', async (t) => {
  const { show } = await room(t);
  const one = await server(t, 'one', '::1');
  const client = await bound(t, '::1');
  const port = await freePort(t);
  await show(vip('::1', port, one.backend));
  t.equal(await ask(client, '::1', port, 'x'), 'one:x');
});
