// Who gets how much: users, apps, bandwidth, descriptors, what is under way, and the parts that workers get.

import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { createBandwidth } from '../../../proxies/access/bandwidth.ts';
import { createShares } from '../../../proxies/access/shares.ts';
import { createGate } from '../../../proxies/access/gate.ts';
import {
  createAdmissions,
  createDescriptorBudget,
  createDialer,
  limitsOf,
  type Verdict,
} from '../../../proxies/access/index.ts';
import { connectForTunnel, openTunnel, systemClock, type TunnelResult } from '../../../src/runtime/index.ts';
import { manualClock } from '../../runtime/manual-clock.ts';
import { fakeResolver, serve } from './scene.ts';

const from = (user: string | null, apps: readonly string[] = []) => ({ listener: 'a:1', user, apps });

t.test('connections of one user and of one app', (t) => {
  const hits: string[] = [];
  const limits = limitsOf('socks', { perUser: 2, perApp: 1 });
  const admissions = createAdmissions(limits, systemClock, (limit) => hits.push(limit));
  const admit = (user: string | null, apps?: readonly string[]) => {
    const admission = admissions.admit(from(user, apps));
    return admission === 'limit' ? null : admission;
  };
  const first = admit('bob');
  t.ok(first !== null && admit('bob') !== null);
  t.equal(admit('bob'), null);
  t.ok(admit('eve') !== null, 'others have their own');
  t.ok(admit(null) !== null && admit(null) !== null && admit(null) !== null, 'nobody in particular is not counted');
  first?.release();
  t.ok(admit('bob') !== null, 'what is given back is there again');
  t.ok(admit(null, ['/a', '/b']) !== null);
  t.equal(admit(null, ['/b']), null, 'an address of two apps counts for both');
  t.strictSame(hits, ['user', 'app']);
  t.end();
});

t.test('workers get equal parts of what is shared, and all of what is not', (t) => {
  const limits = limitsOf('socks', { connections: 10, perClient: 3, headerBytes: 99, connectionBytesPerSecond: 7 }, 4);
  t.match(limits, { connections: 3, perClient: 1, headerBytes: 99, connectionBytesPerSecond: 7, perUser: Infinity });
  t.end();
});

t.test('descriptors: nine tenths, then no more until some are given back', (t) => {
  let open = 50;
  const clock = manualClock();
  const budget = createDescriptorBudget({ clock, limit: 100, count: () => open });
  const gate = createGate(limitsOf('socks'), clock, { descriptors: budget });
  for (let i = 0; i < 20; i++) t.equal(gate.enter('10.0.0.1'), null);
  t.equal(gate.enter('10.0.0.1'), 'limit');
  t.equal(gate.enter('127.0.0.1'), 'limit', 'loopback has descriptors too');
  gate.leave('10.0.0.1');
  t.equal(gate.enter('10.0.0.1'), null);
  open = 0;
  clock.advance(1_000);
  t.equal(gate.enter('10.0.0.1'), null, 'counted anew');
  t.end();
});

t.test('a bucket lets its rate through, whoever shares it', (t) => {
  const clock = manualClock();
  const bandwidth = createBandwidth(clock);
  const shared = bandwidth.bucket(100_000);
  let passed = 0;
  for (let i = 0; i < 2; i++) {
    const shaper = bandwidth.shaper([shared]);
    const read = (): void => {
      passed += 1_000;
      while (shaper?.take(1_000, read) === true) passed += 1_000;
    };
    read();
  }
  clock.advance(2_000);
  t.ok(passed > 195_000 && passed < 225_000, `${passed} bytes in two seconds at 100000 a second`);
  t.equal(bandwidth.shaper([]), null);
  t.end();
});

