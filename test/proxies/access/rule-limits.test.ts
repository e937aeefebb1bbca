// What rules limit by themselves: counted by rule, divided among workers, told in each dialect, and counted on when the list changes.

import { request as ask } from 'node:http';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import {
  createAdmissions,
  limitsOf,
  type Admission,
  type RuleConfig,
  type RuleLimits,
} from '../../../proxies/access/index.ts';
import { createRuleAccounts } from '../../../proxies/access/rule-account.ts';
import { systemClock } from '../../../src/runtime/index.ts';
import { manualClock } from '../../runtime/manual-clock.ts';
import { open as openEgress, origin } from '../egress/scene.ts';
import { bytes, greeting, openSocks, request, until } from '../socks/scene.ts';
import { counted, serve, serveEcho, talk, type Talk } from './scene.ts';

const web = { allow: { to: ['web.own'] } } as const;
const mail = { allow: { to: ['mail.own'] } } as const;

t.test('sessions at a time, in all and of one client', (t) => {
  const accounts = createRuleAccounts([{ ...web, limits: { connections: 3, perClient: 2 } }, mail], systemClock);
  t.equal(accounts.now.at(1), null, 'a rule without limits costs nothing');
  t.equal(accounts.now.at(null), null);
  const account = accounts.now.at(0);
  if (account === null) throw new Error('no account');
  t.strictSame(
    ['10.0.0.1', '10.0.0.1', '10.0.0.1', '10.0.0.2', '10.0.0.3'].map((client) => account.enter(client)),
    [null, null, 'limit', null, 'limit'],
  );
  account.leave('10.0.0.1');
  t.equal(account.enter('10.0.0.1'), null, 'what is given back is there again');
  account.leave('10.0.0.1');
  account.leave('10.0.0.1');
  account.leave('10.0.0.2');
  t.strictSame(
    [1, 2, 3, 4].map(() => account.enter('127.0.0.1')),
    [null, null, null, 'limit'],
    'loopback is one of all',
  );
  t.end();
});

t.test('new sessions a second, after a burst', (t) => {
  const clock = manualClock();
  const enter = (limits: RuleLimits, workers = 1): (() => boolean) => {
    const account = createRuleAccounts([{ ...web, limits }], clock, workers).now.at(0);
    return () => account?.enter('10.0.0.1') === null;
  };
  const plain = enter({ newPerSecond: 2 });
  t.strictSame([plain(), plain(), plain()], [true, true, false], 'a second may come at once');
  clock.advance(500);
  t.strictSame([plain(), plain()], [true, false]);
  const bursting = enter({ newPerSecond: 2, newBurst: 3 });
  t.strictSame([bursting(), bursting(), bursting(), bursting()], [true, true, true, false]);
  const part = enter({ newPerSecond: 2 }, 4);
  t.strictSame([part(), part()], [true, false], 'a worker lets one in at least');
  clock.advance(1_000);
  t.notOk(part(), 'half a session a second is its part');
  clock.advance(1_000);
  t.ok(part());
  t.end();
});

t.test('workers get equal parts of what is shared', (t) => {
  const limits = { connections: 5, bytesPerSecond: 1_000, connectionBytesPerSecond: 70 };
  const account = createRuleAccounts([{ ...web, limits }], systemClock, 2).now.at(0);
  t.strictSame(
    [1, 2, 3, 4].map(() => account?.enter('10.0.0.1')),
    [null, null, null, 'limit'],
  );
  t.match(account, { bucket: { perSecond: 500 }, connectionBytesPerSecond: 70 });
  t.end();
});

