// Dialling: which addresses are tried, in which order, when, and that losers leave nothing behind.

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import t from 'tap';
import { createDialer, interleave, race, type Connect, type Verdict } from '../../../proxies/access/index.ts';
import type { Clock } from '../../../src/runtime/index.ts';
import { fakeResolver } from './scene.ts';

interface ManualClock extends Clock {
  advance(ms: number): void;
}

function manualClock(): ManualClock {
  let time = 0;
  const timers = new Set<{ readonly at: number; readonly action: () => void }>();
  return {
    now: () => time,
    monotonic: () => time,
    after(ms, action) {
      const timer = { at: time + ms, action };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
    advance(ms) {
      const end = time + ms;
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        timers.delete(next);
        time = next.at;
        next.action();
      }
      time = end;
    },
  };
}

interface FakeSocket extends EventEmitter {
  readonly ip: string;
  destroyed: boolean;
}

interface Connector {
  readonly connect: Connect;
  readonly sockets: readonly FakeSocket[];
}

/** Sockets that do nothing by themselves: black holes, until a test lets them speak. */
function fakeConnector(): Connector {
  const sockets: FakeSocket[] = [];
  const connect = (ip: string): Socket => {
    const socket: FakeSocket = Object.assign(new EventEmitter(), { ip, destroyed: false });
    Object.assign(socket, { destroy: () => (socket.destroyed = true) });
    sockets.push(socket);
    return socket as unknown as Socket;
  };
  return { connect, sockets };
}

const failed = (code: string): Error => Object.assign(new Error(code), { code });
const forever = new AbortController().signal;
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('families alternate, six at most', (t) => {
  t.strictSame(interleave(['1.1.1.1', '2.2.2.2', '3.3.3.3', 'a::1', 'a::2']), [
    '1.1.1.1',
    'a::1',
    '2.2.2.2',
    'a::2',
    '3.3.3.3',
  ]);
  t.strictSame(interleave(['a::1', '1.1.1.1']), ['a::1', '1.1.1.1']);
  t.equal(interleave(Array.from({ length: 9 }, (_, i) => `1.1.1.${i}`)).length, 6);
  t.end();
});

t.test('a black hole first: the second starts after 250 ms and wins', async (t) => {
  const clock = manualClock();
  const { connect, sockets } = fakeConnector();
  const racing = race(['1.1.1.1', 'a::1', '2.2.2.2'], 80, { connect, clock, connectMs: 4_000, signal: forever });
  t.equal(sockets.length, 1);
  clock.advance(249);
  t.equal(sockets.length, 1);
  clock.advance(1);
  t.equal(sockets.length, 2);
  t.notOk(sockets[0]?.destroyed, 'the first attempt keeps running');
  sockets[1]?.emit('connect');
  const result = await racing;
  t.match(result, { ip: 'a::1' });
  t.ok(sockets[0]?.destroyed, 'losers are closed');
  t.equal(sockets[1]?.listenerCount('error'), 0, 'the winner is handed over bare');
  t.doesNotThrow(() => sockets[0]?.emit('error', failed('ECONNRESET')), 'a dying loser is heard by somebody');
  clock.advance(10_000);
  t.equal(sockets.length, 2, 'no further attempt starts');
});

t.test('the first attempt may still win later', async (t) => {
  const clock = manualClock();
  const { connect, sockets } = fakeConnector();
  const racing = race(['1.1.1.1', '2.2.2.2'], 80, { connect, clock, connectMs: 4_000, signal: forever });
  clock.advance(400);
  sockets[0]?.emit('connect');
  t.match(await racing, { ip: '1.1.1.1' });
  t.ok(sockets[1]?.destroyed);
});

t.test('a refusal starts the next at once; an answer tells more than silence', async (t) => {
  const clock = manualClock();
  const { connect, sockets } = fakeConnector();
  const racing = race(['1.1.1.1', '2.2.2.2'], 80, { connect, clock, connectMs: 4_000, signal: forever });
  sockets[0]?.emit('error', failed('ECONNREFUSED'));
  t.equal(sockets.length, 2);
  clock.advance(4_000);
  t.strictSame(await racing, { failure: 'refused' });
  t.ok(sockets.every((socket) => socket.destroyed));
});

