// Parent proxies: what they are told, whose word is final, who is passed over, and that a name goes to them without being looked up here.

import { once } from 'node:events';
import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import {
  createDialer,
  createParents,
  createRules,
  type AccessRequest,
  type ParentProxy,
  type Parents,
} from '../../../proxies/access/index.ts';
import { connectForTunnel, createMetrics, silentLogger, systemClock } from '../../../src/runtime/index.ts';
import { closedPort, counted, fakeCluster, fakeResolver, serve } from './scene.ts';

const forever = new AbortController().signal;

interface FakeParent {
  readonly parent: ParentProxy;
  readonly heads: string[];
}

/** Answers each CONNECT with `answer`, and echoes what comes behind it. */
async function httpParent(t: Test, answer: string, credentials = { user: '', password: '' }): Promise<FakeParent> {
  const heads: string[] = [];
  const target = await serve((socket) => {
    let text = '';
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData);
      heads.push(text.slice(0, end + 4));
      socket.write(answer);
      socket.pipe(socket);
    };
    socket.on('data', onData);
  });
  t.teardown(() => target.close());
  const { user, password } = credentials;
  const named = user === '' ? { user: null, password: null } : { user, password };
  return { parent: { scheme: 'http', host: '127.0.0.1', port: target.port, ...named }, heads };
}

/** A SOCKS5 parent that wants a password and says `reply`. */
async function socksParent(t: Test, reply: number): Promise<FakeParent> {
  const heads: string[] = [];
  const target = await serve((socket) => void talkSocks(socket, reply, heads));
  t.teardown(() => target.close());
  return { parent: { scheme: 'socks5', host: '127.0.0.1', port: target.port, user: 'bob', password: 'pw' }, heads };
}

async function talkSocks(socket: Socket, reply: number, heads: string[]): Promise<void> {
  const next = async (): Promise<Buffer> => (await once(socket, 'data'))[0] as Buffer;
  heads.push((await next()).toString('hex'));
  socket.write(Buffer.from([5, 2]));
  heads.push((await next()).toString('latin1'));
  socket.write(Buffer.from([1, 0]));
  heads.push((await next()).toString('hex'));
  socket.write(Buffer.from([5, reply, 0, 3, 3, ...Buffer.from('abc'), 0, 80]));
  socket.pipe(socket);
}

const dead = async (): Promise<ParentProxy> => {
  return { scheme: 'http', host: '127.0.0.1', port: await closedPort(), user: null, password: null };
};

function open(parents: readonly ParentProxy[], isLoop = (): boolean => false) {
  const metrics = createMetrics();
  const base = { resolver: fakeResolver({}), clock: systemClock, connectMs: 2_000 };
  const made = createParents({
    ...base,
    lists: { dc: parents },
    isLoop,
    log: silentLogger,
    metrics,
    subsystem: 'socks',
  });
  return { parents: made, metrics };
}

const ask = (parents: Parents, host = 'www.example'): ReturnType<Parents['connect']> =>
  parents.connect({ list: 'dc', host, port: 443, signal: forever });

async function echoes(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  let got = '';
  socket.on('data', (chunk: Buffer) => (got += chunk.toString()));
  socket.resume();
  while (got.length < text.length) await once(socket, 'data');
  socket.destroy();
  return got;
}

t.test('HTTP: CONNECT with credentials; interim answers are skipped and early bytes kept', async (t) => {
  const answer = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection established\r\nVia: x\r\n\r\nearly';
  const { parent, heads } = await httpParent(t, answer, { user: 'bob', password: 'pw' });
  const { parents } = open([parent]);
  const joined = await ask(parents);
  if ('failure' in joined) throw new Error(joined.failure);
  t.equal(joined.parent, `http://127.0.0.1:${parent.port}`, 'without credentials');
  t.equal(
    heads[0],
    'CONNECT www.example:443 HTTP/1.1\r\nHost: www.example:443\r\nProxy-Authorization: Basic Ym9iOnB3\r\n\r\n',
  );
  t.equal(await echoes(joined.socket, 'early'), 'early');
});

t.test('HTTP: an IPv6 target in brackets', async (t) => {
  const { parent, heads } = await httpParent(t, 'HTTP/1.1 200 OK\r\n\r\n');
  const joined = await ask(open([parent]).parents, '2001:db8::1');
  if ('socket' in joined) joined.socket.destroy();
  t.match(heads[0], /^CONNECT \[2001:db8::1\]:443 /);
});

t.test('SOCKS5: login, name as a name', async (t) => {
  const { parent, heads } = await socksParent(t, 0);
  const joined = await ask(open([parent]).parents);
  if ('failure' in joined) throw new Error(joined.failure);
  t.strictSame(heads, ['050102', '\x01\x03bob\x02pw', `050100030b${Buffer.from('www.example').toString('hex')}01bb`]);
  t.equal(await echoes(joined.socket, 'ping'), 'ping');
});

t.test("a parent's word about the target is final", async (t) => {
  const rows = [
    ['HTTP/1.1 403 No\r\n\r\n', 'denied'],
    ['HTTP/1.1 404 No\r\n\r\n', 'nonexistent'],
    ['HTTP/1.1 502 No\r\n\r\n', 'connect-failure'],
    ['HTTP/1.1 504 No\r\n\r\n', 'connect-timeout'],
  ] as const;
  for (const [answer, failure] of rows) {
    const first = await httpParent(t, answer);
    const second = await httpParent(t, 'HTTP/1.1 200 OK\r\n\r\n');
    t.strictSame(await ask(open([first.parent, second.parent]).parents), { failure }, answer);
    t.equal(second.heads.length, 0, 'nobody else is asked');
  }
  const socks = await socksParent(t, 5);
  t.strictSame(await ask(open([socks.parent]).parents), { failure: 'refused' });
});

