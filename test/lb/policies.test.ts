// Every policy passes the contract; what each does beyond it.

import fc from 'fast-check';
import t from 'tap';
import {
  createLedger,
  hashOfRequest,
  maglevTable,
  parseBalance,
  policyNamed,
  policyNames,
  policyOf,
} from '../../lb/index.ts';
import { slotsOf } from '../../lb/policies/slots.ts';
import type { Backend } from '../../src/cluster/index.ts';
import type { Picker } from '../../src/ports/index.ts';
import { seededRandom } from '../../src/runtime/index.ts';
import { backend, backendSet, requests, testPolicy } from '../contracts/policy.ts';
import { manualClock } from '../runtime/manual-clock.ts';

const any = { hash: 0, tried: null };

for (const name of policyNames)
  t.test(name, async (t) => testPolicy(t, policyNamed(name, seededRandom(1)), name !== 'first'));

t.test('with a panic threshold, a slow start and near backends the contract holds as well', async (t) => {
  const tools = { panicRatio: 0.5, slowStartMs: 1000, random: seededRandom(3), isLocal: () => true };
  for (const policy of ['local', 'roundrobin', 'two-choices']) testPolicy(t, policyOf({ policy }, tools));
});

t.test('round robin takes turns and goes on after a change', async (t) => {
  const policy = policyNamed('roundrobin', () => 0);
  const three = policy(backendSet(backend(1), backend(2), backend(3)), null);
  t.strictSame(
    [1, 2, 3, 4].map(() => three.pick(any)?.ip),
    ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.1'],
  );
  const four = policy(backendSet(backend(1), backend(2), backend(3), backend(4)), three);
  t.equal(four.pick(any)?.ip, '10.0.0.2');
});

t.test('random meets the same backend with the same hash', async (t) => {
  const picker = policyNamed('random')(backendSet(backend(1), backend(2), backend(3)), null);
  for (const request of requests(20)) t.equal(picker.pick(request), picker.pick(request));
});

t.test('slots spread weights instead of bunching them', async (t) => {
  const slots = slotsOf([backend(1, { weight: 4 }), backend(2, { weight: 2 }), backend(3)]);
  t.strictSame(
    slots.map((slot) => slot.ip.at(-1)),
    ['1', '2', '1', '3', '1', '2', '1'],
  );
});

t.test('a tiny weight has a slot still, and slots stay bounded', async (t) => {
  const slots = slotsOf([backend(1, { weight: 1e6 }), backend(2, { weight: 0.001 })]);
  t.ok(slots.some((slot) => slot.ip === '10.0.0.2'));
  t.ok(slots.length <= 1025);
});

t.test('least connections fills up who has least for its weight, and remembers over a change', async (t) => {
  const policy = policyNamed('leastconn', () => 0);
  const picker = policy(backendSet(backend(1, { weight: 2 }), backend(2)), null);
  const count = (some: Picker, picks: number): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (let i = 0; i < picks; i++) {
      const chosen = some.pick(any) as Backend;
      some.started(chosen);
      counts[chosen.ip] = (counts[chosen.ip] ?? 0) + 1;
    }
    return counts;
  };
  t.strictSame(count(picker, 300), { '10.0.0.1': 200, '10.0.0.2': 100 });
  const wider = policy(backendSet(backend(1, { weight: 2 }), backend(2), backend(3)), picker);
  t.strictSame(count(wider, 100), { '10.0.0.3': 100 }, 'the newcomer gets all until it is level');
});

t.test('what has ended counts no more, also where the set was replaced meanwhile', async (t) => {
  const ledger = createLedger();
  const policy = policyOf({ policy: 'leastconn' }, { ledger, random: () => 0 });
  const picker = policy(backendSet(backend(1)), null);
  const tally = picker.started(backend(1));
  t.equal(ledger.inFlight(backend(1).key), 1);
  const after = policy(backendSet(backend(2)), picker);
  t.equal(ledger.inFlight(backend(1).key), 1, 'of a backend that has left its set as well');
  tally.ended();
  t.equal(ledger.inFlight(backend(1).key), 0);
  after.started(backend(2)).ended();
  ledger.take(10);
  t.equal(ledger.inFlight(backend(2).key), 0);
});

t.test('two choices gives the slow one less, and a second chance later', async (t) => {
  const ledger = createLedger();
  const picker = policyOf({ policy: 'two-choices' }, { ledger })(backendSet(backend(1), backend(2), backend(3)), null);
  for (const n of [1, 2, 3]) picker.started(backend(n)).judged('ok', n === 3 ? 400 : 10);
  const share = (): number => requests(600).filter((one) => picker.pick(one)?.ip === '10.0.0.3').length;
  t.equal(share(), 0, 'of two, the slow one always loses');
  for (let step = 0; step < 1200; step++) ledger.take(10);
  t.ok(share() > 100, 'what was long ago is forgotten');
});