t.test('another list: a rule counts on where it is about the same', (t) => {
  const limited = (rule: RuleConfig, connections: number): RuleConfig => ({ ...rule, limits: { connections } });
  const accounts = createRuleAccounts([limited(web, 1), limited(mail, 1), limited(mail, 1)], systemClock);
  const before = accounts.now;
  const enter = (rule: number) => accounts.now.at(rule)?.enter('10.0.0.1');
  t.strictSame([enter(0), enter(0), enter(1), enter(2)], [null, 'limit', null, null], 'equal rules count apart');
  accounts.follow([limited(mail, 1), limited(web, 2)]);
  t.strictSame([enter(0), enter(1), enter(1)], ['limit', null, 'limit']);
  t.equal(before.at(0), accounts.now.at(1), 'who was judged by the former list counts where his rule is now');
  accounts.follow([web]);
  t.equal(accounts.now.at(0), null);
  t.end();
});

t.test('a session counts once for each rule, until it ends', (t) => {
  const hits: string[] = [];
  const admissions = createAdmissions(limitsOf('socks'), systemClock, (limit) => hits.push(limit));
  const accounts = createRuleAccounts([{ ...web, limits: { connections: 1, bytesPerSecond: 1_000 } }], systemClock);
  const account = accounts.now.at(0);
  const admit = (): Admission => {
    const admission = admissions.admit({ listener: 'a:1', user: null, apps: [] });
    if (admission === 'limit') throw new Error('not let in');
    return admission;
  };
  const [first, second] = [admit(), admit()];
  t.equal(first.shaper, null);
  t.strictSame([first.follow(account, 'a'), first.follow(account, 'a')], [null, null]);
  t.not(first.shaper, null, 'shares the bandwidth of its rule');
  t.equal(second.follow(account, 'b'), 'limit');
  first.release();
  t.equal(first.follow(account, 'a'), 'limit', 'an answer of DNS that comes after the end takes nothing');
  t.equal(second.follow(account, 'b'), null);
  t.strictSame(hits, ['rule']);
  t.end();
});

async function connectTo(port: number, target: number): Promise<{ readonly client: Talk; readonly reply: number }> {
  const client = await talk(port);
  client.write(bytes(greeting, request(1, 'echo.own', target)));
  const [, , , reply = -1] = await client.read(12);
  return { client, reply };
}

t.test('by SOCKS: a full rule answers 01, a rate 02, and other rules go on', async (t) => {
  const echo = await serveEcho();
  const other = await serveEcho();
  t.teardown(() => Promise.all([echo.close(), other.close()]));
  const scene = await openSocks(t, {
    rules: [
      { allow: { to: ['echo.own'], ports: [echo.port] }, limits: { connections: 1 } },
      { allow: { to: ['cluster'] }, limits: { newPerSecond: 1, newBurst: 2 } },
    ],
  });
  const first = await connectTo(scene.port, echo.port);
  t.equal(first.reply, 0);
  t.equal((await connectTo(scene.port, echo.port)).reply, 1);
  const replies: number[] = [];
  // On a machine that is slow enough each of them finds a token: then a faster one has to.
  for (let i = 0; i < 200 && !replies.includes(2); i++) {
    const { client, reply } = await connectTo(scene.port, other.port);
    replies.push(reply);
    client.socket.destroy();
  }
  t.strictSame(replies.slice(0, 2), [0, 0]);
  t.ok(replies.includes(2));
  t.equal(counted(scene.base.metrics, 'socks_limit_hits_total', { limit: 'rule' }) >= 1, true);
  first.client.end();
  let next = await connectTo(scene.port, echo.port);
  while (next.reply !== 0) next = await connectTo(scene.port, echo.port);
  t.pass('what ends makes room');
});

t.test('by SOCKS: BIND goes by the same count', async (t) => {
  const scene = await openSocks(t, {
    commands: ['connect', 'bind'],
    rules: [{ allow: { to: ['cluster'] }, limits: { connections: 1 } }],
  });
  const echo = await serveEcho();
  t.teardown(() => echo.close());
  const first = await connectTo(scene.port, echo.port);
  const binding = await talk(scene.port);
  binding.write(bytes(greeting, request(2, 'echo.own', 0)));
  t.equal((await binding.read(12))[3], 1);
  first.client.socket.destroy();
});

