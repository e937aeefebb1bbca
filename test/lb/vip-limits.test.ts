// What labels make of TCP VIPs in the user-space plane: who may connect, PROXY headers, policies, and the end of connections whose backend
// is gone.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import {
  createVipFunction,
  type VipFunction,
  type VipFunctionOptions,
  type VipOptions,
  type VipRecord,
} from '../../lb/index.ts';
import { proxyHeader } from '../../lb/user/proxy-header.ts';
import { backendKey, type Backend } from '../../src/cluster/index.ts';
import { createMetrics, silentLogger, systemClock, type Metrics } from '../../src/runtime/index.ts';
import { closeCode, listen, readAll, turns } from '../runtime/loopback.ts';
import { manualClock } from '../runtime/manual-clock.ts';

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
    timeouts: { connectMs: 3000, idleMs: 0, halfCloseMs: 0, drainMs: 30_000 },
    ...{ log: silentLogger, metrics, clock: systemClock, random: () => 0 },
    ...options,
  });
  t.teardown(() => vips.stop());
  await vips.start();
  const follow = (set: VipRecord[], removed: readonly string[]): void | Promise<void> =>
    vips.plane.apply({ set: set.map((one) => [one.key, one] as const), removed }, new Map());
  return {
    vips,
    metrics,
    show: async (record) => follow([record], []),
    hide: async ({ key }) => follow([], [key]),
  };
}

/** Says its name, then what it hears, to the end. */
async function backend(t: Test, name: string, ip = '127.0.0.1'): Promise<Backend> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.write(`${name}:`);
    socket.pipe(socket);
  });
  const port = await listen(server, ip);
  t.teardown(() => server.close());
  return { key: backendKey(ip, port), ip, port, task: null, weight: 1, state: 'up', zone: null };
}

function vip(ip: string, port: number, options: VipOptions, ...backends: readonly Backend[]): VipRecord {
  const key = `tcp/web.marathon:${port}`;
  return { key, protocol: 'tcp', name: 'web.marathon', ips: [ip], port, set: { id: key, backends }, options };
}

async function freePort(ip = '127.0.0.1'): Promise<number> {
  const server = createServer();
  const port = await listen(server, ip);
  server.close();
  await once(server, 'close');
  return port;
}

const dial = (ip: string, port: number, from?: string): Socket =>
  connect({ host: ip, port, allowHalfOpen: true, ...(from === undefined ? {} : { localAddress: from }) });

async function ask(ip: string, port: number, from?: string): Promise<string> {
  const socket = dial(ip, port, from);
  socket.end('hi');
  return String(await readAll(socket));
}

const refused = ({ metrics }: Room, reason: string): number | undefined =>
  metrics
    .read()
    .find(({ name }) => name === 'isthmus_lb_vip_connect_failures_total')
    ?.values.find(({ labels }) => labels['reason'] === reason)?.value;

t.test('only the networks of the allowlist may connect', async (t) => {
  const own = await room(t);
  const [one, port] = [await backend(t, 'one'), await freePort()];
  await own.show(vip('127.72.0.1', port, { allow: ['127.0.0.2', '10.0.0.0/8'] }, one));
  t.equal(await ask('127.72.0.1', port, '127.0.0.2'), 'one:hi');
  t.equal(await closeCode(dial('127.72.0.1', port, '127.0.0.3')), 'ECONNRESET');
  t.equal(refused(own, 'allow'), 1);
  await own.show(vip('127.72.0.1', port, {}, one));
  t.equal(await ask('127.72.0.1', port, '127.0.0.3'), 'one:hi');
});

t.test('a client gets its rate, each for itself', async (t) => {
  const clock = manualClock();
  const own = await room(t, { clock });
  const [one, port] = [await backend(t, 'one'), await freePort()];
  await own.show(vip('127.72.0.2', port, { rate: { perSecond: 2, burst: 3 } }, one));
  for (let i = 0; i < 3; i++) t.equal(await ask('127.72.0.2', port), 'one:hi');
  t.equal(await closeCode(dial('127.72.0.2', port)), 'ECONNRESET');
  t.equal(await ask('127.72.0.2', port, '127.0.0.9'), 'one:hi', 'another client');
  clock.advance(500);
  t.equal(await ask('127.72.0.2', port), 'one:hi', 'half a second later');
  t.equal(await closeCode(dial('127.72.0.2', port)), 'ECONNRESET');
  t.equal(refused(own, 'rate'), 2);
});

