// The HTTP forward proxy over real sockets: requests, tunnels, refusals, and what an origin gets to see.

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { bindTcp } from '../../../src/runtime/index.ts';
import { needs } from '../../needs.ts';
import {
  allowCluster,
  basics,
  closedPort,
  counted,
  keepLines,
  serve,
  serveEcho,
  serveLate,
  talk,
} from '../access/scene.ts';
import { ask, hello, names, open, origin, proxyStatus, status, usersFile } from './scene.ts';

const run = promisify(execFile);

t.test('an absolute-form request, with our Host and nothing meant for us', async (t) => {
  const web = await origin(t, hello);
  const { port, base } = await open(t);
  const answer = await ask(
    port,
    `GET http://web.own:${web.port}/a?b HTTP/1.1`,
    'Host: evil.example',
    'Proxy-Authorization: Basic eDp5',
    'Proxy-Connection: keep-alive',
    'Connection: X-Secret, Host',
    'X-Secret: 1',
    'Keep-Alive: 5',
    'TE: gzip',
    'Upgrade: h2c',
    'my_field: kept',
  );
  t.equal(status(answer), 200);
  t.match(answer, /\r\nVia: 1\.1 isthmus-[0-9a-f]+\r\n/);
  t.ok(answer.endsWith('\r\n\r\nhello'));
  t.match(web.heads, [/^GET \/a\?b\nHost: web\.own:\d+\nmy_field: kept\nVia: 1\.1 isthmus-[0-9a-f]+$/]);
  t.equal(counted(base.metrics, 'egress_sessions_total', { verdict: 'allow', reason: 'finished' }), 1);
  t.equal(counted(base.metrics, 'egress_bytes_total', { direction: 'down' }), 5);
});

t.test('requests in a row share both connections; bodies go both ways', async (t) => {
  const ports = new Set<number>();
  const web = await origin(t, (request, response) => {
    ports.add(request.socket.remotePort ?? 0);
    request.pipe(response);
  });
  const { port } = await open(t);
  const client = await talk(port);
  const line = `POST http://127.0.0.1:${web.port}/ HTTP/1.1\r\nHost: x\r\n`;
  client.write(`${line}Content-Length: 3\r\n\r\none`);
  const first = await client.read(60);
  t.match(first.toString(), /^HTTP\/1\.1 200/);
  await new Promise((resolve) => client.socket.once('data', resolve).resume() && setImmediate(resolve));
  client.write(`${line}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\ntwo\r\n0\r\n\r\n`);
  const all = (await client.rest()).toString();
  t.match(all, /one/);
  t.match(all, /two/);
  t.equal(ports.size, 1);
});

