// Who we say we are: a DC/OS service account's login, renewal and refusal, and that no credential is ever told.

import { generateKeyPairSync, verify } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { createFakeCluster, startFakeMarathon, startFakeMasters } from '../../src/fakes/index.ts';
import { createMarathonOrchestrator, createMesosOrchestrator } from '../../src/orchestrator/index.ts';
import { silentLogger, type Logger } from '../../src/runtime/index.ts';
import { follow, surroundings } from './harness.ts';
import { quick } from './mesos/scene.ts';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

interface Iam {
  readonly url: string;
  readonly logins: number;
  /** Tokens that it gave. */
  readonly tokens: readonly string[];
  refuse: boolean;
}

/** Answers a login that is signed by our key with a token of so many seconds. */
async function startIam(test: Test, lifeSeconds: number): Promise<Iam> {
  const tokens: string[] = [];
  const iam = { url: '', logins: 0, tokens, refuse: false };
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      iam.logins++;
      const said = JSON.parse(Buffer.concat(parts).toString()) as { uid: string; token: string };
      const [head = '', payload = '', signature = ''] = said.token.split('.');
      const good = verify(
        'RSA-SHA256',
        Buffer.from(`${head}.${payload}`),
        publicKey,
        Buffer.from(signature, 'base64url'),
      );
      const { uid, exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { uid: string; exp: number };
      if (iam.refuse || !good || uid !== 'edge' || exp * 1000 < Date.now()) {
        response.writeHead(401, { 'content-type': 'application/json' }).end(`{"echo":"${said.token}"}`);
        return;
      }
      const claims = { uid, exp: Math.floor(Date.now() / 1000) + lifeSeconds, turn: iam.logins };
      tokens.push(`h.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.s`);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token: tokens.at(-1) }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.teardown(() => void server.close());
  iam.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/acs/api/v1/auth/login`;
  return iam;
}

function listening(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const take = (...words: unknown[]): void => void lines.push(JSON.stringify(words));
  return { log: { ...silentLogger, debug: take, info: take, warn: take, error: take }, lines };
}

t.test('a service account logs in, renews before the end and after 401, and tells nobody', async (t) => {
  const iam = await startIam(t, 3600);
  const cluster = createFakeCluster({ seed: 1 });
  const agent = cluster.addAgent();
  const framework = cluster.addFramework({ name: 'f' });
  const first = cluster.launch({ framework, name: 'first', agent, network: { mode: 'host' } });
  const masters = await startFakeMasters(cluster, { count: 1, heartbeatMs: 100 });
  const marathon = await startFakeMarathon(cluster, { name: 'marathon' });
  const { log, lines } = listening();
  const auth = { dcos: { uid: 'edge', privateKey: pem, login: iam.url } };
  const followed = follow(
    createMesosOrchestrator({ masters: masters.urls, auth, limits: quick, ...surroundings(), log }),
  );
  const other = follow(
    createMarathonOrchestrator({ urls: marathon.urls, name: 'marathon', auth, ...surroundings(), log }),
  );
  t.teardown(async () => {
    await Promise.all([followed.stop(), other.stop()]);
    await marathon.close();
    await masters.close();
    await cluster.close();
  });
  await followed.until('the picture', () => followed.task(first) !== undefined);
  await other.until('the picture of Marathon', (snapshot) => snapshot.synced);
  t.equal(iam.logins, 1, 'one for both sources, however many calls');

  // The token is not good any more: one login, then on.
  masters.faults(0).auth = { token: 'h.not-this-one.s' };
  masters.disturb(0, 'reset');
  await followed.until('the refusal', (snapshot) => /401/.test(snapshot.sources.get('mesos')?.reason ?? ''));
  t.ok(iam.logins > 1, 'asked again after 401');
  t.ok(followed.task(first), 'what was said last serves');
  masters.faults(0).auth = null;
  const next = cluster.launch({ framework, name: 'next', agent, network: { mode: 'host' } });
  await followed.until('the stream', () => followed.task(next) !== undefined);

  iam.refuse = true;
  const lone = follow(
    createMesosOrchestrator({
      masters: masters.urls,
      auth: { dcos: { ...auth.dcos, uid: 'another' } },
      limits: quick,
      ...surroundings(),
      log,
      name: 'lone',
    }),
  );
  t.teardown(() => lone.stop());
  await lone.until('it goes without', () => lone.task(first) !== undefined);
  const told = lines.join('\n') + JSON.stringify([...followed.events, ...lone.events]);
  t.match(told, /the login answers 401/);
  for (const token of iam.tokens) t.notMatch(told, token);
  t.notMatch(told, /eyJ|PRIVATE KEY|token=/, 'neither what we signed nor the key');
});

t.test('a token that ends soon is renewed before the next call', async (t) => {
  const iam = await startIam(t, 0);
  const cluster = createFakeCluster({ seed: 1 });
  cluster.addAgent();
  const masters = await startFakeMasters(cluster, { count: 1, heartbeatMs: 100 });
  const auth = { dcos: { uid: 'edge', privateKey: pem, login: iam.url } };
  const followed = follow(createMesosOrchestrator({ masters: masters.urls, auth, limits: quick, ...surroundings() }));
  t.teardown(async () => {
    await followed.stop();
    await masters.close();
    await cluster.close();
  });
  await followed.until('the picture', (snapshot) => snapshot.synced);
  const before = iam.logins;
  masters.disturb(0, 'reset');
  await followed.until('another', () => followed.events.filter(({ type }) => type === 'resync').length === 2);
  t.ok(iam.logins > before);
});
