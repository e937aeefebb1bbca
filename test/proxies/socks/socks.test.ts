// SOCKS over real sockets: handshakes split and joined, every reply, half-close, and no open proxy.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { hashPassword } from '../../../proxies/access/index.ts';
import { createSocksFunction, type SocksFunction, type SocksOptions } from '../../../proxies/socks/index.ts';
import { bindTcp } from '../../../src/runtime/index.ts';
import { needs } from '../../needs.ts';
import { untilRefused } from '../until-refused.ts';
import {
  allowCluster,
  basics,
  closedPort,
  counted,
  keepLines,
  loopbackCluster,
  serve,
  serveEcho,
  serveLate,
  talk,
  type Basics,
} from '../access/scene.ts';

const run = promisify(execFile);

interface Scene {
  readonly port: number;
  readonly socks: SocksFunction;
  readonly base: Basics;
}

const names = {
  'echo.own': ['127.0.0.1'],
  'www.example': ['127.0.0.1'],
  'rebind.example': ['8.8.8.8', '127.0.0.1'],
  'empty.own': [],
};

async function open(t: Test, options: Partial<SocksOptions> = {}): Promise<Scene> {
  const base = basics(names);
  const socks = createSocksFunction({ ...base, rules: allowCluster, users: null, owners: loopbackCluster, ...options });
  await socks.start();
  t.teardown(() => socks.stop());
  return { socks, base, port: (options.listeners ?? base.listeners)[0]?.port ?? 0 };
}

async function echo(t: Test): Promise<number> {
  const target = await serveEcho();
  t.teardown(() => target.close());
  return target.port;
}

const portBytes = (port: number): readonly number[] => [port >> 8, port & 0xff];
const greeting = [5, 1, 0];
const byAddress = (ip: string, port: number, command = 1): readonly number[] =>
  ip.includes(':')
    ? [5, command, 0, 4, ...Buffer.from('00000000000000000000000000000001', 'hex'), ...portBytes(port)]
    : [5, command, 0, 1, ...ip.split('.').map(Number), ...portBytes(port)];
const byName = (name: string, port: number): readonly number[] => {
  const octets = Buffer.from(name, 'latin1');
  return [5, 1, 0, 3, octets.length, ...octets, ...portBytes(port)];
};
const bytes = (...parts: readonly (readonly number[])[]): Buffer => Buffer.from(parts.flat());

/** The reply to one request after a greeting, and all that follows it. */
async function ask(port: number, request: readonly number[]): Promise<Buffer> {
  const client = await talk(port);
  client.write(bytes(greeting, request));
  const all = await client.rest();
  client.socket.destroy();
  if (all[0] !== 5 || all[1] !== 0) throw new Error(`no method was chosen: ${all.toString('hex')}`);
  return all.subarray(2);
}

t.test('CONNECT by address and by name', async (t) => {
  const target = await echo(t);
  const { port } = await open(t);
  for (const request of [
    byAddress('127.0.0.1', target),
    byName('echo.own', target),
    byName('ECHO.own.', target),
    byName('127.0.0.1', target),
  ]) {
    const client = await talk(port);
    client.write(bytes(greeting, request));
    const reply = await client.read(12);
    t.strictSame([...reply.subarray(0, 6)], [5, 0, 5, 0, 0, 1]);
    t.strictSame([...reply.subarray(6, 10)], [127, 0, 0, 1], 'the real local address');
    t.not(reply.readUInt16BE(10), 0);
    client.end('hello');
    t.equal((await client.rest()).toString(), 'hello');
  }
});

t.test('CONNECT over IPv6 gets a reply of 22 octets', { skip: needs('ipv6') }, async (t) => {
  const target = await serve((socket) => socket.pipe(socket), '::1');
  t.teardown(() => target.close());
  const { port } = await open(t);
  const client = await talk(port);
  client.write(bytes(greeting, byAddress('::1', target.port)));
  const reply = await client.read(24);
  t.strictSame([...reply.subarray(2, 6)], [5, 0, 0, 4]);
  t.equal(reply.subarray(6, 22).toString('hex'), '00000000000000000000000000000001');
  client.end('six');
  t.equal((await client.rest()).toString(), 'six');
});

