// Names that lie and names that do not answer: a daemon's proxies with a DNS server upstream that is the test's own.

import type { Answer } from 'dns-packet';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { address, codeTo, fakeUpstream, replyTo, type FakeUpstream, type SeenQuery } from '../dns/fake-upstream.ts';
import { serve, talk } from '../proxies/access/scene.ts';
import { eventually } from './cluster.ts';
import { startDaemon, type RunningDaemon } from './daemon.ts';
import { oneTaskState, taskName as own } from './one-task.ts';

t.setTimeout(120_000);

/** The only task's own address, and a place outside that the rules spell out. */
const taskIp = '127.44.8.1';
const outside = '127.45.8.1';

const alias = (name: string, data: string): Answer => ({ type: 'CNAME', name, ttl: 0, data });
const v4 = (name: string, data: string): Answer => address(name, data, 0);
const v6 = (name: string, data: string): Answer => ({ type: 'AAAA', name, ttl: 0, data });

/** What the world says of a name, by the type asked. A name without an entry is never answered. */
const world: Readonly<Record<string, (name: string, asked: number) => readonly Answer[]>> = {
  'fine.example': (name) => [v4(name, outside)],
  'chain.example': (name) => [alias(name, 'b.example'), alias('b.example', 'c.example'), v4('c.example', outside)],
  'metadata.example': (name) => [alias(name, 'm.example'), v4('m.example', '169.254.169.254')],
  'home.example': (name) => [alias(name, 'localhost'), v4('localhost', '127.0.0.1')],
  'zero.example': (name) => [v4(name, '0.0.0.0')],
  'mapped.example': (name) => [v6(name, '::ffff:a00:1')],
  'task.example': (name) => [alias(name, own), v4(own, taskIp)],
  'into.example': (name) => [alias(name, own)],
  'denied.example': (name) => [alias(name, 'www.blocked.example'), v4('www.blocked.example', outside)],
  'secret.blocked.example': (name) => [v4(name, outside)],
  'mixed.example': (name) => [v4(name, '169.254.169.254'), v4(name, '127.0.0.1'), v4(name, outside)],
  // Allowed when first asked, at home from then on.
  'flip.example': (name, asked) => [v4(name, asked === 1 ? outside : '127.0.0.1')],
};

const asked = new Map<string, number>();

function answer(query: SeenQuery): readonly Buffer[] {
  const name = query.name.toLowerCase();
  const answers = world[name];
  if (name.startsWith('slow')) return [];
  if (answers === undefined) return [codeTo(query, 3)];
  const key = `${name} ${query.type}`;
  asked.set(key, (asked.get(key) ?? 0) + 1);
  const of = answers(query.name, asked.get(key) ?? 1).filter(({ type }) => type === 'CNAME' || type === query.type);
  const questions = [{ name: query.name, type: query.type as 'A' | 'AAAA' }];
  return [replyTo(query, of, { questions })];
}

let daemon: RunningDaemon;
let upstream: FakeUpstream;
let port: number;

t.before(async () => {
  upstream = await fakeUpstream(t, answer);
  const [target, outer] = [await serve(reached, taskIp), await serve(reached, outside)];
  t.teardown(() => Promise.all([target.close(), outer.close()]));
  port = outer.port;
  const rules = `[{ deny: { to: ["*.blocked.example"] } },
    { allow: { to: ["${outside}"], ports: [1-65535] }, unsafe: true },
    { allow: { to: [cluster, "*.example"], ports: [1-65535] } }]`;
  daemon = await startDaemon(`
cluster: [{ file: { path: "${join(t.testdir({ 'state.json': oneTaskState(taskIp) }), 'state.json')}" } }]
dns:
  listen: ["127.0.0.1:0"]
  http: "127.0.0.1:0"
  upstreams: ["${upstream.address}"]
  timeouts: { upstream: 100s, upstreamTotal: 100s }
socks: { listen: ["127.0.0.1:0"], rules: ${rules}, timeouts: { header: 60s, dns: 100s, dnsTotal: 100s, connectTotal: 100s } }
httpProxy: { listen: ["127.0.0.1:0"], rules: ${rules} }
admin: { listen: "127.0.0.1:0" }
workers: 0
`);
  taskPort = target.port;
});

let taskPort = 0;
const reached = (socket: Socket): void => void socket.end('reached');