const codes = {
  EHOSTUNREACH: 'host-unreachable',
  ENETUNREACH: 'network-unreachable',
  ETIMEDOUT: 'connect-timeout',
  EPERM: 'connect-failure',
};

t.test('reasons out of error codes', async (t) => {
  for (const [code, failure] of Object.entries(codes)) {
    const { connect, sockets } = fakeConnector();
    const racing = race(['1.1.1.1'], 80, { connect, clock: manualClock(), connectMs: 4_000, signal: forever });
    sockets[0]?.emit('error', failed(code));
    t.strictSame(await racing, { failure });
  }
});

const allow = (isAllowed: boolean): Verdict => ({
  verdict: isAllowed ? 'allow' : 'deny',
  rule: isAllowed ? 0 : null,
  reason: isAllowed ? null : 'range',
  via: null,
  logsOpen: false,
});

interface Dialing {
  readonly dialer: ReturnType<typeof createDialer>;
  readonly clock: ManualClock;
  readonly sockets: readonly FakeSocket[];
}

function dialing(names: Parameters<typeof fakeResolver>[0] = {}): Dialing {
  const clock = manualClock();
  const { connect, sockets } = fakeConnector();
  const dialer = createDialer({
    resolver: fakeResolver(names),
    connect,
    clock,
    dnsMs: 6_000,
    connectMs: 4_000,
    dialMs: 10_000,
  });
  return { dialer, clock, sockets };
}

const name = { destination: { kind: 'name', name: 'x.example' }, port: 80, signal: forever } as const;

t.test('only what the rules allow is connected to, in its canonical form', async (t) => {
  const { dialer, sockets } = dialing({ 'x.example': ['127.0.0.1', '::ffff:8.8.8.8', 'nonsense'] });
  const dialed = dialer.dial({ ...name, judge: (ip) => allow(ip === '8.8.8.8') });
  await settled();
  t.strictSame(
    sockets.map(({ ip }) => ip),
    ['8.8.8.8'],
  );
  sockets[0]?.emit('connect');
  t.match(await dialed, { ip: '8.8.8.8', rule: 0 });
});

t.test('all blocked by the rules is a denial, not a timeout', async (t) => {
  const { dialer, sockets } = dialing({ 'x.example': ['127.0.0.1', '::1'] });
  t.match(await dialer.dial({ ...name, judge: () => allow(false) }), { failure: 'range' });
  t.equal(sockets.length, 0);
});

t.test('failures of the resolver', async (t) => {
  const judge = (): Verdict => allow(true);
  const failure = async (entry: Parameters<typeof fakeResolver>[0]): Promise<unknown> => {
    const result = await dialing(entry).dialer.dial({ ...name, judge });
    return 'failure' in result ? result.failure : null;
  };
  t.equal(await failure({}), 'nonexistent');
  t.equal(await failure({ 'x.example': [] }), 'nonexistent');
  t.equal(await failure({ 'x.example': { failure: 'timeout', reason: '' } }), 'dns-timeout');
  t.equal(await failure({ 'x.example': { failure: 'unavailable', reason: '' } }), 'dns-failure');
});

t.test("the overall deadline and the client's end stop everything", async (t) => {
  const slow = dialing({ 'x.example': Array.from({ length: 6 }, (_, i) => `8.8.8.${i}`) });
  const timedOut = slow.dialer.dial({ ...name, judge: () => allow(true) });
  await settled();
  slow.clock.advance(10_000);
  t.match(await timedOut, { failure: 'connect-timeout' });
  t.ok(slow.sockets.every((socket) => socket.destroyed));
  const left = dialing({ 'x.example': ['8.8.8.8'] });
  const gone = new AbortController();
  const aborted = left.dialer.dial({ ...name, judge: () => allow(true), signal: gone.signal });
  await settled();
  gone.abort();
  t.match(await aborted, { failure: 'aborted' });
  t.ok(left.sockets[0]?.destroyed);
});