t.test('a client has so many connections at a time, also over a change of the table', async (t) => {
  const own = await room(t);
  const [one, two, port] = [await backend(t, 'one'), await backend(t, 'two'), await freePort()];
  await own.show(vip('127.72.0.3', port, { connections: 1 }, one));
  const first = dial('127.72.0.3', port);
  await once(first, 'data');
  await own.show(vip('127.72.0.3', port, { connections: 1 }, one, two));
  t.equal(await closeCode(dial('127.72.0.3', port)), 'ECONNRESET');
  first.end();
  await readAll(first);
  while (own.metrics.read().find(({ name }) => name === 'isthmus_lb_vip_active_connections')?.values[0]?.value !== 0)
    await turns(1);
  t.match(await ask('127.72.0.3', port), /:hi$/);
});

t.test('backends hear who called', async (t) => {
  const own = await room(t);
  const [one, port] = [await backend(t, 'one'), await freePort()];
  for (const version of ['v1', 'v2'] as const) {
    await own.show(vip('127.72.0.4', port, { proxyProtocol: version }, one));
    const socket = dial('127.72.0.4', port, '127.0.0.7');
    await once(socket, 'connect');
    const header = proxyHeader(version, {
      clientIp: '127.0.0.7',
      clientPort: socket.localPort ?? 0,
      ownIp: '127.72.0.4',
      ownPort: port,
    });
    socket.end('hi');
    t.strictSame(await readAll(socket), Buffer.concat([Buffer.from('one:'), header, Buffer.from('hi')]), version);
  }
});

t.test('PROXY headers to the letter', async (t) => {
  const of = (clientIp: string, ownIp: string): readonly [string, string] => {
    const addresses = { clientIp, clientPort: 56324, ownIp, ownPort: 443 };
    return [proxyHeader('v1', addresses).toString(), proxyHeader('v2', addresses).toString('hex')];
  };
  const signature = '0d0a0d0a000d0a515549540a';
  t.strictSame(of('::ffff:192.0.2.1', '198.51.100.7'), [
    'PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n',
    `${signature}2111000cc0000201c6336407dc0401bb`,
  ]);
  t.strictSame(of('2001:db8::1', 'fd01:c::5'), [
    'PROXY TCP6 2001:db8::1 fd01:c::5 56324 443\r\n',
    `${signature}2121002420010db8000000000000000000000001fd01000c000000000000000000000005dc0401bb`,
  ]);
  t.strictSame(of('192.0.2.1', 'fd01:c::5'), ['PROXY UNKNOWN\r\n', `${signature}21000000`]);
});

t.test('connections of a backend that is gone end at the deadline with a reset', async (t) => {
  const clock = manualClock();
  const own = await room(t, { clock });
  const [one, two, port] = [await backend(t, 'one'), await backend(t, 'two'), await freePort()];
  const show = (...backends: readonly Backend[]): Promise<void> => own.show(vip('127.72.0.5', port, {}, ...backends));
  await show(one);
  const old = dial('127.72.0.5', port);
  await once(old, 'data');
  const code = closeCode(old);
  await show({ ...one, weight: 0, state: 'draining' }, two);
  clock.advance(120_000);
  await show(two);
  clock.advance(29_000);
  await show(one, two);
  clock.advance(29_000);
  await show(two);
  clock.advance(29_000);
  old.write('still');
  t.equal(String((await once(old, 'data'))[0]), 'still', 'it came back once: the deadline began anew');
  clock.advance(1000);
  t.equal(await code, 'ECONNRESET');
  t.equal(await ask('127.72.0.5', port), 'two:hi');
});

t.test('the deadline of a label goes first, and a VIP that is gone has one too', async (t) => {
  const clock = manualClock();
  const own = await room(t, { clock });
  const [one, port] = [await backend(t, 'one'), await freePort()];
  const record = vip('127.72.0.6', port, { drainMs: 2000 }, one);
  await own.show(record);
  const old = dial('127.72.0.6', port);
  await once(old, 'data');
  const code = closeCode(old);
  await own.hide(record);
  t.equal(await closeCode(dial('127.72.0.6', port)), 'ECONNREFUSED');
  clock.advance(2000);
  t.equal(await code, 'ECONNRESET');
});

t.test('a policy by label binds clients to backends', async (t) => {
  const own = await room(t);
  const backends = [await backend(t, 'one'), await backend(t, 'two'), await backend(t, 'three')];
  const port = await freePort();
  await own.show(vip('127.72.0.7', port, { policy: 'maglev' }, ...backends));
  const seen = new Set<string>();
  for (let client = 1; client <= 20; client++) {
    const first = await ask('127.72.0.7', port, `127.0.1.${client}`);
    seen.add(first);
    t.equal(await ask('127.72.0.7', port, `127.0.1.${client}`), first);
  }
  t.ok(seen.size > 1);
});

t.test('IPv6', async (t) => {
  const own = await room(t);
  const [one, port] = [await backend(t, 'one', '::1'), await freePort('::1')];
  await own.show(vip('::1', port, {}, one));
  t.equal(await ask('::1', port), 'one:hi');
});