const greeting = [5, 1, 0];
const request = (host: string, to: number): Buffer =>
  Buffer.from([...greeting, 5, 1, 0, 3, host.length, ...Buffer.from(host), to >> 8, to & 255]);

/** REP, or that and what the target said. */
async function bySocks(host: string, to = port): Promise<string> {
  const client = await talk(Number(daemon.address('socks').split(':')[1]));
  client.write(request(host, to));
  const said = await client.rest();
  client.socket.destroy();
  return `${said[3]} ${said.subarray(12).toString('latin1')}`.trim();
}

async function byConnect(host: string): Promise<string> {
  const client = await talk(Number(daemon.address('httpProxy').split(':')[1]));
  client.write(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
  const said = (await client.rest()).toString('latin1');
  client.socket.destroy();
  return said.endsWith('reached') ? 'reached' : (said.split(' ')[1] ?? '');
}

t.test('names of others, along their aliases', async (t) => {
  t.equal(await bySocks(own, taskPort), '0 reached');
  for (const host of ['fine.example', 'chain.example', 'mixed.example']) {
    t.equal(await bySocks(host), '0 reached', host);
    t.equal(await byConnect(host), 'reached', host);
  }
});

t.test('a name that leads where it may not, by itself or by an alias', async (t) => {
  for (const host of ['metadata', 'home', 'zero', 'mapped', 'task', 'denied', 'secret.blocked']) {
    t.equal(await bySocks(`${host}.example`, host === 'task' ? taskPort : port), '2', host);
    t.equal(await byConnect(`${host}.example`), '403', host);
  }
  t.notOk(asked.has('secret.blocked.example A'), 'a name that is denied is never looked up');
});

t.test('an alias into our zones is not followed there', async (t) => {
  t.equal(await bySocks('into.example', taskPort), '4');
  t.equal(await byConnect('into.example'), '502');
  t.notOk(
    upstream.seen.some(({ name }) => name.toLowerCase().endsWith('.mesos')),
    'nor sent upstream',
  );
});

t.test('an address that becomes another one is judged anew', async (t) => {
  t.equal(await bySocks('flip.example'), '0 reached');
  t.equal(await bySocks('flip.example'), '2');
  t.equal(await byConnect('flip.example'), '403');
});

t.test('a thousand names that do not answer leave others room', async (t) => {
  const clients: Socket[] = [];
  t.teardown(() => clients.forEach((socket) => socket.destroy()));
  let refused = 0;
  for (let i = 0; i < 1_000; i++) {
    const socket = connect({ port: Number(daemon.address('socks').split(':')[1]), host: '127.0.0.1' });
    clients.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (said: Buffer) => (refused += said.length > 3 && said[3] !== 0 ? 1 : 0));
    socket.write(request(`slow${i}.example`, port));
  }
  const waiting = (): number =>
    new Set(upstream.seen.filter(({ name }) => /^slow/i.test(name)).map(({ name }) => name)).size;
  await eventually(
    'slow names',
    60_000,
    () => Promise.resolve(waiting()),
    (count) => count >= 128,
  );
  for (let i = 0; i < 5; i++) {
    t.equal(await fromElsewhere(own, taskPort), 0, 'our own names are in memory');
    t.equal(await fromElsewhere('fine.example', port), 0, 'those of others are looked up for others');
  }
  t.equal(await bySocks(own, taskPort), '0 reached', 'who waits for names reaches ours');
  await eventually(
    'refusals',
    60_000,
    () => Promise.resolve(refused),
    (count) => count >= 1_000 - 256,
  );
  t.ok(
    clients.some(({ readyState }) => readyState === 'open'),
    'some of them wait yet',
  );
});

/** From another client's address. */
async function fromElsewhere(host: string, to: number): Promise<number> {
  const socket = connect({
    port: Number(daemon.address('socks').split(':')[1]),
    host: '127.0.0.1',
    localAddress: '127.0.0.2',
  });
  socket.write(request(host, to));
  let said = Buffer.alloc(0);
  while (said.length < 12) said = Buffer.concat([said, ((await once(socket, 'data')) as [Buffer])[0]]);
  socket.destroy();
  return said[3] ?? -1;
}

// The last, since the daemon keeps this process up. It would wait for those who wait for names: told again, it ends at once.
t.test('the daemon ends', async (t) => {
  const stopped = daemon.stop();
  await daemon.line(({ msg }) => msg === 'draining');
  daemon.child.kill('SIGTERM');
  await stopped;
  t.pass();
});
