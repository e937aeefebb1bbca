// The store in etcd, against a real one: values small and large, several writers, writers that die, an etcd that goes and comes back.

import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { seededRandom, systemClock, type Clock } from '../../src/runtime/index.ts';
import {
  createEtcdClient,
  createEtcdStore,
  etcdLimits,
  loadSnapshot,
  type EtcdAccess,
  type EtcdClient,
} from '../../src/store/index.ts';
import type { Store } from '../../src/ports/index.ts';
import { eventually } from '../feature/cluster.ts';
import { testAuthority } from '../certs/authority.ts';
import { needs } from '../needs.ts';
import { order, startEtcd, type EtcdServer } from './etcd-server.ts';

t.setTimeout(180_000);

const skip = needs('etcd');
const mebibyte = 1024 * 1024;
/** A busy machine may be slow; how quick it is, is not asked here. */
const patient = { ...etcdLimits, readMs: 30_000, writeMs: 30_000, connectMs: 30_000 };
const bytes = (text: string): Buffer => Buffer.from(text);

interface Opened {
  readonly store: Store;
  readonly client: EtcdClient;
}

function open(
  t: Test,
  access: EtcdAccess,
  { clock = systemClock, partBytes = mebibyte, limits = patient } = {},
): Opened {
  const client = createEtcdClient(access, clock, limits);
  t.teardown(() => client.close());
  return { store: createEtcdStore({ client, prefix: '/isthmus', clock, partBytes }), client };
}

/** Keys of etcd itself. */
async function keysOf(client: EtcdClient): Promise<readonly string[]> {
  const answer = await client.call('kv/range', { key: 'AA==', range_end: 'AA==', keys_only: true });
  const kvs = (answer['kvs'] ?? []) as readonly { readonly key: string }[];
  return kvs.map(({ key }) => Buffer.from(key, 'base64').toString());
}

async function started(t: Test, tls: readonly string[] = []): Promise<EtcdServer> {
  const etcd = await startEtcd(join(t.testdir(), 'data'), tls);
  t.teardown(() => etcd.kill());
  return etcd;
}

t.test('values, small and large, and several writers', { skip }, async (t) => {
  const etcd = await started(t);
  const { store, client } = open(t, { endpoints: [etcd.url] });
  t.equal(await store.read('a/b'), null, 'absent');
  await store.write('a/b', bytes('one'));
  t.same(await store.read('a/b'), bytes('one'));
  await store.write('a/empty', bytes(''));
  t.same(await store.read('a/empty'), bytes(''), 'nothing at all is a value');

  const large = randomBytes(3 * mebibyte + 17);
  await store.write('a/large', large);
  t.ok(Buffer.from((await store.read('a/large')) ?? []).equals(large), 'larger than a request of etcd may be');
  t.same(await store.list('a/'), ['a/b', 'a/empty', 'a/large'], 'parts are no values');
  t.same(await store.list('a/e'), ['a/empty']);
  t.equal((await keysOf(client)).filter((key) => key.includes(':parts/')).length, 4);
  const other = randomBytes(mebibyte + 1);
  await store.write('a/large', other);
  t.ok(Buffer.from((await store.read('a/large')) ?? []).equals(other));
  t.equal((await keysOf(client)).filter((key) => key.includes(':parts/')).length, 2, 'parts of the former are gone');

  t.equal(await store.compareAndSet('c', bytes('x'), bytes('y')), false, 'is not there');
  t.equal(await store.compareAndSet('c', null, bytes('1')), true);
  t.equal(await store.compareAndSet('c', null, bytes('2')), false, 'is there');
  t.equal(await store.compareAndSet('a/large', other, large), true, 'a large one');
  t.equal(await store.compareAndSet('a/large', large, null), true);
  t.equal(await store.read('a/large'), null);
  t.equal((await keysOf(client)).filter((key) => key.includes(':parts/')).length, 0);
  const second = open(t, { endpoints: [etcd.url] });
  const won = await Promise.all(
    Array.from({ length: 10 }, (_, i) => (i % 2 ? store : second.store).compareAndSet('c', bytes('1'), bytes(`w${i}`))),
  );
  t.equal(won.filter(Boolean).length, 1, 'one of ten was first');
  t.same(await second.store.read('c'), bytes(`w${won.indexOf(true)}`));
  await t.rejects(store.read('../x'), RangeError);

  await client.call('kv/put', { key: bytes('/isthmus/foreign').toString('base64'), value: 'AAAA' });
  await t.rejects(store.read('foreign'), { code: 'STORE_DAMAGED' });
  await store.write('foreign', bytes('ours'));
  t.same(await store.read('foreign'), bytes('ours'), 'what cannot be read is replaced');
});