t.test('the ledger tells sums once, failures after the last success, and no more than asked', async (t) => {
  const ledger = createLedger();
  const picker = policyOf({ policy: 'first' }, { ledger })(backendSet(backend(1), backend(2)), null);
  const say = (n: number, ...outcomes: readonly ('ok' | 'unreachable' | 'failed')[]): void => {
    for (const outcome of outcomes) {
      const tally = picker.started(backend(n));
      tally.judged(outcome, 1);
      tally.ended();
    }
  };
  say(1, 'failed', 'ok', 'unreachable', 'failed');
  say(2, 'ok');
  t.strictSame(ledger.take(1), [{ backend: backend(1).key, ok: 1, unreachable: 1, failed: 2, tail: 3 }]);
  t.strictSame(ledger.take(1), [{ backend: backend(2).key, ok: 1, unreachable: 0, failed: 0, tail: 0 }]);
  t.strictSame(ledger.take(1), []);
});

t.test('maglev: every hash meets one backend, in whatever order and worker the table was made', async (t) => {
  const set = (order: readonly number[]): Picker =>
    policyNamed('maglev')(backendSet(...order.map((n) => backend(n))), null);
  const one = set([1, 2, 3, 4, 5]);
  const other = set([3, 5, 1, 4, 2]);
  for (const request of requests(500)) t.equal(one.pick(request)?.key, other.pick(request)?.key);
});

t.test('maglev: a change moves little more than the share of what changed', async (t) => {
  const policy = policyNamed('hash');
  const property = fc.property(fc.integer({ min: 3, max: 60 }), fc.nat(), (count, seed) => {
    const backends = Array.from({ length: count }, (_, i) => backend(i + 1));
    const gone = seed % count;
    const before = policy(backendSet(...backends), null);
    const after = policy(backendSet(...backends.filter((_, i) => i !== gone)), before);
    const picks = requests(400);
    const moved = picks.filter((one) => {
      const former = before.pick(one)?.key;
      return former !== backends[gone]?.key && former !== after.pick(one)?.key;
    });
    return moved.length / picks.length < 0.15;
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 60, seed: 11 }));
});

t.test('maglev: shares are even and follow weights, in small tables as in large', async (t) => {
  const shareOf = (table: Uint16Array, index: number): number =>
    table.filter((one) => one === index).length / table.length;
  for (const [count, size] of [
    [5, 127],
    [10, 251],
    [50, 2039],
  ] as const) {
    const table = maglevTable(
      Array.from({ length: count }, (_, i) => ({ backend: backend(i + 1), weight: 1 })),
      size,
    );
    t.equal(table.length, size);
    for (let i = 0; i < count; i++) t.ok(Math.abs(shareOf(table, i) * count - 1) < 0.1, `${i} of ${count}`);
  }
  const weighted = maglevTable(
    [
      { backend: backend(1), weight: 3 },
      { backend: backend(2), weight: 1 },
    ],
    2039,
  );
  t.ok(Math.abs(shareOf(weighted, 0) - 0.75) < 0.01);
  t.equal(maglevTable([], 127).length, 0);
});

t.test('first: the others stand by', async (t) => {
  const picker = policyNamed('first')(backendSet(backend(1), backend(2)), null);
  t.equal(picker.pick(any)?.ip, '10.0.0.1');
  t.equal(picker.pick({ hash: 0, tried: new Set([backend(1).key]) })?.ip, '10.0.0.2');
});

t.test('local: near ones take all until fewer than 71 % of them are in health, then the rest helps', async (t) => {
  const isLocal = ({ ip }: Backend): boolean => ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'].includes(ip);
  const policy = policyOf({ policy: 'local' }, { isLocal, random: seededRandom(5) });
  const near = (downs: number): number => {
    const backends = [1, 2, 3, 4].map((n) => backend(n, n <= downs ? { state: 'down', weight: 0, failing: true } : {}));
    const picker = policy(backendSet(...backends, backend(5), backend(6)), null);
    return requests(1000).filter((one) => isLocal(picker.pick(one) as Backend)).length / 1000;
  };
  t.equal(near(0), 1);
  t.equal(near(1), 1);
  t.ok(Math.abs(near(2) - 0.7) < 0.06);
  t.ok(Math.abs(near(3) - 0.35) < 0.06);
  t.equal(near(4), 0);
});