t.test('byte by byte', async (t) => {
  const target = await echo(t);
  const { port } = await open(t);
  const client = await talk(port);
  for (const byte of bytes(greeting, byName('echo.own', target))) {
    client.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal((await client.read(12))[3], 0);
  client.end('x');
  t.equal((await client.rest()).toString(), 'x');
});

t.test('all at once, payload and FIN included', async (t) => {
  const target = await serveLate();
  t.teardown(() => target.close());
  const { port, base } = await open(t);
  const client = await talk(port);
  client.end(Buffer.concat([bytes(greeting, byAddress('127.0.0.1', target.port)), Buffer.from('report')]));
  t.equal((await client.rest()).subarray(12).toString(), 'late report');
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(counted(base.metrics, 'socks_sessions_total', { verdict: 'allow', reason: 'finished' }), 1);
  t.equal(counted(base.metrics, 'socks_bytes_total', { direction: 'up' }), 6, 'payload that came early is counted');
});

t.test('half-close: FIN, then an answer 300 ms later', async (t) => {
  const target = await serveLate();
  t.teardown(() => target.close());
  const { port } = await open(t);
  const client = await talk(port);
  client.write(bytes(greeting, byAddress('127.0.0.1', target.port)));
  await client.read(12);
  client.end('batch');
  t.equal((await client.rest()).toString(), 'late batch');
});

t.test('failures have full-length replies of their own', async (t) => {
  const target = await echo(t);
  const { port, base } = await open(t, { rules: [{ allow: { to: ['cluster', 'nowhere.example', 'www.example'] } }] });
  const rows: readonly (readonly [string, readonly number[], number])[] = [
    ['not listed', byName('other.example', 80), 2],
    ['external address', byAddress('8.8.8.8', 80), 2],
    ['does not exist', byName('nowhere.example', 80), 4],
    ['exists without addresses', byName('empty.own', 80), 4],
    ['refused', byAddress('127.0.0.1', await closedPort()), 5],
    ['BIND', byAddress('127.0.0.1', target, 2), 7],
    ['UDP', byAddress('127.0.0.1', target, 3), 7],
    ['unknown command', byAddress('127.0.0.1', target, 0xf0), 7],
    ['unknown address type', [5, 1, 0, 2, 1, 2, 3, 4, 0, 80], 8],
    ['port 0', byAddress('127.0.0.1', 0), 1],
  ];
  for (const [name, request, reply] of rows) {
    t.strictSame([...(await ask(port, request))], [5, reply, 0, 1, 0, 0, 0, 0, 0, 0], name);
  }
  t.equal(counted(base.metrics, 'socks_sessions_total', { verdict: 'deny', reason: 'unsupported' }), 4);
  t.notOk(base.resolver.sent.includes('other.example'), 'a name that no rule allows is never looked up');
});

t.test('names in every dangerous spelling reach nobody', async (t) => {
  let reached = 0;
  const target = await serve(() => reached++);
  t.teardown(() => target.close());
  const { port, base } = await open(t, {
    owners: { isCluster: () => false, appsOf: () => [] },
    rules: [{ allow: {} }],
  });
  const spellings = [
    ...[
      '127.1',
      '0x7f.1',
      '017700000001',
      '2130706433',
      '0177.0.0.1',
      '127.0.0.1',
      '127.0.0.1.',
      '::1',
      '::ffff:127.0.0.1',
      '[::1]',
    ],
    ...[
      'www.example\0',
      'www.example\0.own',
      'www example',
      'www.example\r\n',
      'a@www.example',
      '',
      'a'.repeat(255),
      '.',
      'rebind.example\0',
    ],
    ...['www.example', '0.0.0.0', '::', '64:ff9b::7f00:1', '2002:7f00:1::', '169.254.169.254', 'fd00:ec2::254'],
  ];
  for (const spelling of spellings) {
    const reply = await ask(port, byName(spelling, target.port));
    t.equal(reply.length, 10, JSON.stringify(spelling));
    t.not(reply[1], 0, JSON.stringify(spelling));
  }
  t.equal(reached, 0);
  t.notOk(
    base.resolver.sent.some((name) => !/^[a-z0-9.]+$/.test(name)),
    'what goes upstream is canonical',
  );
});

t.test('no rules: nobody gets anywhere', async (t) => {
  const target = await echo(t);
  const { port } = await open(t, { rules: [] });
  t.equal((await ask(port, byAddress('127.0.0.1', target)))[1], 2);
  t.equal((await ask(port, byName('echo.own', target)))[1], 2);
});

t.test('own listeners are refused, whatever the rules', async (t) => {
  const base = basics();
  const [own] = base.listeners;
  const rules = [{ allow: { to: ['127.0.0.0/8'] }, unsafe: true }, ...allowCluster];
  const { port } = await open(t, { ...base, rules, ownListeners: () => [`127.0.0.1:${own?.port}`] });
  t.equal((await ask(port, byAddress('127.0.0.1', port)))[1], 2);
});

t.test('what is no SOCKS5 is closed', async (t) => {
  const { port, base } = await open(t);
  for (const start of [[4, 1, 0, 80, 127, 0, 0, 1, 0], [0x16, 3, 1], [...Buffer.from('GET / HTTP/1.1\r\n\r\n')]]) {
    const client = await talk(port);
    client.write(bytes(start));
    t.equal((await client.rest().catch(() => Buffer.alloc(0))).length, 0);
  }
  t.equal(counted(base.metrics, 'socks_sessions_total', { reason: 'malformed' }), 3);
});

t.test('no common method: 05 FF', async (t) => {
  const { port } = await open(t);
  for (const hello of [
    [5, 0],
    [5, 1, 2],
    [5, 2, 1, 0x80],
  ]) {
    const client = await talk(port);
    client.write(bytes(hello));
    t.strictSame([...(await client.rest())], [5, 0xff]);
  }
});

t.test('a client that says nothing is closed in time', async (t) => {
  const { port, base } = await open(t, { timeouts: { headerMs: 50 } });
  const client = await talk(port);
  client.write(bytes([5]));
  await client.rest().catch(() => undefined);
  t.equal(counted(base.metrics, 'socks_sessions_total', { reason: 'malformed' }), 1);
});

async function usersFile(t: Test): Promise<string> {
  const path = join(t.testdir({}), 'users.yaml');
  await writeFile(path, `mainframe: "${await hashPassword('s3cret')}"\n`);
  return path;
}

const login = (name: string, password: string, version = 1): readonly number[] => [
  version,
  ...[name.length, ...Buffer.from(name)],
  ...[password.length, ...Buffer.from(password)],
];

t.test('users and passwords', async (t) => {
  const target = await echo(t);
  const rules = [{ allow: { users: ['mainframe'], to: ['cluster'] } }];
  const kept = keepLines();
  const { port, base } = await open(t, { users: await usersFile(t), rules, log: kept.log });
  const good = await talk(port);
  good.end(
    Buffer.concat([
      bytes([5, 2, 0, 2], login('mainframe', 's3cret'), byName('echo.own', target)),
      Buffer.from('early'),
    ]),
  );
  const all = await good.rest();
  t.strictSame([...all.subarray(0, 6)], [5, 2, 1, 0, 5, 0]);
  t.equal(all.subarray(14).toString(), 'early', 'a client that says all at once and leaves');
  for (const wrong of [login('mainframe', 'guess'), login('nobody', 's3cret'), login('', '')]) {
    const client = await talk(port);
    client.write(bytes([5, 1, 2], wrong));
    t.strictSame([...(await client.rest())], [5, 2, 1, 1]);
  }
  const strange = await talk(port);
  strange.write(bytes([5, 1, 2], login('mainframe', 's3cret', 5)));
  t.strictSame(
    [...(await strange.rest().catch(() => strange.read(0)))].slice(0, 2),
    [5, 2],
    'the version of the sub-negotiation is checked',
  );
  const without = await talk(port);
  without.write(bytes(greeting));
  t.strictSame([...(await without.rest())], [5, 0xff]);
  t.equal(counted(base.metrics, 'socks_sessions_total', { reason: 'auth' }), 4);
  t.notOk(JSON.stringify(kept.lines).includes('s3cret'));
  t.ok(kept.lines.some((line) => line['user'] === 'mainframe' && line['verdict'] === 'allow'));
});

t.test('passwords in clear beyond loopback need to be accepted', async (t) => {
  const users = await usersFile(t);
  const listeners = [bindTcp('0.0.0.0', 0)];
  const make = (clearAuth: boolean): SocksFunction =>
    createSocksFunction({ ...basics(), listeners, users, rules: [], owners: loopbackCluster, clearAuth });
  const refused = make(false);
  t.match(refused.problems(), [/clearAuth/]);
  await t.rejects(refused.start(), { code: 'SOCKS_NOT_STARTED' });
  const accepted = make(true);
  await accepted.start();
  t.strictSame(accepted.problems(), []);
  await accepted.stop();
});

t.test('SOCKS4 and 4a where 4 is listed', async (t) => {
  const target = await echo(t);
  const { port } = await open(t, { versions: [5, 4] });
  const user = [...Buffer.from('bob'), 0];
  for (const request of [
    [4, 1, ...portBytes(target), 127, 0, 0, 1, ...user],
    [4, 1, ...portBytes(target), 0, 0, 0, 7, ...user, ...Buffer.from('echo.own'), 0],
  ]) {
    const client = await talk(port);
    client.end(Buffer.concat([bytes(request), Buffer.from('four')]));
    const all = await client.rest();
    t.strictSame([...all.subarray(0, 2)], [0, 90]);
    t.equal(all.subarray(8).toString(), 'four');
  }
  const denied = await talk(port);
  denied.write(bytes([4, 1, 0, 80, 8, 8, 8, 8, 0]));
  t.strictSame([...(await denied.rest())], [0, 91, 0, 0, 0, 0, 0, 0]);
});

t.test('a target that resets is a reset for the client', async (t) => {
  const target = await serve((socket) => socket.once('data', () => socket.resetAndDestroy()));
  t.teardown(() => target.close());
  const { port } = await open(t);
  const client = await talk(port);
  client.write(bytes(greeting, byAddress('127.0.0.1', target.port)));
  await client.read(12);
  client.write('x');
  await t.rejects(client.rest(), { code: 'ECONNRESET' });
});

t.test('drain waits for sessions, stop cuts them', async (t) => {
  const target = await echo(t);
  const { port, socks, base } = await open(t);
  const client = await talk(port);
  client.write(bytes(greeting, byAddress('127.0.0.1', target)));
  await client.read(12);
  let drained = false;
  const draining = socks.drain(30_000).then(() => (drained = true));
  await untilRefused(port);
  client.write('still');
  t.equal((await client.read(5)).toString(), 'still');
  t.notOk(drained);
  client.end();
  await client.rest();
  await draining;
  t.equal(counted(base.metrics, 'socks_sessions_active', {}), 0);
});

t.test('limits are kept and counted', async (t) => {
  const { port, base } = await open(t, { limits: { connections: 1 } });
  const first = await talk(port);
  first.write(bytes(greeting));
  await first.read(2);
  const second = connect(port, '127.0.0.1');
  const [error] = (await once(second, 'error')) as [NodeJS.ErrnoException];
  t.equal(error.code, 'ECONNRESET');
  t.equal(counted(base.metrics, 'socks_sessions_total', { reason: 'limit' }), 1);
  first.socket.destroy();
});

t.test('curl by name', { skip: needs('curl') }, async (t) => {
  const web = createServer((request, response) => response.end(`${request.headers.host} ${request.url}`));
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  t.teardown(() => web.close());
  const target = (web.address() as AddressInfo).port;
  const { port } = await open(t, { users: await usersFile(t) });
  const proxy = `127.0.0.1:${port}`;
  const { stdout } = await run('curl', [
    '-sS',
    '--socks5-hostname',
    proxy,
    '--proxy-user',
    'mainframe:s3cret',
    `http://echo.own:${target}/x`,
  ]);
  t.equal(stdout, `echo.own:${target} /x`);
  await t.rejects(
    run('curl', ['-sS', '--socks5-hostname', proxy, '--proxy-user', 'mainframe:no', `http://echo.own:${target}/x`]),
    { code: 97 },
  );
});