t.test('a writer that dies half-way leaves the former value, and its rests go', { skip }, async (t) => {
  const etcd = await started(t);
  let ahead = 0;
  const clock: Clock = { ...systemClock, now: () => Date.now() + ahead };
  const { store, client } = open(t, { endpoints: [etcd.url] }, { clock, partBytes: 100 });
  const former = randomBytes(950);
  await store.write('v', former);
  let puts = 0;
  const dying: EtcdClient = {
    call: (path, body) =>
      path === 'kv/put' && ++puts > 4 ? Promise.reject(new Error('died')) : client.call(path, body),
    close: () => Promise.resolve(),
  };
  const torn = createEtcdStore({ client: dying, prefix: '/isthmus', clock, partBytes: 100 });
  await t.rejects(torn.write('v', randomBytes(950)), /died/);
  t.same(await store.read('v'), former);
  const parts = async (): Promise<number> => (await keysOf(client)).filter((key) => key.includes(':parts/')).length;
  t.equal(await parts(), 14, 'four are left over');
  await store.write('v', former);
  t.equal(await parts(), 14, 'may still be written');
  ahead = 601_000;
  await store.write('v', former);
  t.equal(await parts(), 10, 'nobody writes for so long');

  // The key is there and a part is not; then one that was changed.
  const [name = ''] = (await keysOf(client)).filter((key) => key.endsWith('/003'));
  await client.call('kv/put', { key: bytes(name).toString('base64'), value: randomBytes(100).toString('base64') });
  await t.rejects(store.read('v'), { code: 'STORE_DAMAGED', message: /checksum/ });
  await client.call('kv/deleterange', { key: bytes(name).toString('base64') });
  await t.rejects(store.read('v'), { code: 'STORE_DAMAGED', message: /missing/ });
  await store.write('v', former);
  t.same(await store.read('v'), former, 'and is written anew');
});

t.test('read while it is replaced again and again', { skip }, async (t) => {
  const etcd = await started(t);
  const writer = open(t, { endpoints: [etcd.url] }, { partBytes: 200 });
  const reader = open(t, { endpoints: [etcd.url] }, { partBytes: 200 });
  await writer.store.write('v', Buffer.alloc(1000, 0));
  let turns = 0;
  const writing = (async () => {
    while (turns < 30) await writer.store.write('v', Buffer.alloc(1000, ++turns));
  })();
  while (turns < 30) {
    const value = await reader.store.read('v').catch((error: unknown) => {
      // So many in a row were replaced under its hands.
      if (!/parts of it are missing/.test(String(error))) throw error;
      return undefined;
    });
    if (value !== undefined) t.equal(new Set(value).size, 1, 'one of those written, whole');
  }
  await writing;
});

