// What attackers and broken peers send through the HTTP proxy, and what reaches the other side of it (specs of RFC 9110, 9112 and 9209).

import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import { counted, serve, serveEcho, talk, type Target } from '../access/scene.ts';
import { body, hello, open, origin, proxyStatus, send, status, usersFile } from './scene.ts';

/** An origin that shows what it got and answers as it is told. */
async function rawOrigin(
  t: Test,
  answer: (head: string, socket: Socket) => void,
): Promise<Target & { heads: string[] }> {
  const heads: string[] = [];
  const target = await serve((socket) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = text.slice(0, end + 4);
      heads.push(head);
      text = text.slice(end + 4);
      answer(head, socket);
    });
  });
  t.teardown(() => target.close());
  return { ...target, heads };
}

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

t.test('requests that could be read in two ways reach nobody', async (t) => {
  const web = await rawOrigin(t, (_head, socket) => socket.write(ok));
  const { port, base } = await open(t);
  const line = `POST http://127.0.0.1:${web.port}/ HTTP/1.1\r\n`;
  const rows: readonly (readonly [string, string, number])[] = [
    ['CL and TE', `${line}Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['two CLs', `${line}Host: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc`, 400],
    ['two equal CLs', `${line}Host: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc`, 400],
    ['a CL list', `${line}Host: x\r\nContent-Length: 3, 3\r\n\r\nabc`, 400],
    ['obs-fold', `${line}Host: x\r\nX: a\r\n b\r\n\r\n`, 400],
    ['bare LF', `${line}Host: x\nX: a\r\n\r\n`, 400],
    ['bare CR', `${line}Host: x\r\nX: a\rb\r\n\r\n`, 400],
    ['NUL', `${line}Host: x\r\nX: a\0b\r\n\r\n`, 400],
    ['blank before the colon', `${line}Host: x\r\nX : a\r\n\r\n`, 400],
    ['no Host', `${line}Content-Length: 0\r\n\r\n`, 400],
    ['two Hosts', `${line}Host: x\r\nHost: y\r\nContent-Length: 0\r\n\r\n`, 400],
    ['another coding', `${line}Host: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 501],
    ['chunked twice', `${line}Host: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a bad chunk', `${line}Host: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n`, 400],
    [
      '64 KiB of chunk extension',
      `${line}Host: x\r\nTransfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(65_536)}\r\n`,
      400,
    ],
    ['another expectation', `${line}Host: x\r\nExpect: 200-ok\r\nContent-Length: 0\r\n\r\n`, 417],
    ['HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    ['a head of 17 KiB', `${line}Host: x\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`, 431],
    ['101 fields', `${line}Host: x\r\n${'X: y\r\n'.repeat(101)}\r\n`, 431],
    ['a fragment', `GET http://127.0.0.1:${web.port}/#x HTTP/1.1\r\nHost: x\r\n\r\n`, 400],
    ['a blank in the target', `GET http://127.0.0.1:${web.port}/a b HTTP/1.1\r\nHost: x\r\n\r\n`, 400],
    ['CONNECT with a length', `CONNECT 127.0.0.1:${web.port} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc`, 400],
    [
      'CONNECT in chunks',
      `CONNECT 127.0.0.1:${web.port} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`,
      400,
    ],
    ['CONNECT with a user', `CONNECT u:p@127.0.0.1:${web.port} HTTP/1.1\r\nHost: x\r\n\r\n`, 400],
    ['CONNECT without a port', 'CONNECT 127.0.0.1 HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['CONNECT to mail', 'CONNECT 8.8.8.8:25 HTTP/1.1\r\nHost: x\r\n\r\n', 403],
    ['CONNECT to [::1]', 'CONNECT [::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n', 502],
    ['credentials in the URI', `GET http://u:p@127.0.0.1:${web.port}/ HTTP/1.1\r\nHost: x\r\n\r\n`, 400],
    ['ftp:', 'GET ftp://127.0.0.1/ HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ];
  for (const [what, bytes, expected] of rows) {
    const client = await talk(port);
    client.write(bytes);
    client.end();
    const answer = (await client.rest().catch(() => Buffer.alloc(0))).toString('latin1');
    t.equal(status(answer), expected, what);
    t.not(proxyStatus(answer), '', `${what}: says why`);
  }
  const got = web.heads.filter((head) => !/\r\nTransfer-Encoding: chunked\r\n/.test(head));
  t.strictSame(got, [], 'but for heads whose bodies broke later');
  t.equal(counted(base.metrics, 'egress_sessions_active', {}), 0);
});

t.test('fields that Connection names, and those it may not', async (t) => {
  const web = await rawOrigin(t, (_head, socket) => socket.write(ok));
  const { port } = await open(t);
  const fields = [
    'Host: evil.example',
    'Connection: close, host, content-length, x-forwarded-for, X-Mine, authorization',
    'X-Mine: 1',
    'X-Forwarded-For: 192.0.2.1',
    'Authorization: Basic eDp5',
    'Proxy-Authorization: Basic eDp5',
    'Proxy-Connection: keep-alive',
    'Keep-Alive: 5',
    'Proxy: http://evil.example',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABk',
    'TE: gzip, trailers',
    'Trailer: X-Sum',
    'Content-Length: 2',
  ];
  const answer = await send(port, `POST http://web.own:${web.port}/ HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\nhi`);
  t.equal(status(answer), 200);
  const lines = (web.heads[0] ?? '').trim().split('\r\n').slice(1);
  t.strictSame(lines.slice(0, -1).sort(), [
    'Authorization: Basic eDp5',
    'Connection: TE',
    'Content-Length: 2',
    `Host: web.own:${web.port}`,
    'TE: trailers',
    'X-Forwarded-For: 192.0.2.1',
  ]);
  t.match(lines.at(-1), /^Via: 1\.1 isthmus-/);
});

t.test('trailers both ways, without those that would change the message', async (t) => {
  const trailer = 'X-Sum: 1\r\nHost: evil\r\nAuthorization: Basic eDp5\r\n\r\n';
  let received = '';
  const target = await serve((socket) => {
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      if (!/\r\n0\r\n[^]*\r\n\r\n$/.test(received)) return;
      socket.write(
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${trailer.replace('X-Sum', 'X-Back')}`,
      );
    });
  });
  t.teardown(() => target.close());
  const { port } = await open(t);
  const head = `POST http://127.0.0.1:${target.port}/ HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE, close\r\n`;
  const answer = await send(port, `${head}Transfer-Encoding: chunked\r\n\r\n2;ext=1\r\nhi\r\n0\r\n${trailer}`);
  t.match(received, /\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n$/);
  t.match(answer, /\r\n\r\n2\r\nok\r\n0\r\nX-Back: 1\r\n\r\n$/);
});

t.test('Expect: 100-continue and other 1xx are relayed', async (t) => {
  const target = await serve((socket) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      const wasHead = text.includes('\r\n\r\n');
      text += chunk.toString('latin1');
      if (!wasHead && text.includes('\r\n\r\n'))
        socket.write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n');
      if (text.endsWith('body')) socket.end(ok);
    });
  });
  t.teardown(() => target.close());
  const { port } = await open(t);
  const client = await talk(port);
  const line = `POST http://127.0.0.1:${target.port}/ HTTP/1.1\r\nHost: x\r\n`;
  client.write(`${line}Expect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n`);
  let seen = '';
  while (!seen.includes('100 Continue\r\n\r\n')) seen += (await client.read(1)).toString();
  t.match(seen, /^HTTP\/1\.1 103 Early Hints\r\n/);
  client.write('body');
  t.match((await client.rest()).toString(), /^HTTP\/1\.1 200 [^]*ok$/);
});

t.test('an early refusal while the body is still on its way', async (t) => {
  const web = await origin(t, (_request, response) => {
    response.writeHead(413, { connection: 'close' }).end('too much');
  });
  const { port } = await open(t);
  const client = await talk(port);
  client.write(
    `POST http://127.0.0.1:${web.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(1000)}`,
  );
  const answer = (await client.rest()).toString();
  t.equal(status(answer), 413);
  t.match(answer, /too much\r\n/);
  client.socket.destroy();
});

t.test('origins that speak out of turn or nonsense', async (t) => {
  const rows: readonly (readonly [string, string, number])[] = [
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok', 502],
    ['length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 502],
    ['status 099', 'HTTP/1.1 099 X\r\n\r\n', 502],
    ['a head of 1 MiB', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1 << 20)}\r\n\r\n`, 502],
    ['NUL in a value', 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok', 502],
    ['bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok', 502],
    [
      '101 that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
      502,
    ],
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', 502],
  ];
  const { port } = await open(t);
  for (const [what, bytes, expected] of rows) {
    const web = await rawOrigin(t, (_head, socket) => socket.end(bytes, 'latin1'));
    const answer = await send(
      port,
      `GET http://127.0.0.1:${web.port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    t.equal(status(answer), expected, what);
    t.equal(proxyStatus(answer), 'http_protocol_error', what);
  }
});

t.test('an answer that nobody asked for is nobody’s', async (t) => {
  let connections = 0;
  const target = await serve((socket) => {
    connections++;
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst');
      setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'), 20);
    });
  });
  t.teardown(() => target.close());
  const { port } = await open(t);
  const request = `GET http://127.0.0.1:${target.port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  t.equal(body(await send(port, request)), 'first');
  await new Promise((resolve) => setTimeout(resolve, 60));
  t.equal(body(await send(port, request)), 'first');
  t.equal(connections, 2, 'the connection with more on it was dropped');
});

t.test('Max-Forwards: counted for OPTIONS, and about us at its end', async (t) => {
  const web = await rawOrigin(t, (_head, socket) => socket.write(ok));
  const { port } = await open(t);
  const ask = (method: string, target: string, most: string): Promise<string> =>
    send(port, `${method} ${target} HTTP/1.1\r\nHost: x\r\nMax-Forwards: ${most}\r\nConnection: close\r\n\r\n`);
  t.match(await ask('OPTIONS', `http://127.0.0.1:${web.port}/x`, '0'), /^HTTP\/1\.1 200 [^]*\r\nAllow: /);
  t.equal(web.heads.length, 0);
  await ask('OPTIONS', `http://127.0.0.1:${web.port}`, '3');
  t.match(web.heads[0], /^OPTIONS \* HTTP\/1\.1\r\n[^]*\r\nMax-Forwards: 2\r\n/);
  await ask('GET', `http://127.0.0.1:${web.port}/`, '0');
  t.match(web.heads[1], /^GET [^]*\r\nMax-Forwards: 0\r\n/, 'has no meaning elsewhere, and stays');
});

t.test('a wrong password three times ends the connection', async (t) => {
  const web = await origin(t, hello);
  const { port } = await open(t, { users: await usersFile(t), authAttempts: 3 });
  const line = `POST http://127.0.0.1:${web.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n`;
  const wrong = `${line}Proxy-Authorization: Basic ${btoa('batch:no')}\r\n\r\n${'x'.repeat(20_000)}`;
  const client = await talk(port);
  client.write(`${line}\r\n${'x'.repeat(20_000)}`);
  for (let i = 0; i < 5; i++) client.write(wrong);
  const all = (await client.rest()).toString();
  t.equal(all.match(/HTTP\/1\.1 407/g)?.length, 4, 'one without a password, three with a wrong one');
  t.match(all, /Connection: close\r\n(?![^]*HTTP\/1\.1)/);
  client.socket.destroy();
});

t.test('half-close, bytes ahead of their turn, and resets in tunnels', async (t) => {
  const echo = await serveEcho();
  const rude = await serve((socket) => socket.once('data', () => socket.resetAndDestroy()));
  for (const target of [echo, rude]) t.teardown(() => target.close());
  const { port, base } = await open(t);
  const eager = await talk(port);
  eager.end(`CONNECT 127.0.0.1:${echo.port} HTTP/1.1\r\nHost: x\r\n\r\nall at once`);
  const answer = (await eager.rest().catch((error: unknown) => Buffer.from(String(error)))).toString();
  t.match(answer, /^HTTP\/1\.1 200 [^\r]*\r\n\r\nall at once$/, 'FIN with the request itself');
  const client = await talk(port);
  client.write(`CONNECT 127.0.0.1:${rude.port} HTTP/1.1\r\nHost: x\r\n\r\nx`);
  await t.rejects(client.rest(), { code: 'ECONNRESET' }, 'a reset arrives as one');
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.equal(counted(base.metrics, 'egress_sessions_active', {}), 0);
});
