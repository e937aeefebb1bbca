// Certificates by ACME against an authority that checks everything: who gets one, when it is renewed, and what is done when it will not be had.

import { createHash, X509Certificate } from 'node:crypto';
import t from 'tap';
import { createAcmeSource, type AcmeOptions } from '../../../certs/index.ts';
import type { CertificatePicture, ChallengeResponder, Store } from '../../../src/ports/index.ts';
import { createMetrics, seededRandom, silentLogger } from '../../../src/runtime/index.ts';
import { createMemoryStore } from '../../../src/store/index.ts';
import { manualClock, type ManualClock } from '../../runtime/manual-clock.ts';
import { startFakeAuthority, type FakeAuthority, type FakeAuthorityOptions } from './fake-authority.ts';

const dayMs = 86_400_000;
const lifeMs = 90 * dayMs;

interface Edge {
  hosts: readonly string[];
  picture(): CertificatePicture;
  look(): void;
  metric(name: string, labels?: string): number;
  stop(): Promise<void>;
}

interface Place {
  readonly authority: FakeAuthority;
  readonly clock: ManualClock;
  readonly store: Store;
  open(hosts: readonly string[], options?: Partial<AcmeOptions>): Edge;
  /** Moves time on, a bit at a time, until `isSo`. */
  until(what: string, isSo: () => boolean): Promise<void>;
  /** What is shown to the authority: `type host token` → key authorization. */
  readonly shown: Map<string, string>;
}