t.test('writers that are killed at any moment', { skip }, async (t) => {
  const etcd = await started(t);
  const { store } = open(t, { endpoints: [etcd.url] });
  const writer = fileURLToPath(new URL('killed-writer.ts', import.meta.url));
  const random = seededRandom(4);
  for (let kill = 0; kill < 4; kill++) {
    const child = spawn(process.execPath, [writer, etcd.url, '12000'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    let told = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      told = Number(line);
      if (told === 1 + (kill % 2)) setTimeout(() => child.kill('SIGKILL'), random() * 30);
    }
    await exited;
    const saved = await loadSnapshot(store);
    t.equal(saved?.picture.tasks.length, 400, 'whole');
    t.ok((saved?.savedAt ?? 0) >= told, 'what was told as saved is there');
  }
});

t.test('etcd is gone, hangs, and is back', { skip }, async (t) => {
  const etcd = await started(t);
  let asked = 0;
  const clock: Clock = { ...systemClock, monotonic: () => (asked += 1) };
  const limits = { ...patient, restMs: 1_000_000 };
  const { store } = open(t, { endpoints: ['http://127.0.0.1:9', etcd.url] }, { limits, clock });
  await store.write('k', bytes('one'));
  t.same(await store.read('k'), bytes('one'), 'the second endpoint answers');
  await etcd.kill();
  await t.rejects(store.read('k'), { code: 'STORE_UNREACHABLE', message: /127.0.0.1:9.*ECONNREFUSED/ });
  await etcd.start();
  await t.rejects(store.read('k'), { code: 'STORE_UNREACHABLE' }, 'nobody asks for a moment');
  asked += 2_000_000;
  t.same(await store.read('k'), bytes('one'), 'what was written before the kill is there');
  await etcd.pause();
  const hasty = open(t, { endpoints: [etcd.url] }, { limits: { ...etcdLimits, readMs: 300 } });
  await t.rejects(hasty.store.read('k'), { code: 'STORE_UNREACHABLE' });
  etcd.resume();
  t.same(await store.read('k'), bytes('one'));
});

t.test('a login, a wrong one, and a token that etcd has forgotten', { skip }, async (t) => {
  const etcd = await started(t);
  const open1 = open(t, { endpoints: [etcd.url], auth: { user: 'root', password: 'pa-ss' } });
  await open1.store.write('k', bytes('one'));
  t.same(await open1.store.read('k'), bytes('one'), 'where nobody has to log in');
  await order(etcd.url, 'auth/user/add', { name: 'root', password: 'pa-ss' });
  await order(etcd.url, 'auth/role/add', { name: 'root' });
  await order(etcd.url, 'auth/user/grant', { user: 'root', role: 'root' });
  await order(etcd.url, 'auth/enable', {});
  t.same(await open1.store.read('k'), bytes('one'), 'from now on one has to');
  await etcd.kill();
  await etcd.start();
  await eventually(
    'a token of an earlier life',
    20_000,
    () => open1.store.read('k').catch(() => null),
    (value) => value !== null,
  );
  const wrong = open(t, { endpoints: [etcd.url], auth: { user: 'root', password: 'pa-ssed' } });
  const said = await wrong.store.read('k').then(String, String);
  t.match(said, /refuses the login/);
  t.notMatch(said, /pa-ssed/);
  await t.rejects(open(t, { endpoints: [etcd.url] }).store.read('k'), { code: 'STORE_REFUSED' });
  await t.rejects(open(t, { endpoints: [etcd.url], auth: { token: 'none' } }).store.read('k'), {
    code: 'STORE_REFUSED',
  });
});

t.test(
  'TLS: an authority of its own, and a certificate that etcd asks for',
  { skip: needs('etcd', 'openssl') },
  async (t) => {
    const authority = testAuthority('etcd CA');
    const directory = t.testdir();
    const file = (name: string, text: string): string => {
      const path = join(directory, name);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };
    const ca = file('ca.pem', authority.certificate);
    // The gateway calls its own etcd with the server's certificate: it must be one of a client too.
    const names = Array.from({ length: 150 }, (_, n) => `IP:127.${60 + n}.0.1`).join(',');
    const extensions = file('extensions', `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    const [key, request, cert] = ['key.pem', 'request.pem', 'cert.pem'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    const made = ['req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=etcd', '-keyout', key, '-out', request];
    const signed = ['x509', '-req', '-in', request, '-CA', ca, '-CAkey', file('ca-key.pem', authority.key)];
    for (const args of [made, [...signed, '-CAcreateserial', '-extfile', extensions, '-out', cert]])
      t.equal(spawnSync('openssl', args).status, 0);
    const files = ['--cert-file', cert, '--key-file', key];
    const etcd = await startEtcd(join(directory, 'data'), [...files, '--trusted-ca-file', ca, '--client-cert-auth']);
    t.teardown(() => etcd.kill());
    const client = authority.issueClient('edge');
    const shown = { cert: client.certificate, key: client.key };
    const endpoints = [etcd.url];
    const { store } = open(t, { endpoints, tls: { ca: authority.certificate, ...shown } });
    await store.write('k', bytes('one'));
    t.same(await store.read('k'), bytes('one'));
    await t.rejects(
      open(t, { endpoints, tls: shown }).store.read('k'),
      { code: 'STORE_UNREACHABLE' },
      'unknown authority',
    );
    await t.rejects(open(t, { endpoints, tls: { ca: authority.certificate } }).store.read('k'), {
      code: 'STORE_UNREACHABLE',
    });
  },
);