t.test('by SOCKS: the times of the rule', async (t) => {
  const quiet = await serve(() => undefined);
  t.teardown(() => quiet.close());
  const scene = await openSocks(t, {
    rules: [
      { allow: { ports: [quiet.port] }, timeouts: { lifetimeMs: 100 } },
      { allow: { to: ['cluster'] }, timeouts: { halfClosedMs: 100 } },
    ],
  });
  const { client, reply } = await connectTo(scene.port, quiet.port);
  t.equal(reply, 0);
  await once(client.socket, 'close').catch(() => undefined);
  await until(() => scene.ended({ reason: 'lifetime' }) === 1);
  scene.socks.reconfigure({ rules: [{ allow: { to: ['cluster'] }, timeouts: { halfClosedMs: 100 } }], users: null });
  const second = await connectTo(scene.port, quiet.port);
  second.client.end();
  await until(() => scene.ended({ reason: 'half-close-timeout' }) === 1);
  t.pass('one side that ended waits as long as its rule says');
});

interface Answer {
  readonly status: number;
  readonly body: number;
}

function get(t: Test, port: number, path: string, body: Buffer = Buffer.alloc(0)): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = ask({ host: '127.0.0.1', port, path, method: body.length > 0 ? 'PUT' : 'GET' }, (response) => {
      let length = 0;
      response.on('data', (chunk: Buffer) => (length += chunk.length));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: length }));
    });
    asked.on('error', reject);
    asked.end(body);
    t.teardown(() => asked.destroy());
  });
}

t.test('by HTTP: 503 and 429', async (t) => {
  const held: (() => void)[] = [];
  const site = await origin(t, (_request, response) => void held.push(() => response.end('ok')));
  const limits = { connections: 1, newPerSecond: 1, newBurst: 2 };
  const { port } = await openEgress(t, { rules: [{ allow: { to: ['cluster'], ports: [site.port] }, limits }] });
  const url = `http://web.own:${site.port}/`;
  const first = get(t, port, url);
  await until(() => held.length === 1);
  t.equal((await get(t, port, url)).status, 503);
  const tunnel = await talk(port);
  tunnel.write(`CONNECT web.own:${site.port} HTTP/1.1\r\nHost: web.own:${site.port}\r\n\r\n`);
  t.match((await tunnel.rest()).toString(), /^HTTP\/1.1 503/, 'tunnels and requests go by one count');
  held[0]?.();
  t.match(await first, { status: 200 });
});

t.test('by HTTP: a rate', async (t) => {
  const site = await origin(t, (_request, response) => response.end('ok'));
  const limits = { newPerSecond: 1, newBurst: 1 };
  const { port } = await openEgress(t, { rules: [{ allow: { to: ['cluster'], ports: [site.port] }, limits }] });
  const statuses: number[] = [];
  for (let i = 0; i < 200 && !statuses.includes(429); i++)
    statuses.push((await get(t, port, `http://web.own:${site.port}/`)).status);
  t.equal(statuses[0], 200);
  t.ok(statuses.includes(429));
});

t.test('by HTTP: bandwidth holds for bodies that are no tunnel', async (t) => {
  const size = 300_000;
  let received = 0;
  const site = await origin(t, (request, response) => {
    request.on('data', (chunk: Buffer) => (received += chunk.length));
    request.on('end', () => response.end(Buffer.alloc(size)));
  });
  const limits = { connectionBytesPerSecond: 2_000_000 };
  const { port } = await openEgress(t, { rules: [{ allow: { to: ['cluster'], ports: [site.port] }, limits }] });
  const startedAt = performance.now();
  t.strictSame(await get(t, port, `http://web.own:${site.port}/`, Buffer.alloc(size)), { status: 200, body: size });
  t.equal(received, size);
  // 600,000 bytes less a burst of 200,000, and what one read overdraws.
  t.ok(performance.now() - startedAt > 100, 'not at once');
});
