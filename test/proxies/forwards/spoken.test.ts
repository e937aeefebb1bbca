// What a forward says to its targets and believes of those before it: PROXY headers both ways, TLS, the order of targets, and its end.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { proxyHeader } from '../../../lb/index.ts';
import { createForwardsFunction } from '../../../proxies/forwards/index.ts';
import { createTargetOrder } from '../../../proxies/forwards/target-order.ts';
import { bindTcp } from '../../../src/runtime/index.ts';
import { needs } from '../../needs.ts';
import { manualClock } from '../../runtime/manual-clock.ts';
import { closedPort, counted, serveEcho, talk } from '../access/scene.ts';
import { untilRefused } from '../until-refused.ts';
import { echo, echoed, open } from './scene.ts';

const run = promisify(execFile);

t.test('a PROXY header tells the target who called', async (t) => {
  const to = `127.0.0.1:${await echo(t)}`;
  const v1 = await open(t, to, {}, { proxyProtocol: 'v1' });
  const client = await talk(v1.port);
  const { localPort } = client.socket;
  client.end('hello');
  t.equal((await client.rest()).toString(), `PROXY TCP4 127.0.0.1 127.0.0.1 ${localPort} ${v1.port}\r\nhello`);
  const v2 = await open(t, to, {}, { proxyProtocol: 'v2' });
  const header = Buffer.from('0d0a0d0a000d0a515549540a2111000c7f0000017f000001', 'hex').toString('latin1');
  const told = await echoed(v2.port);
  t.equal(told.slice(0, header.length), header);
  t.equal(told.slice(header.length + 4), 'hello');
});

t.test('listed peers say who the client is, and `from` is about the client', async (t) => {
  const to = `127.0.0.1:${await echo(t)}`;
  const introduced = { from: ['192.0.2.0/24'], proxyProtocolFrom: ['127.0.0.1'], proxyProtocol: 'v1' } as const;
  const { port, base } = await open(t, to, {}, introduced);
  const header = (clientIp: string): string =>
    proxyHeader('v2', { clientIp, clientPort: 7, ownIp: '198.51.100.1', ownPort: 80 }).toString('latin1');
  t.match(await echoed(port, `${header('192.0.2.9')}hello`), /^PROXY TCP4 192\.0\.2\.9 127\.0\.0\.1 7 \d+\r\nhello$/);
  for (const bytes of [`${header('192.0.3.9')}hello`, 'hello', 'PROXY UNKNOWN\r\nhello', 'PROXY TCP4 '])
    t.equal(await echoed(port, bytes).catch(() => ''), '', bytes.slice(-11));
  t.equal(counted(base.metrics, 'forwards_sessions_total', { reason: 'malformed' }), 2);
  t.equal(counted(base.metrics, 'forwards_sessions_total', { reason: 'denied' }), 2);
  const other = await open(t, to, {}, { proxyProtocolFrom: ['10.0.0.0/8'] });
  t.equal(await echoed(other.port, 'PROXY UNKNOWN\r\nhello'), 'PROXY UNKNOWN\r\nhello', 'payload from anybody else');
});

t.test('a peer that owes its header has so long', async (t) => {
  const options = { proxyProtocolFrom: ['127.0.0.1'], timeouts: { headerMs: 100 } };
  const { port, base } = await open(t, `127.0.0.1:${await echo(t)}`, {}, options);
  const client = await talk(port);
  await client.rest();
  t.equal(counted(base.metrics, 'forwards_sessions_total', { reason: 'malformed' }), 1);
});

interface Secured {
  readonly port: number;
  readonly ca: string;
  readonly names: readonly string[];
}