async function place(test: Pick<typeof t, 'teardown'>, options: Partial<FakeAuthorityOptions> = {}): Promise<Place> {
  const clock = manualClock(Math.floor(Date.now() / 1000) * 1000);
  const shown = new Map<string, string>();
  const look = (type: string, host: string, token: string): string | null =>
    shown.get(`${type} ${host} ${token}`) ?? null;
  const authority = await startFakeAuthority({ clock, lifeMs, look, ...options });
  const store = createMemoryStore();
  const responder = responderFor('http-01', shown);
  const edges: Edge[] = [];
  test.teardown(async () => {
    await Promise.all(edges.map((edge) => edge.stop()));
    await authority.close();
  });
  const open = (hosts: readonly string[], more: Partial<AcmeOptions> = {}): Edge => {
    const edge = openEdge(hosts, {
      directory: authority.url,
      email: 'ops@shop.example',
      binding: null,
      responder,
      keyType: 'ecdsa',
      domains: 'routed',
      coverage: () => () => false,
      store,
      clock,
      random: seededRandom(1),
      log: silentLogger,
      ...more,
    });
    edges.push(edge);
    return edge;
  };
  const until = async (what: string, isSo: () => boolean): Promise<void> => {
    const deadline = Date.now() + 60_000;
    while (!isSo()) {
      if (Date.now() > deadline)
        throw new Error(`${what}: not so. ${JSON.stringify(edges.map((edge) => edge.picture().problems))}`);
      clock.advance(100);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  return { authority, clock, store, open, until, shown };
}

function responderFor(type: ChallengeResponder['type'], shown: Map<string, string>): ChallengeResponder {
  return {
    type,
    present: async (host, token, keyAuthorization) => void shown.set(`${type} ${host} ${token}`, keyAuthorization),
    withdraw: async (host, token) => void shown.delete(`${type} ${host} ${token}`),
  };
}

function openEdge(hosts: readonly string[], options: Omit<AcmeOptions, 'hosts' | 'metrics'>): Edge {
  const metrics = createMetrics();
  const source = createAcmeSource({ ...options, metrics, hosts: () => edge.hosts });
  const abort = new AbortController();
  let picture: CertificatePicture = { entries: [], problems: [] };
  const watching = (async () => {
    for await (const one of source.watch(abort.signal)) picture = one;
  })();
  const edge: Edge = {
    hosts,
    picture: () => picture,
    look: () => source.look(),
    metric(name, label = '') {
      const found = metrics.read().find((one) => one.name === `isthmus_${name}`);
      const values = (found?.values ?? []).filter(({ labels }) => JSON.stringify(labels).includes(label));
      return values.reduce((sum, { value }) => sum + value, 0);
    },
    async stop() {
      abort.abort();
      await watching;
    },
  };
  return edge;
}

const leafOf = (edge: Edge, name: string): X509Certificate | null => {
  const entry = edge.picture().entries.find(({ origin }) => origin === `acme ${name}`);
  return entry === undefined ? null : new X509Certificate(entry.chain);
};
const has = (edge: Edge, ...names: readonly string[]): boolean => names.every((name) => leafOf(edge, name) !== null);
const reasonsOf = (edge: Edge): string =>
  edge
    .picture()
    .problems.map(({ origin, reason, hint }) => `${origin}: ${reason}; ${hint}`)
    .join('\n');

t.test(
  'issued for hosts that are routed and allowed, kept, and served after a restart before anybody is asked',
  async (t) => {
    const { authority, open, until, shown, store } = await place(t);
    authority.refusedNonces = 7;
    const coverage = () => (host: string) => host === 'has.shop.example';
    const domains = ['*.shop.example', 'shop.example'];
    const hosts = [
      'a.shop.example',
      'b.shop.example',
      'shop.example',
      'has.shop.example',
      'x.y.shop.example',
      'evil.example',
    ];
    const edge = open(hosts, { domains, coverage });
    await until('issued', () => has(edge, 'a.shop.example', 'b.shop.example', 'shop.example'));
    t.same(authority.orders.map(({ name }) => name).sort(), ['a.shop.example', 'b.shop.example', 'shop.example']);
    t.equal(shown.size, 0, 'proofs are taken down');
    t.same(authority.accounts, [{ contact: ['mailto:ops@shop.example'] }], 'one account');
    const leaf = leafOf(edge, 'a.shop.example');
    t.equal(leaf?.issuer, 'CN=fake authority');
    t.equal(leaf?.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    t.equal(edge.metric('certs_acme_orders_total', 'issued'), 3);
    edge.hosts = [...hosts, 'c.shop.example'];
    edge.look();
    await until('a new host', () => has(edge, 'c.shop.example'));
    await edge.stop();

    const asked = authority.requests;
    authority.isDown = true;
    const again = open([], { domains });
    await until('served again', () => has(again, 'a.shop.example', 'c.shop.example'));
    t.equal(leafOf(again, 'a.shop.example')?.fingerprint256, leaf?.fingerprint256);
    t.equal(authority.requests, asked, 'from the store alone');
    t.equal(
      (await store.list('certs/acme/')).filter((key) => key.endsWith('lock.json')).length,
      0,
      'the lock was given back',
    );
  },
);

t.test(
  'renewed when two thirds of its life are over, where the authority gives no advice; RSA where asked for',
  async (t) => {
    const { authority, clock, open, until } = await place(t);
    const edge = open(['a.example'], { keyType: 'rsa' });
    await until('issued', () => has(edge, 'a.example'));
    const first = leafOf(edge, 'a.example');
    t.equal(first?.publicKey.asymmetricKeyType, 'rsa');
    const renewAt = edge.picture().entries[0]?.renewAt ?? 0;
    const share = (renewAt - Date.parse(first?.validFrom ?? '')) / lifeMs;
    t.ok(share > 0.6 && share <= 0.67, `at ${share} of its life`);
    clock.advance(renewAt - clock.now() - 60_000);
    t.equal(authority.orders.length, 1, 'not before');
    clock.advance(120_000);
    await until('renewed', () => leafOf(edge, 'a.example')?.fingerprint256 !== first?.fingerprint256);
    t.same(
      authority.orders[1],
      { name: 'a.example', replaces: null },
      'an authority without ARI is told of no predecessor',
    );
    t.equal(edge.metric('certs_acme_orders_total', 'renewed'), 1);
  },
);

t.test("renewed by the authority's advice (RFC 9773), asked for at its pace", async (t) => {
  const { authority, clock, open, until } = await place(t);
  const asked: string[] = [];
  let startsIn = 40 * dayMs;
  authority.advice = (id) => {
    asked.push(id);
    return { start: clock.now() + startsIn, end: clock.now() + startsIn + dayMs, retryAfter: 3600 };
  };
  const edge = open(['a.example']);
  await until('asked for advice', () => has(edge, 'a.example') && asked.length === 1);
  const first = leafOf(edge, 'a.example');
  await until(
    'planned',
    () => Math.abs((edge.picture().entries[0]?.renewAt ?? 0) - clock.now() - 40.5 * dayMs) < dayMs,
  );
  const count = asked.length;
  clock.advance(3_500_000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(asked.length, count, 'not asked again before Retry-After is over');
  startsIn = -2 * dayMs;
  clock.advance(200_000);
  await until('renewed', () => leafOf(edge, 'a.example')?.fingerprint256 !== first?.fingerprint256);
  t.equal(authority.orders[1]?.replaces, asked[0], 'says whom it replaces');
  await until('asked for the new one', () => asked.some((id) => id !== asked[0]));
  t.equal(authority.orders.length, 2, 'an authority that wants it renewed at once again has to wait');
});

t.test('an authority that is gone: what is there serves on, it is asked again, and all is said', async (t) => {
  const { authority, clock, open, until } = await place(t);
  const edge = open(['a.example']);
  await until('issued', () => has(edge, 'a.example'));
  authority.isDown = true;
  edge.hosts = ['a.example', 'b.example'];
  edge.look();
  const before = authority.requests;
  await until('asked three times', () => edge.metric('certs_acme_unreachable_total') >= 3);
  t.ok(authority.requests >= before);
  t.match(reasonsOf(edge), /acme 127\.0\.0\.1:\d+: .*cannot be reached: .*; b\.example must wait; .*asked again at 20/);
  t.ok(has(edge, 'a.example'));
  t.equal(edge.metric('certs_acme_up'), 0);
  t.equal(edge.metric('certs_acme_waiting'), 1);
  authority.isDown = false;
  clock.advance(1_000_000);
  await until('issued after all', () => has(edge, 'b.example') && edge.picture().problems.length === 0);
  t.equal(edge.metric('certs_acme_up'), 1);
  t.equal(edge.metric('certs_acme_orders_total', 'failed'), 0, 'no fault of an order');
});

t.test('a name that is refused is ordered again later and later, by itself, over a restart too', async (t) => {
  const { authority, clock, open, until } = await place(t);
  authority.refusals.set('a.example', {
    status: 429,
    type: 'rateLimited',
    detail: 'too many certificates',
    retryAfter: '86400',
  });
  const edge = open(['a.example', 'b.example']);
  await until('refused', () => edge.picture().problems.length > 0 && has(edge, 'b.example'));
  t.match(reasonsOf(edge), /acme a\.example: order failed: rateLimited: too many certificates; .*ordered again at/);
  t.equal(edge.metric('certs_acme_problems_total', 'rateLimited'), 1);
  await edge.stop();
  authority.refusals.delete('a.example');

  const again = open(['a.example', 'b.example']);
  await until('known again', () => again.picture().problems.length > 0);
  clock.advance(86_400_000 - 600_000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(authority.orders.filter(({ name }) => name === 'a.example').length, 0, 'Retry-After is obeyed');
  clock.advance(1_200_000);
  await until('issued at last', () => has(again, 'a.example') && again.picture().problems.length === 0);
});

t.test('a proof that the authority does not see', async (t) => {
  const { authority, clock, open, until, shown } = await place(t);
  const lost: ChallengeResponder = { ...responderFor('http-01', shown), present: async () => undefined };
  const edge = open(['a.example'], { responder: lost });
  const failures = (): number => edge.metric('certs_acme_orders_total', 'failed');
  await until('refused', () => failures() === 1);
  await until('said', () => reasonsOf(edge).includes('incorrectResponse: saw something else at a.example'));
  clock.advance(10_000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(failures(), 1, 'not again at once');
  clock.advance(20_000);
  await until('again', () => failures() === 2 && reasonsOf(edge).includes('order failed (2 times)'));
  clock.advance(200_000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(authority.orders.length, 2, 'later and later');
});

t.test(
  'accounts: binding to one that the authority knows, none without it, registered anew where forgotten',
  async (t) => {
    const binding = { kid: 'kid-1', key: Buffer.from('a key of the authority').toString('base64url') };
    const { authority, clock, open, until } = await place(t, { binding });
    const stranger = open(['a.example']);
    await until('refused', () => reasonsOf(stranger).includes('externalAccountRequired'));
    t.match(reasonsOf(stranger), /give eab/);
    await stranger.stop();
    const edge = open(['a.example'], { binding });
    await until('issued', () => has(edge, 'a.example'));
    t.notMatch(reasonsOf(edge), binding.key);
    authority.forgetAccounts();
    edge.hosts = ['a.example', 'b.example'];
    edge.look();
    await until('issued by the new account', () => has(edge, 'b.example'));
    t.equal(authority.accounts.length, 2);
    await edge.stop();
    clock.advance(1000);
    const moved = open(['a.example', 'b.example', 'c.example'], { binding, email: 'new@shop.example' });
    await until('issued', () => has(moved, 'c.example'));
    t.same(authority.accounts[1], { contact: ['mailto:new@shop.example'] }, 'the address is changed there too');
  },
);

t.test('two edges on one store order each certificate once, and serve what the other got', async (t) => {
  const { authority, open, until } = await place(t);
  const hosts = ['a.example', 'b.example', 'c.example', 'd.example', 'e.example', 'f.example'];
  const edges = [open(hosts), open(hosts)];
  await until('issued', () => edges.every((edge) => has(edge, ...hosts)));
  t.same(authority.orders.map(({ name }) => name).sort(), hosts);
  for (const host of hosts) {
    const [one, other] = edges.map((edge) => leafOf(edge, host)?.fingerprint256);
    t.equal(one, other);
  }
});

t.test('stars: by dns-01 alone, and one for all that it is for', async (t) => {
  const { authority, open, until, shown } = await place(t);
  const plain = open(['*.shop.example', 'a.example']);
  await until('issued', () => has(plain, 'a.example'));
  t.match(reasonsOf(plain), /acme \*\.shop\.example: a certificate with a star is issued by dns-01 alone/);
  await plain.stop();
  const hosts: string[] = [];
  const dns: ChallengeResponder = {
    ...responderFor('dns-01', shown),
    async present(host, token, keyAuthorization) {
      hosts.push(host);
      shown.set(`dns-01 ${host} ${token}`, createHash('sha256').update(keyAuthorization).digest('base64url'));
    },
  };
  const edge = open(['a.shop.example', 'b.shop.example', 'shop.example'], {
    responder: { ...dns, withdraw: async () => Promise.reject(new Error('the zone is locked')) },
    domains: ['*.shop.example', 'shop.example'],
  });
  await until('issued', () => has(edge, '*.shop.example', 'shop.example'));
  t.same(
    authority.orders
      .slice(1)
      .map(({ name }) => name)
      .sort(),
    ['*.shop.example', 'shop.example'],
  );
  t.same(hosts, ['shop.example', 'shop.example'], 'the record stands below the name without its star');
});