t.test('a kept connection that dies under a request: again, once, where that is harmless', async (t) => {
  let connections = 0;
  const target = await serve((socket) => {
    let requests = 0;
    connections++;
    socket.on('data', () => {
      if (++requests === 1) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${connections}`);
      else socket.resetAndDestroy();
    });
  });
  t.teardown(() => target.close());
  const { port } = await open(t);
  const url = `http://127.0.0.1:${target.port}/`;
  t.match(await ask(port, `GET ${url} HTTP/1.1`, 'Host: x'), /1$/);
  t.match(await ask(port, `GET ${url} HTTP/1.1`, 'Host: x'), /2$/, 'on a fresh connection');
  t.equal(status(await ask(port, `POST ${url} HTTP/1.1`, 'Host: x', 'Content-Length: 0')), 502);
  t.equal(connections, 2);
});

t.test('CONNECT, with half-close: FIN, then an answer 300 ms later', async (t) => {
  const target = await serveLate();
  t.teardown(() => target.close());
  const { port, base } = await open(t);
  const client = await talk(port);
  client.write(`CONNECT web.own:${target.port} HTTP/1.1\r\nHost: x\r\n\r\nearly `);
  const established = 'HTTP/1.1 200 Connection established\r\n\r\n';
  t.equal((await client.read(established.length)).toString(), established);
  client.end('batch');
  t.equal((await client.rest()).toString(), 'late early batch');
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(counted(base.metrics, 'egress_bytes_total', { direction: 'up' }), 11);
});

t.test('CONNECT without ports in the rule: 443 outside the cluster, any port within', async (t) => {
  const target = await serveEcho();
  t.teardown(() => target.close());
  const foreign = { isCluster: () => false, appsOf: () => [] };
  const rule = { to: ['127.0.0.0/8'] };
  const closed = await open(t, { owners: foreign, rules: [{ allow: rule, unsafe: true }] });
  t.equal(status(await ask(closed.port, `CONNECT 127.0.0.1:${target.port} HTTP/1.1`, 'Host: x')), 403);
  const listed = await open(t, {
    owners: foreign,
    rules: [{ allow: { ...rule, ports: [target.port] }, unsafe: true }],
  });
  const client = await talk(listed.port);
  client.write(`CONNECT 127.0.0.1:${target.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
  t.match((await client.read(12)).toString(), /200$/);
  client.socket.destroy();
});

t.test('failures have a status and a Proxy-Status of their own', async (t) => {
  const broken = await serve((socket) => socket.once('data', () => socket.end('HTTP/1.1 099 X\r\n\r\n')));
  const mute = await serve((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const silent = await serve((socket) => socket.resume());
  for (const target of [broken, mute, silent]) t.teardown(() => target.close());
  const rules = [...allowCluster, { allow: { to: ['nowhere.example', 'slow.example', 'www.example'] } }];
  const owners = { isCluster: (ip: string, port: number) => ip === '127.0.0.1' && port !== 9, appsOf: () => [] };
  const { port } = await open(t, { rules, owners, timeouts: { responseMs: 300 } });
  const rows: readonly (readonly [string, number, string])[] = [
    ['http://other.example/', 403, 'http_request_denied'],
    ['http://8.8.8.8/', 403, 'http_request_denied'],
    ['http://www.example:9/', 403, 'destination_ip_prohibited'],
    ['http://nowhere.example/', 502, 'dns_error'],
    ['http://slow.example/', 504, 'dns_timeout'],
    [`http://127.0.0.1:${await closedPort()}/`, 502, 'connection_refused'],
    [`http://127.0.0.1:${broken.port}/`, 502, 'http_protocol_error'],
    [`http://127.0.0.1:${mute.port}/`, 502, 'connection_terminated'],
    [`http://127.0.0.1:${silent.port}/`, 504, 'http_response_timeout'],
    ['https://127.0.0.1/', 501, 'http_request_error'],
    ['http://user:pw@127.0.0.1/', 400, 'http_request_error'],
    ['http://127.1/', 400, 'http_request_error'],
    ['http://0x7f.0.0.1/', 400, 'http_request_error'],
    ['http://a%00b/', 400, 'http_request_error'],
    ['http://127.0.0.1:0/', 400, 'http_request_error'],
    ['/origin-form', 400, 'http_request_error'],
  ];
  for (const [target, code, error] of rows) {
    const answer = await ask(port, `GET ${target} HTTP/1.1`, 'Host: x');
    t.equal(status(answer), code, target);
    t.equal(proxyStatus(answer), error, target);
  }
  for (const target of [
    'other.example:443',
    '127.1:443',
    '[::ffff:127.1]:443',
    'u@127.0.0.1:443',
    '127.0.0.1',
    '127.0.0.1:0',
  ]) {
    t.not(status(await ask(port, `CONNECT ${target} HTTP/1.1`, 'Host: x')), 200, target);
  }
  t.equal(status(await ask(port, 'TRACE http://127.0.0.1/ HTTP/1.1', 'Host: x')), 501);
  t.equal(status(await ask(port, 'OPTIONS * HTTP/1.1', 'Host: x')), 200);
});

t.test('always refused, in every spelling and by name', async (t) => {
  let reached = 0;
  const target = await serve(() => reached++);
  t.teardown(() => target.close());
  const { port } = await open(t, { owners: { isCluster: () => false, appsOf: () => [] }, rules: [{ allow: {} }] });
  const hosts = [
    '127.0.0.1',
    '127.0.0.1.',
    'www.example',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '0.0.0.0',
    '[::]',
    '[64:ff9b::7f00:1]',
    '169.254.169.254',
    '2130706433',
    '127.1',
  ];
  for (const host of hosts) {
    t.match(await ask(port, `GET http://${host}:${target.port}/ HTTP/1.1`, 'Host: x'), /^HTTP\/1.1 40[03]/, host);
    t.match(await ask(port, `CONNECT ${host}:${target.port} HTTP/1.1`, 'Host: x'), /^HTTP\/1.1 40[03]/, host);
  }
  t.equal(reached, 0);
});

t.test('no rules: nobody gets anywhere', async (t) => {
  const web = await origin(t, hello);
  const { port } = await open(t, { rules: [] });
  t.equal(status(await ask(port, `GET http://127.0.0.1:${web.port}/ HTTP/1.1`, 'Host: x')), 403);
  t.equal(status(await ask(port, `CONNECT web.own:${web.port} HTTP/1.1`, 'Host: x')), 403);
  t.strictSame(web.heads, []);
});

t.test('what follows a refused CONNECT is no request', async (t) => {
  const web = await origin(t, hello);
  const { port } = await open(t);
  const client = await talk(port);
  client.write(
    `CONNECT other.example:443 HTTP/1.1\r\nHost: x\r\n\r\nGET http://127.0.0.1:${web.port}/ HTTP/1.1\r\nHost: x\r\n\r\n`,
  );
  const all = (await client.rest()).toString();
  t.equal(status(all), 403);
  t.equal(all.split('HTTP/1.1 ').length, 2);
  t.strictSame(web.heads, []);
});

t.test('loops: own listeners, and our name in Via', async (t) => {
  const base = basics(names);
  const [own] = base.listeners;
  const web = await origin(t, hello);
  const { port } = await open(t, { ...base, ownListeners: () => [`127.0.0.1:${own?.port}`] });
  t.equal(status(await ask(port, `GET http://web.own:${port}/ HTTP/1.1`, 'Host: x')), 403);
  t.equal(status(await ask(port, `CONNECT 127.0.0.1:${port} HTTP/1.1`, 'Host: x')), 403);
  await ask(port, `GET http://127.0.0.1:${web.port}/ HTTP/1.1`, 'Host: x');
  const via = /Via: 1\.1 (.*)/.exec(web.heads[0] ?? '')?.[1];
  const looped = await ask(port, `GET http://127.0.0.1:${web.port}/ HTTP/1.1`, 'Host: x', `Via: 1.0 other, 1.1 ${via}`);
  t.equal(status(looped), 508);
  t.equal(proxyStatus(looped), 'proxy_loop_detected');
});

t.test('an origin that breaks off in its answer: the client sees that it is not whole', async (t) => {
  const web = await origin(t, (request, response) => {
    response.writeHead(200, { 'content-length': '1000' }).write('part');
    setTimeout(() => request.socket.resetAndDestroy(), 20);
  });
  const { port } = await open(t);
  const client = await talk(port);
  client.write(`GET http://127.0.0.1:${web.port}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
  await t.rejects(client.rest(), { code: 'ECONNRESET' });
});

t.test('a client that leaves takes its request along', async (t) => {
  let onGone = (): void => undefined;
  const gone = new Promise<void>((resolve) => (onGone = resolve));
  let onBegun = (): void => undefined;
  const begun = new Promise<void>((resolve) => (onBegun = resolve));
  const web = await origin(t, (request) => {
    request.socket.once('close', onGone);
    onBegun();
  });
  const { port, base } = await open(t);
  const client = await talk(port);
  client.write(`GET http://127.0.0.1:${web.port}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
  await begun;
  client.socket.resetAndDestroy();
  await gone;
  t.equal(counted(base.metrics, 'egress_sessions_total', { reason: 'aborted' }), 1);
  t.equal(counted(base.metrics, 'egress_sessions_active', {}), 0);
});

t.test('users: 407, and again on the same connection', async (t) => {
  const web = await origin(t, hello);
  const kept = keepLines();
  const rules = [{ allow: { users: ['batch'], to: ['cluster'] } }];
  const { port, base } = await open(t, { users: await usersFile(t), rules, log: kept.log });
  const client = await talk(port);
  const line = `POST http://127.0.0.1:${web.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n`;
  client.write(`${line}\r\nbody`);
  client.write(`${line}Proxy-Authorization: Basic ${btoa('batch:wrong')}\r\n\r\nbody`);
  client.write(`${line}Proxy-Authorization: basic ${btoa('batch:s3cret')}\r\nConnection: close\r\n\r\nbody`);
  const all = (await client.rest()).toString();
  t.strictSame(
    [...all.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]),
    ['407', '407', '200'],
  );
  t.match(all, /Proxy-Authenticate: Basic realm="isthmus"/);
  t.equal(web.heads.length, 1);
  t.notMatch(web.heads[0], /authorization/i);
  t.equal(status(await ask(port, `CONNECT 127.0.0.1:${web.port} HTTP/1.1`, 'Host: x')), 407);
  t.equal(counted(base.metrics, 'egress_sessions_total', { reason: 'auth' }), 3);
  t.notOk(JSON.stringify(kept.lines).includes('s3cret') || JSON.stringify(kept.lines).includes(btoa('batch:s3cret')));
});

t.test('passwords in clear beyond loopback need to be accepted', async (t) => {
  const listeners = [bindTcp('0.0.0.0', 0), bindTcp('127.0.0.1', 0)];
  const { egress } = await open(t, { listeners, users: await usersFile(t) });
  t.match(egress.problems(), [/clearAuth/], 'the loopback listener is open all the same');
});

t.test('WebSocket in absolute-form: switched, then bytes both ways with half-close', async (t) => {
  const heads: string[] = [];
  const target = await serve((socket) => {
    socket.once('data', (bytes: Buffer) => {
      heads.push(bytes.toString('latin1'));
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello');
      socket.pipe(socket);
    });
  });
  t.teardown(() => target.close());
  const { port, base } = await open(t);
  const client = await talk(port);
  client.write(
    `GET http://web.own:${target.port}/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n`,
  );
  let answer = '';
  while (!answer.endsWith('hello')) answer += (await client.read(1)).toString();
  client.end('bye');
  answer += (await client.rest()).toString();
  t.match(answer, /^HTTP\/1\.1 101 [^]*Via: 1\.1 isthmus-[^]*Upgrade: websocket\r\n\r\nhellobye$/);
  t.match(
    heads[0],
    /^GET \/ws HTTP\/1\.1\r\nHost: web\.own:\d+\r\n[^]*Sec-WebSocket-Key: k\r\n[^]*Upgrade: websocket\r\n/,
  );
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(counted(base.metrics, 'egress_sessions_total', { verdict: 'allow', reason: 'finished' }), 1);
  t.equal(counted(base.metrics, 'egress_bytes_total', { direction: 'down' }), 8);
});

t.test('a WebSocket handshake that the origin answers otherwise stays HTTP', async (t) => {
  const web = await origin(t, hello);
  const { port } = await open(t);
  const client = await talk(port);
  const request = (...lines: readonly string[]): void =>
    client.write([`GET http://web.own:${web.port}/ HTTP/1.1`, 'Host: x', ...lines, '', ''].join('\r\n'));
  request('Connection: Upgrade', 'Upgrade: websocket');
  t.match((await client.read(17)).toString(), /^HTTP\/1\.1 200/);
  request('Connection: close');
  t.match((await client.rest()).toString(), /hello[^]*HTTP\/1\.1 200[^]*hello$/);
});

t.test('drain closes idle connections and waits for tunnels', async (t) => {
  const target = await serveEcho();
  t.teardown(() => target.close());
  const { port, egress } = await open(t);
  const idle = await talk(port);
  idle.write('OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n');
  await idle.read(20);
  const tunnel = await talk(port);
  tunnel.write(`CONNECT 127.0.0.1:${target.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await tunnel.read(39);
  let drained = false;
  const draining = egress.drain(30_000).then(() => (drained = true));
  await idle.rest();
  idle.end();
  tunnel.write('still');
  t.equal((await tunnel.read(5)).toString(), 'still');
  t.notOk(drained);
  tunnel.end();
  await tunnel.rest();
  await draining;
});

t.test('limits are told in HTTP', async (t) => {
  const { port, base } = await open(t, { limits: { connections: 1 } });
  const first = await talk(port);
  const second = await talk(port);
  const answer = (await second.rest()).toString();
  t.equal(status(answer), 503);
  t.equal(proxyStatus(answer), 'connection_limit_reached');
  t.equal(counted(base.metrics, 'egress_sessions_total', { reason: 'limit' }), 1);
  first.socket.destroy();
  second.socket.destroy();
});

t.test('curl: -x, --proxytunnel, and 8 MiB each way', { skip: needs('curl') }, async (t) => {
  const size = 8 * 1024 * 1024 - 1;
  const web = await origin(t, (request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => (bytes += chunk.length));
    request.on('end', () =>
      response.end(request.url === '/big' ? Buffer.alloc(size, 'x') : `${request.headers.host} ${bytes}`),
    );
  });
  const { port } = await open(t, { users: await usersFile(t) });
  const curl = ['-sS', '-x', `http://127.0.0.1:${port}`, '--proxy-user', 'batch:s3cret'];
  const url = `http://web.own:${web.port}`;
  t.equal((await run('curl', [...curl, `${url}/x`])).stdout, `web.own:${web.port} 0`);
  t.equal((await run('curl', [...curl, '--proxytunnel', `${url}/x`])).stdout, `web.own:${web.port} 0`);
  const big = join(t.testdir({}), 'big');
  await writeFile(big, Buffer.alloc(size, 'y'));
  t.equal(
    (await run('curl', [...curl, '--data-binary', `@${big}`, `${url}/up`])).stdout,
    `web.own:${web.port} ${size}`,
  );
  t.equal(
    (await run('curl', [...curl, '-o', '/dev/null', '-w', '%{size_download}', `${url}/big`])).stdout,
    String(size),
  );
  await t.rejects(run('curl', ['-sS', '-f', '-x', `http://127.0.0.1:${port}`, `${url}/x`]), { code: 22 });
});
