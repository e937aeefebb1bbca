// The user-space plane on real sockets: VIPs at 127.x addresses, backends on loopback.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { createVipFunction, type VipFunction, type VipFunctionOptions, type VipRecord } from '../../lb/index.ts';
import { backendKey, type Backend } from '../../src/cluster/index.ts';
import type { Table } from '../../src/ports/index.ts';
import { createMetrics, silentLogger, systemClock, type Metrics } from '../../src/runtime/index.ts';
import { closeCode, listen, readAll, turns } from '../runtime/loopback.ts';
import { manualClock } from '../runtime/manual-clock.ts';

interface Room {
  readonly vips: VipFunction;
  readonly metrics: Metrics;
  /** Makes the plane follow these records as a change. */
  show(...records: readonly VipRecord[]): Promise<void>;
  hide(...records: readonly VipRecord[]): Promise<void>;
}

function room(t: Test, options: Partial<VipFunctionOptions> = {}): Room {
  const metrics = createMetrics();
  const vips = createVipFunction({
    workers: false,
    policy: 'roundrobin',
    timeouts: { connectMs: 3000, idleMs: 0, halfCloseMs: 0 },
    log: silentLogger,
    metrics,
    clock: systemClock,
    random: () => 0,
    ...options,
  });
  t.teardown(() => vips.stop());
  const table = new Map<string, VipRecord>();
  const follow = async (set: readonly VipRecord[], removed: readonly string[]): Promise<void> => {
    for (const record of set) table.set(record.key, record);
    for (const key of removed) table.delete(key);
    await vips.plane.apply({ set: set.map((record) => [record.key, record] as const), removed }, table);
  };
  return {
    vips,
    metrics,
    show: (...records) => follow(records, []),
    hide: (...records) =>
      follow(
        [],
        records.map(({ key }) => key),
      ),
  };
}

/** A server that says its name, then echoes; ends when its client does. */
async function backend(t: Test, name: string): Promise<Backend & { readonly server: Server }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.write(`${name}:`);
    socket.pipe(socket);
  });
  const port = await listen(server);
  t.teardown(() => server.close());
  return { ...at(port), server };
}

const at = (port: number, fields: Partial<Backend> = {}): Backend => ({
  key: backendKey('127.0.0.1', port),
  ip: '127.0.0.1',
  port,
  task: null,
  weight: 1,
  state: 'up',
  zone: null,
  ...fields,
});

function vip(name: string, ip: string, port: number, ...backends: readonly Backend[]): VipRecord {
  const key = `tcp/${name}:${port}`;
  const plain = backends.map((one) => at(one.port, { weight: one.weight, state: one.state }));
  return { key, protocol: 'tcp', name, ips: [ip], port, set: { id: key, backends: plain } };
}