t.test('slow start: a newcomer gets a tenth of its share at first, all of it in the end', async (t) => {
  const clock = manualClock();
  const policy = policyOf({ policy: 'roundrobin' }, { clock, slowStartMs: 10_000, random: seededRandom(9) });
  const old = policy(backendSet(backend(1), backend(2), backend(3)), null);
  const share = (picker: Picker): number =>
    (requests(4000).filter((one) => picker.pick(one)?.ip === '10.0.0.4').length / 4000) * 4;
  clock.advance(1);
  const picker = policy(backendSet(backend(1), backend(2), backend(3), backend(4)), old);
  t.ok(Math.abs(share(picker) - 0.1) < 0.04);
  clock.advance(5000);
  const again = policy(backendSet(backend(1), backend(2), backend(4)), picker);
  t.ok(Math.abs(share(again) - (0.5 * 4) / 3) < 0.1, 'goes on over a change of the set');
  clock.advance(5000);
  t.ok(Math.abs(share(again) - 4 / 3) < 0.05);
  const first = policy(backendSet(backend(4)), null);
  t.equal(share(first), 4, 'at our own start everybody has been there for long');
});

t.test('panic: below the threshold those that fail checks are used, drained and unready ones never', async (t) => {
  const failing = { state: 'down', weight: 0, failing: true } as const;
  const used = (panicRatio: number, ...backends: readonly Backend[]): string => {
    const picker = policyOf({ policy: 'roundrobin' }, { panicRatio })(backendSet(...backends), null);
    return [...new Set(requests(40).map((one) => picker.pick(one)?.ip.at(-1)))].sort().join('');
  };
  const down = backend(4, { state: 'down', weight: 0 });
  const drained = backend(5, { state: 'draining', weight: 0 });
  t.equal(used(0.5, backend(1), backend(2, failing), backend(3, failing), down, drained), '123');
  t.equal(used(0.5, backend(1), backend(2, failing), down, drained), '1', 'half in health is enough');
  t.equal(used(0, backend(1), backend(2, failing), backend(3, failing)), '1');
  t.equal(used(0.5, backend(2, failing), drained), '2', 'the last resort');
});

t.test("words for policies, HAProxy's and our own", async (t) => {
  const words: Readonly<Record<string, unknown>> = {
    roundrobin: { policy: 'roundrobin' },
    'static-rr': { policy: 'roundrobin' },
    LeastConn: { policy: 'leastconn' },
    first: { policy: 'first' },
    random: { policy: 'random' },
    'random(3)': { policy: 'random', draws: 3 },
    source: { policy: 'hash', key: { by: 'client' } },
    'uri len 20 depth 2': { policy: 'hash', key: { by: 'uri', length: 20, depth: 2 } },
    'uri whole': { policy: 'hash', key: { by: 'uri', whole: true } },
    'url_param sid': { policy: 'hash', key: { by: 'query', name: 'sid' } },
    'hdr(X-User)': { policy: 'hash', key: { by: 'header', name: 'x-user' } },
    'hash cookie SID': { policy: 'hash', key: { by: 'cookie', name: 'SID' } },
    maglev: { policy: 'maglev' },
    'least-connections': { policy: 'leastconn' },
    p2c: { policy: 'two-choices' },
    'prefer-local': { policy: 'local' },
  };
  for (const [text, balance] of Object.entries(words)) t.strictSame(parseBalance(text), balance, text);
  for (const text of ['', 'rdp-cookie', 'fastest', 'random(99)', 'uri far', 'hdr()', 'url_param', 'roundrobin twice'])
    t.match(parseBalance(text), { rejected: String, hint: String }, text);
});

t.test('the hash of a request is made of what its key says', async (t) => {
  const request = (target: string, fields: Readonly<Record<string, string>> = {}) => ({
    clientAddress: () => '192.0.2.1',
    target: () => target,
    field: (name: string) => fields[name] ?? null,
    cookie: () => null,
  });
  const uri = { by: 'uri' } as const;
  const hash = (key: Parameters<typeof hashOfRequest>[0], target: string): number | null =>
    hashOfRequest(key, request(target));
  t.equal(hash(uri, '/a/b?x=1'), hash(uri, '/a/b?x=2'));
  t.not(hash({ ...uri, whole: true }, '/a/b?x=1'), hash({ ...uri, whole: true }, '/a/b?x=2'));
  t.equal(hash({ ...uri, depth: 1 }, '/a/b/c'), hash({ ...uri, depth: 1 }, '/a/d'));
  t.not(hash({ ...uri, depth: 2 }, '/a/b/c'), hash({ ...uri, depth: 2 }, '/a/d/c'));
  t.equal(hash({ ...uri, length: 3 }, '/abc'), hash({ ...uri, length: 3 }, '/abd'));
  t.equal(hash({ by: 'query', name: 's' }, '/?xs=9&s=1'), hash({ by: 'query', name: 's' }, '/b?s=1&t=2'));
  t.equal(hash({ by: 'query', name: 's' }, '/?xs=9'), null);
  t.equal(hashOfRequest({ by: 'header', name: 'x' }, request('/')), null);
  t.not(hashOfRequest({ by: 'header', name: 'x' }, request('/', { x: 'a' })), null);
});