/** A TLS server for `erp.corp.example` that answers what it gets, once the client has ended. */
async function secured(t: Test): Promise<Secured> {
  const folder = t.testdir({});
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=erp', '-addext', 'subjectAltName=DNS:erp.corp.example,IP:127.0.0.9', '-days', '2'];
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    ...files,
    ...subject,
  ]);
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync(join(folder, name), 'utf8')) as [
    string,
    string,
  ];
  const names: string[] = [];
  const server = createServer({ key, cert, allowHalfOpen: true }, (socket) => {
    names.push(String(socket.servername));
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { port: (server.address() as AddressInfo).port, ca: cert, names };
}

t.test('TLS towards the target, by name, with half-close', { skip: needs('openssl') }, async (t) => {
  const { port: target, ca, names } = await secured(t);
  const to = `erp.corp.example:${target}`;
  const trusted = await open(t, to, {}, { tls: { serverName: null, ca } });
  t.equal(await echoed(trusted.port), 'hello');
  t.equal((await echoed(trusted.port, 'x'.repeat(300_000))).length, 300_000);
  const named = await open(t, `127.0.0.1:${target}`, {}, { tls: { serverName: 'erp.corp.example', ca } });
  t.equal(await echoed(named.port), 'hello');
  const careless = await open(t, `127.0.0.1:${target}`, {}, { tls: { serverName: null, insecure: true } });
  t.equal(await echoed(careless.port), 'hello');
  t.strictSame(names, ['erp.corp.example', 'erp.corp.example', 'erp.corp.example', 'false']);
});

t.test('a target that cannot prove itself is a target that failed', { skip: needs('openssl') }, async (t) => {
  const { port: target, ca } = await secured(t);
  const plain = await echo(t);
  for (const [to, tls] of [
    [`erp.corp.example:${target}`, { serverName: null }],
    [`erp.corp.example:${target}`, { serverName: 'other.example', ca }],
    [`127.0.0.1:${target}`, { serverName: null, ca }],
    [`127.0.0.1:${plain}`, { serverName: null, ca }],
  ] as const) {
    const { port, base } = await open(t, to, {}, { tls, timeouts: { connectMs: 500 } });
    await t.rejects(echoed(port), { code: 'ECONNRESET' }, `${to} ${JSON.stringify(tls.serverName)}`);
    t.equal(counted(base.metrics, 'forwards_sessions_total', { verdict: 'deny', reason: 'bad-answer' }), 1);
  }
});

t.test('a target that failed comes last for a while', async (t) => {
  const clock = manualClock();
  const changes: string[] = [];
  const order = createTargetOrder(['a', 'b', 'c'], clock, (target, isWell) => changes.push(`${target} ${isWell}`));
  t.equal(order.inOrder().join(''), 'abc');
  order.failed('a');
  clock.advance(1_000);
  order.failed('b');
  t.equal(order.inOrder().join(''), 'cab', 'the one that failed longest ago is next');
  order.reached('b');
  t.equal(order.inOrder().join(''), 'bca');
  clock.advance(9_000);
  t.equal(order.inOrder().join(''), 'abc', 'tried again');
  order.failed('a');
  t.strictSame(changes, ['a false', 'b false', 'b true'], 'told when it changes');
});

t.test('what targets are worth is told in metrics', async (t) => {
  const [dead, alive] = [`127.0.0.1:${await closedPort()}`, `127.0.0.1:${await echo(t)}`];
  const { port, base } = await open(t, [dead, alive]);
  t.equal(await echoed(port), 'hello');
  const target = base.metrics.read().find(({ name }) => name === 'isthmus_forwards_target_up');
  t.match(target?.values, [{ labels: { listen: 'here', target: dead }, value: 0 }]);
  t.equal(counted(base.metrics, 'forwards_up', { listen: 'here' }), 1);
});

t.test('a forward that was not bound costs itself alone', async (t) => {
  const to = `127.0.0.1:${await echo(t)}`;
  const scene = await open(t, to);
  const base = scene.base;
  const listener = bindTcp('127.0.0.1', 0);
  const two = createForwardsFunction({
    ...base,
    forwards: [
      { listen: 'lost', listener: null, to, from: ['127.0.0.0/8'] },
      { listen: 'kept', listener, to, from: ['127.0.0.0/8'] },
    ],
    placesOf: () => ({ rejected: '' }),
  });
  await two.start();
  t.teardown(() => two.stop());
  t.equal(await echoed(listener.port), 'hello');
  t.equal(counted(base.metrics, 'forwards_up', { listen: 'lost' }), 0);
  t.equal(counted(base.metrics, 'forwards_up', { listen: 'kept' }), 1);
});

t.test('drain: nobody new, and those that are there end in their own time', async (t) => {
  const { port, drain } = await open(t, `127.0.0.1:${await echo(t)}`);
  const client = await talk(port);
  client.write('one');
  await client.read(3);
  let drained = false;
  const draining = drain(20_000).then(() => (drained = true));
  await untilRefused(port);
  client.write('two');
  t.equal((await client.read(3)).toString(), 'two');
  t.notOk(drained);
  client.end();
  await client.rest();
  await draining;
});

t.test('redis-cli and ncat through a forward', { skip: needs('redis-server', 'redis-cli', 'ncat') }, async (t) => {
  const { port: redisPort } = await freePort();
  const redis = spawn('redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', ''], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(() => redis.kill());
  for await (const chunk of redis.stdout) if (String(chunk).includes('Ready to accept')) break;
  const { port } = await open(t, `127.0.0.1:${redisPort}`);
  const cli = (...args: readonly string[]): Promise<{ stdout: string }> =>
    run('redis-cli', ['-p', String(port), ...args]);
  t.equal((await cli('set', 'k', 'v')).stdout, 'OK\n');
  t.equal((await cli('get', 'k')).stdout, 'v\n');
  const batch = await run('sh', ['-c', `printf 'GET k\\r\\nQUIT\\r\\n' | ncat 127.0.0.1 ${port}`]);
  t.equal(batch.stdout, '$1\r\nv\r\n+OK\r\n', 'FIN at once, and the answer arrives');
});

async function freePort(): Promise<{ readonly port: number }> {
  const target = await serveEcho();
  await target.close();
  return target;
}