/** A port that nothing listens on now. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  return port;
}

async function ask(ip: string, port: number, text = 'hi'): Promise<string> {
  const socket = connect({ host: ip, port, allowHalfOpen: true });
  socket.end(text);
  return String(await readAll(socket));
}

const dial = (ip: string, port: number): Socket => connect({ host: ip, port, allowHalfOpen: true });

function valueOf(metrics: Metrics, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const family = metrics.read().find((metric) => metric.name === `isthmus_${name}`);
  return family?.values.find((value) => Object.entries(labels).every(([key, wanted]) => value.labels[key] === wanted))
    ?.value;
}

t.test('a VIP serves its backends in turn, and half-closed clients get their answer', async (t) => {
  const { vips, show, metrics } = room(t);
  const [one, two, port] = [await backend(t, 'one'), await backend(t, 'two'), await freePort()];
  await show(vip('web.marathon', '127.70.0.1', port, one, two));
  await vips.start();
  t.strictSame(vips.addresses.all(), { [`tcp web.marathon:${port}`]: `127.70.0.1:${port}` });
  t.equal(await ask('127.70.0.1', port), 'one:hi');
  t.equal(await ask('127.70.0.1', port), 'two:hi');
  t.equal(await ask('127.70.0.1', port), 'one:hi');
  t.equal(valueOf(metrics, 'lb_vip_connections_total', { vip: `web.marathon:${port}` }), 3);
  t.strictSame(vips.problems(), []);
});

t.test('VIPs come and go while it runs', async (t) => {
  const { vips, show, hide, metrics } = room(t);
  const [one, port] = [await backend(t, 'one'), await freePort()];
  await vips.start();
  const web = vip('web.marathon', '127.70.0.2', port, one);
  await show(web);
  t.equal(await ask('127.70.0.2', port), 'one:hi', 'open when apply is done');
  const kept = dial('127.70.0.2', port);
  await once(kept, 'data');
  await hide(web);
  t.equal(await closeCode(dial('127.70.0.2', port)), 'ECONNREFUSED', 'closed when apply is done');
  t.strictSame(vips.addresses.all(), {});
  kept.end('still');
  t.equal(String(await readAll(kept)), 'still', 'an open tunnel goes on');
  t.equal(
    valueOf(metrics, 'lb_vip_connections_total', { vip: `web.marathon:${port}` }),
    undefined,
    'and its counter is gone',
  );
  await show(web);
  t.equal(await ask('127.70.0.2', port), 'one:hi', 'and back again');
});

t.test('liveness replaces the picker and leaves tunnels alone', async (t) => {
  const { vips, show } = room(t);
  const [one, two, port] = [await backend(t, 'one'), await backend(t, 'two'), await freePort()];
  await show(vip('web.marathon', '127.70.0.3', port, one));
  await vips.start();
  const kept = dial('127.70.0.3', port);
  await once(kept, 'data');
  await show(vip('web.marathon', '127.70.0.3', port, { ...one, state: 'draining', weight: 0 }, two));
  for (let i = 0; i < 3; i++) t.equal(await ask('127.70.0.3', port), 'two:hi');
  await show(vip('web.marathon', '127.70.0.3', port, two));
  kept.write('draining');
  t.equal(String((await once(kept, 'data'))[0]), 'draining');
  kept.end();
  await once(kept.resume(), 'end');
});

t.test('a backend that refuses is passed over before a byte is sent', async (t) => {
  const { vips, show, metrics } = room(t);
  const [dead, one, port] = [at(await freePort()), await backend(t, 'one'), await freePort()];
  await show(vip('web.marathon', '127.70.0.4', port, dead, one));
  await vips.start();
  for (let i = 0; i < 4; i++) t.equal(await ask('127.70.0.4', port), 'one:hi');
  t.ok((valueOf(metrics, 'lb_vip_connect_failures_total', { reason: 'refused' }) ?? 0) >= 2);
  t.equal(valueOf(metrics, 'lb_vip_connect_failures_total', { reason: 'no-backend' }), 0);
});

t.test('where every backend refuses, each is tried once and the client is reset', async (t) => {
  const { vips, show, metrics } = room(t);
  const [dead, gone, port] = [at(await freePort()), at(await freePort()), await freePort()];
  await show(vip('web.marathon', '127.70.0.5', port, dead, gone));
  await vips.start();
  t.equal(await closeCode(dial('127.70.0.5', port)), 'ECONNRESET');
  t.equal(valueOf(metrics, 'lb_vip_connect_failures_total', { reason: 'refused' }), 2);
  t.equal(valueOf(metrics, 'lb_vip_connect_failures_total', { reason: 'no-backend' }), 1);
  await turns(5);
  t.equal(valueOf(metrics, 'lb_vip_active_connections'), 0);
});

t.test('a backend that does not answer the connect costs its time, then the next one serves', async (t) => {
  const clock = manualClock();
  const { vips, show, metrics } = room(t, { clock });
  const slow = createServer({ pauseOnConnect: true });
  const full = await listen(slow);
  t.teardown(() => slow.close());
  const [one, port] = [await backend(t, 'one'), await freePort()];
  await show(vip('web.marathon', '127.70.0.6', port, at(full), one));
  await vips.start();
  const answer = ask('127.70.0.6', port);
  // Time runs out in the turn of the accept: loopback confirms a connect in the next one at the earliest.
  while (clock.pending === 0) await turns(1);
  clock.advance(3000);
  t.equal(await answer, 'one:hi');
  t.equal(valueOf(metrics, 'lb_vip_connect_failures_total', { reason: 'timeout' }), 1);
});

t.test('no further backend is tried when the time for all of them is over', async (t) => {
  const clock = manualClock();
  const { vips, show } = room(t, {
    clock,
    timeouts: { connectMs: 3000, connectTotalMs: 3000, idleMs: 0, halfCloseMs: 0 },
  });
  const slow = createServer({ pauseOnConnect: true });
  const slowPort = await listen(slow);
  t.teardown(() => slow.close());
  const [one, port] = [await backend(t, 'one'), await freePort()];
  await show(vip('web.marathon', '127.70.0.20', port, at(slowPort), one));
  await vips.start();
  const code = closeCode(dial('127.70.0.20', port));
  while (clock.pending === 0) await turns(1);
  clock.advance(3000);
  t.equal(await code, 'ECONNRESET');
});

t.test('connections beyond the most are reset', async (t) => {
  const { vips, show, metrics } = room(t, { mostConnections: 1 });
  const [one, port] = [await backend(t, 'one'), await freePort()];
  await show(vip('web.marathon', '127.70.0.21', port, one));
  await vips.start();
  const kept = dial('127.70.0.21', port);
  await once(kept, 'data');
  t.equal(await closeCode(dial('127.70.0.21', port)), 'ECONNRESET');
  t.equal(valueOf(metrics, 'lb_vip_connect_failures_total', { reason: 'limit' }), 1);
  kept.end();
  await once(kept.resume(), 'close');
  while (valueOf(metrics, 'lb_vip_active_connections') !== 0) await turns(1);
  t.equal(await ask('127.70.0.21', port), 'one:hi');
});

t.test('a limit or timeout of 0 is none', async (t) => {
  const timeouts = { connectMs: 0, connectTotalMs: 0, idleMs: 0, halfCloseMs: 0 };
  const { vips, show } = room(t, { mostConnections: 0, mostPerClient: 0, timeouts });
  const [one, dead, port] = [await backend(t, 'one'), await freePort(), await freePort()];
  await show(vip('web.marathon', '127.70.0.22', port, at(dead), one));
  await vips.start();
  t.equal(await ask('127.70.0.22', port), 'one:hi');
  t.equal(await ask('127.70.0.22', port), 'one:hi');
});

t.test('without a backend a VIP refuses at once', async (t) => {
  const { vips, show } = room(t);
  const [one, port] = [await backend(t, 'one'), await freePort()];
  await show(
    vip('a.marathon', '127.70.0.7', port),
    vip('b.marathon', '127.70.0.8', port, { ...one, state: 'down', weight: 0 }),
  );
  await vips.start();
  t.equal(await closeCode(dial('127.70.0.7', port)), 'ECONNRESET');
  t.equal(await closeCode(dial('127.70.0.8', port)), 'ECONNRESET');
});

t.test('a reset of the backend resets the client', async (t) => {
  const { vips, show, metrics } = room(t);
  const server = createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const [backendPort, port] = [await listen(server), await freePort()];
  t.teardown(() => server.close());
  await show(vip('web.marathon', '127.70.0.9', port, at(backendPort)));
  await vips.start();
  const client = dial('127.70.0.9', port);
  const code = closeCode(client);
  client.write('x');
  t.equal(await code, 'ECONNRESET');
  t.equal(valueOf(metrics, 'lb_vip_bytes_total', { direction: 'up' }), 1);
});

t.test('an address that cannot be opened costs itself alone, is told, and is tried again', async (t) => {
  const clock = manualClock();
  const warnings: string[] = [];
  const log = { ...silentLogger, warn: (_: unknown, message: string) => void warnings.push(message) };
  const { vips, show, metrics } = room(t, { clock, log, random: () => 0.5 });
  const one = await backend(t, 'one');
  const squatter = createServer();
  const port = await listen(squatter, '127.70.0.10');
  await show(
    vip('taken.marathon', '127.70.0.10', port, one),
    vip('far.marathon', '192.0.2.1', port, one),
    vip('web.marathon', '127.70.0.11', port, one),
  );
  await vips.start();
  t.equal(await ask('127.70.0.11', port), 'one:hi');
  t.match(vips.problems(), [
    new RegExp(`^tcp far.marathon:${port} at 192.0.2.1:${port} cannot be opened: .* no addresses of this .*127\\.x`),
    `tcp taken.marathon:${port} at 127.70.0.10:${port} cannot be opened: another program has them`,
  ]);
  t.equal(valueOf(metrics, 'lb_vip_unbound'), 2);
  squatter.close();
  await once(squatter, 'close');
  clock.advance(1000);
  while (valueOf(metrics, 'lb_vip_unbound') !== 1) await turns(1);
  t.equal(await ask('127.70.0.10', port), 'one:hi');
  for (let i = 0; i < 10; i++) {
    clock.advance(60_000);
    await turns(10);
  }
  t.equal(warnings.length, 2, 'each reason is logged once, however often it is tried');
});

t.test('a start where not one address could be opened says so among the problems', async (t) => {
  const { vips, show } = room(t);
  await show(vip('far.marathon', '192.0.2.1', 8080, at(1)));
  await vips.start();
  t.match(vips.problems().join(), /no addresses of this machine/);
});

t.test('two VIPs at one address: the first by key has it, the other when that goes', async (t) => {
  const { vips, show, hide } = room(t, { workers: true });
  const [one, two, port] = [await backend(t, 'one'), await backend(t, 'two'), await freePort()];
  const [first, second] = [vip('a.marathon', '127.70.0.12', port, one), vip('b.marathon', '127.70.0.12', port, two)];
  await show(second);
  await vips.start();
  t.equal(await ask('127.70.0.12', port), 'two:hi');
  await show(first);
  t.equal(await ask('127.70.0.12', port), 'one:hi');
  t.match(vips.problems(), [/^tcp\/b\.marathon:\d+: 127\.70\.0\.12:\d+ belongs to tcp\/a\.marathon/]);
  await hide(first);
  t.equal(await ask('127.70.0.12', port), 'two:hi');
  t.strictSame(vips.problems(), []);
});

t.test('with workers two functions share an address', async (t) => {
  const [one, two] = [room(t, { workers: true }), room(t, { workers: true })];
  const [backendOne, backendTwo, port] = [await backend(t, 'one'), await backend(t, 'two'), await freePort()];
  await one.show(vip('web.marathon', '127.70.0.13', port, backendOne));
  await two.show(vip('web.marathon', '127.70.0.13', port, backendTwo));
  await one.vips.start();
  await two.vips.start();
  const answers = await Promise.all(Array.from({ length: 64 }, () => ask('127.70.0.13', port)));
  t.strictSame(new Set(answers), new Set(['one:hi', 'two:hi']));
  await one.vips.drain(1000);
  for (let i = 0; i < 5; i++) t.equal(await ask('127.70.0.13', port), 'two:hi');
});

t.test('a backend of the other family is not for this address', async (t) => {
  const { vips, show } = room(t);
  const [one, port] = [await backend(t, 'one'), await freePort()];
  const record = vip('web.marathon', '127.70.0.14', port, one);
  const six: Backend = { ...at(one.port), ip: '::1', key: backendKey('::1', one.port) };
  await show({ ...record, set: { id: record.key, backends: [six] } });
  await vips.start();
  t.equal(await closeCode(dial('127.70.0.14', port)), 'ECONNRESET');
});

t.test('draining refuses new connections, waits for open ones, and not beyond its deadline', async (t) => {
  const clock = manualClock();
  const { vips, show } = room(t, { clock });
  const [one, port] = [await backend(t, 'one'), await freePort()];
  await show(vip('web.marathon', '127.70.0.16', port, one));
  await vips.start();
  const kept = dial('127.70.0.16', port);
  await once(kept, 'data');
  let drained = 0;
  const waits = [1000, 60_000].map((deadline) => vips.drain(deadline).then(() => drained++));
  await turns(20);
  t.equal(await closeCode(dial('127.70.0.16', port)), 'ECONNREFUSED');
  t.equal(drained, 0);
  clock.advance(1000);
  await waits[0];
  await turns(5);
  t.equal(drained, 1);
  kept.end('bye');
  t.equal(String(await readAll(kept)), 'bye');
  await waits[1];
});

t.test('stop cuts what is open', async (t) => {
  const { vips, show } = room(t);
  const [one, port] = [await backend(t, 'one'), await freePort()];
  await show(vip('web.marathon', '127.70.0.17', port, one));
  await vips.start();
  const kept = dial('127.70.0.17', port);
  await once(kept, 'data');
  const code = closeCode(kept);
  await vips.stop();
  t.equal(await code, 'ECONNRESET');
});

t.test('replace makes the plane follow a whole table', async (t) => {
  const { vips, show } = room(t);
  const [one, port] = [await backend(t, 'one'), await freePort()];
  await show(vip('a.marathon', '127.70.0.18', port, one));
  await vips.start();
  const next: Table<VipRecord> = new Map([['tcp/b.marathon', vip('b.marathon', '127.70.0.19', port, one)]]);
  await vips.plane.replace(next);
  await vips.plane.replace(next);
  t.strictSame(vips.addresses.all(), { [`tcp b.marathon:${port}`]: `127.70.0.19:${port}` });
  t.equal(await closeCode(dial('127.70.0.18', port)), 'ECONNREFUSED');
  t.equal(await ask('127.70.0.19', port), 'one:hi');
});

t.test('names are looked up whole, as the label says, and where that is clear without the framework', async (t) => {
  const { vips, show } = room(t);
  const records = ['web.marathon', 'web.dev', 'db.kafka', 'x.a', 'x.b'].map((name, i) =>
    vip(name, `127.70.1.${i}`, 80, at(1)),
  );
  await show(...records, { ...vip('192.0.2.9', '192.0.2.9', 80, at(1)), name: null });
  for (const [asked, found] of [
    ['web.marathon', 'web.marathon'],
    ['web.dev', 'web.dev'],
    ['/web', 'web.marathon'],
    ['/db', 'db.kafka'],
    ['db', 'db.kafka'],
    ['x', undefined],
    ['nothing', undefined],
  ] as const) {
    t.equal(vips.lookup(asked, 80)?.name, found, asked);
  }
  t.equal(vips.lookup('192.0.2.9', 80)?.key, 'tcp/192.0.2.9:80');
  t.equal(vips.lookup('web.marathon', 81), null);
});