async function tunnel(
  t: Test,
  options: { rate?: number; lifetimeMs?: number },
): Promise<{ client: Socket; ended: Promise<TunnelResult> }> {
  const bytes = Buffer.alloc(400_000);
  const source = await serve((socket) => socket.end(bytes));
  const bandwidth = createBandwidth(systemClock);
  let end: (result: TunnelResult) => void = () => undefined;
  const ended = new Promise<TunnelResult>((resolve) => (end = resolve));
  const front = await serve((socket) => {
    const upstream = connectForTunnel({ host: '127.0.0.1', port: source.port });
    upstream.once('connect', () => {
      const shaper = options.rate === undefined ? null : bandwidth.shaper([bandwidth.bucket(options.rate)]);
      const { lifetimeMs = 0 } = options;
      openTunnel(socket, upstream, { idleMs: 0, halfCloseMs: 0, lifetimeMs, shaper, clock: systemClock, onEnd: end });
    });
  });
  t.teardown(() => Promise.all([source.close(), front.close()]));
  const client = connectTcp({ host: '127.0.0.1', port: front.port });
  client.on('error', () => undefined);
  return { client, ended };
}

t.test('a tunnel keeps to its rate and loses nothing', async (t) => {
  const { client, ended } = await tunnel(t, { rate: 1_000_000 });
  const started = performance.now();
  let got = 0;
  client.on('data', (chunk: Buffer) => (got += chunk.length));
  await once(client, 'end');
  const { bytesDown, reason } = await ended;
  t.strictSame({ got, bytesDown, reason }, { got: 400_000, bytesDown: 400_000, reason: 'finished' });
  t.ok(performance.now() - started > 100, 'not at once');
});

t.test('a tunnel ends with its life, however busy it is', async (t) => {
  const { client, ended } = await tunnel(t, { rate: 10_000, lifetimeMs: 150 });
  client.resume();
  t.match(await ended, { reason: 'lifetime' });
});

t.test('who takes all places leaves half of them', (t) => {
  const shares = createShares(8);
  const take = (who: string | null, times: number): number =>
    Array.from({ length: times }, () => shares.take(who)).filter(Boolean).length;
  t.equal(take('a', 9), 4);
  t.equal(take('b', 9), 2);
  t.equal(take(null, 9), 2, 'nobody in particular has what is left');
  t.equal(take('c', 1), 0);
  for (let i = 0; i < 4; i++) shares.give('a');
  t.equal(take('c', 9), 2);
  t.equal(take('a', 9), 2);
  t.end();
});

t.test('attempts and look-ups under way', async (t) => {
  const hits: string[] = [];
  const silent = await serve(() => undefined);
  t.teardown(() => silent.close());
  const never = { lookup: () => undefined, resolve: () => new Promise<never>(() => undefined) };
  const judge = (): Verdict => ({ verdict: 'allow', rule: 0, reason: null, via: null, logsOpen: false });
  const make = (
    resolver: ReturnType<typeof fakeResolver> | typeof never,
    connect: (ip: string, port: number) => Socket,
  ) =>
    createDialer({
      ...{ resolver, connect, clock: systemClock, dnsMs: 500, connectMs: 500, dialMs: 500 },
      ...{ mostDials: 1, mostLookups: 1, onHit: (limit) => hits.push(limit) },
    });
  const request = (name: string) => ({
    ...{ destination: { kind: 'name', name } as const, port: silent.port, judge },
    signal: new AbortController().signal,
  });
  const looking = make(never, (host, port) => connectTcp({ host, port }));
  const first = looking.dial(request('a.example'));
  t.match(await looking.dial(request('b.example')), { failure: 'limit' });
  t.match(await first, { failure: 'dns-timeout' });
  const known = fakeResolver({ 'a.own': ['127.0.0.1'] });
  const dialing = make(known, (host, port) => connectTcp({ host, port }));
  const [one, other] = await Promise.all([dialing.dial(request('a.own')), dialing.dial(request('a.own'))]);
  t.match(other, { failure: 'limit' });
  if ('socket' in one) one.socket.destroy();
  t.strictSame(hits, ['lookups', 'dials']);
});