t.test('a parent that does not work gives way to the next, and is passed over after three failures', async (t) => {
  const good = await httpParent(t, 'HTTP/1.1 200 OK\r\n\r\n');
  for (const bad of [
    await dead(),
    (await httpParent(t, 'HTTP/1.1 407 Who\r\n\r\n')).parent,
    (await httpParent(t, 'SSH-2.0-x\r\n\r\n')).parent,
  ]) {
    const { parents, metrics } = open([bad, good.parent]);
    const label = { parent: `http://127.0.0.1:${bad.port}` };
    for (let i = 0; i < 3; i++) {
      t.equal(counted(metrics, 'socks_parent_up', label), 1);
      const joined = await ask(parents);
      if ('failure' in joined) throw new Error(joined.failure);
      t.equal(joined.parent, `http://127.0.0.1:${good.parent.port}`);
      joined.socket.destroy();
    }
    t.equal(counted(metrics, 'socks_parent_up', label), 0);
  }
});

t.test('all out: they are tried nevertheless', async (t) => {
  const { parents } = open([await dead()]);
  for (let i = 0; i < 4; i++) t.strictSame(await ask(parents), { failure: 'refused' });
});

t.test('one of our own listeners is nobody’s parent', async (t) => {
  const loop = await httpParent(t, 'HTTP/1.1 200 OK\r\n\r\n');
  t.strictSame(await ask(open([loop.parent], () => true).parents), { failure: 'connect-failure' });
  t.equal(loop.heads.length, 0);
});

t.test('whoever goes away takes the attempt along', async (t) => {
  const silent = await serve(() => undefined);
  t.teardown(() => silent.close());
  const { parents } = open([{ scheme: 'http', host: '127.0.0.1', port: silent.port, user: null, password: null }]);
  const gone = new AbortController();
  const asked = parents.connect({ list: 'dc', host: 'x.example', port: 80, signal: gone.signal });
  await once(silent.server, 'connection');
  gone.abort();
  t.strictSame(await asked, { failure: 'aborted' });
});

const asked = (name: string, more: Partial<AccessRequest> = {}): AccessRequest => ({
  client: '10.0.0.1',
  user: null,
  command: 'connect',
  destination: { kind: 'name', name },
  port: 443,
  ip: null,
  own: false,
  defaultPort: null,
  ...more,
});

t.test('which rules send a name to a parent as it is', (t) => {
  const via = (list: Parameters<typeof createRules>[0]['rules'], request: AccessRequest): unknown => {
    const rules = createRules({
      rules: list,
      cluster: fakeCluster({}),
      isLoop: () => false,
      parents: new Set(['dc']),
    });
    t.strictSame(rules.problems, []);
    const { verdict, via, byName } = rules.judge(request);
    return verdict === 'deny' ? 'denied' : byName === true ? `${via} by name` : via;
  };
  const external = { allow: { to: ['external'] }, via: 'dc' };
  t.equal(via([external], asked('www.example')), 'dc by name');
  t.equal(via([{ allow: { to: ['*.example'] }, via: 'dc' }], asked('www.example')), 'dc by name');
  t.equal(via([{ allow: {}, via: 'dc' }], asked('www.example')), 'dc by name');
  t.equal(via([external], asked('web.own', { own: true })), 'dc', 'an own name is resolved here');
  t.equal(via([{ deny: { to: ['10.0.0.0/8'] } }, external], asked('www.example')), 'dc', 'a denial of addresses first');
  t.equal(via([{ deny: { to: ['*.example'] } }, external], asked('www.example')), 'denied');
  t.equal(via([{ allow: { to: ['8.0.0.0/8'] } }, external], asked('www.example')), null, 'perhaps direct');
  t.equal(via([external], asked('www.example', { defaultPort: 443, port: 25 })), 'dc', 'a port that needs a rule');
  t.equal(via([external], asked('', { destination: { kind: 'ip', ip: '8.8.8.8' }, ip: '8.8.8.8' })), 'dc');
  t.equal(via([external], asked('', { destination: { kind: 'ip', ip: '127.0.0.1' }, ip: '127.0.0.1' })), 'denied');
  t.end();
});

t.test('the dialler goes through: by name without a look-up, by address after one', async (t) => {
  const { parent, heads } = await httpParent(t, 'HTTP/1.1 200 OK\r\n\r\n');
  const { parents } = open([parent]);
  const resolver = fakeResolver({ 'www.example': ['127.0.0.1', '8.8.8.8', '9.9.9.9'] });
  const connect = (host: string, port: number): Socket => connectForTunnel({ host, port });
  const dialer = createDialer({
    resolver,
    connect,
    clock: systemClock,
    parents,
    dnsMs: 1000,
    connectMs: 1000,
    dialMs: 2000,
  });
  const judge = (ip: string) =>
    ({ verdict: ip === '127.0.0.1' ? 'deny' : 'allow', rule: 0, reason: null, via: 'dc', logsOpen: false }) as const;
  const request = {
    destination: { kind: 'name', name: 'www.example' },
    port: 443,
    judge,
    signal: forever,
  } as const;
  for (const [throughParent, host] of [
    ['dc', 'www.example'],
    [null, '8.8.8.8'],
  ] as const) {
    const dialed = await dialer.dial({ ...request, throughParent });
    if ('failure' in dialed) throw new Error(dialed.failure);
    t.equal(dialed.ip, `dc!${host}`);
    t.equal(dialed.parent, `http://127.0.0.1:${parent.port}`);
    t.match(heads.at(-1), `CONNECT ${host}:443 `);
    t.equal(resolver.sent.length, throughParent === null ? 1 : 0);
    dialed.socket.destroy();
  }
});
