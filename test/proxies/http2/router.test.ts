// HTTP/2 through the router: what backends get of it, what clients of other makers get back, WebSockets, windows, retries, ends.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { promisify } from 'node:util';
import t from 'tap';
import { needs } from '../../needs.ts';
import { answering, counted, openBackend, openScene, until } from '../router/scene.ts';
import { answerOf, openClient } from './node-client.ts';
import { acknowledgement, FrameClient, headers, settings, usualFields } from './frame-client.ts';
import { preface, setting } from '../../../proxies/http2/frame-words.ts';

const run = promisify(execFile);

const h2c = { h2c: true };

t.test('a request becomes one of HTTP/1, and its answer one of HTTP/2', async (t) => {
  const backend = await openBackend(t, (socket) => {
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n');
    socket.write(
      'HTTP/1.1 200 OK\r\nX-Mixed: Case\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\n' +
        'Keep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n',
    );
  });
  const scene = await openScene(t, [backend.port], h2c);
  const session = await openClient(t, scene);
  const {
    headers: head,
    body,
    trailers,
    informational,
  } = await answerOf(
    session.request({
      ':authority': 'A.example:80',
      ':path': '/x?y',
      cookie: ['a=1', 'b=2'],
      'x-test': 'v',
      te: 'trailers',
    }),
  );
  t.equal(head[':status'], 200);
  t.strictSame(head['set-cookie'], ['a=1', 'b=2']);
  t.equal(head['x-mixed'], 'Case');
  t.ok(head['x-request-id']);
  for (const name of ['connection', 'keep-alive', 'transfer-encoding', 'x-hop']) t.notOk(name in head, name);
  t.equal(body.toString(), 'ok');
  t.equal(trailers['x-sum'], '7');
  t.equal(informational[0]?.['link'], '</a.css>');
  const [sent = ''] = backend.heads;
  t.match(sent, /^GET \/x\?y HTTP\/1\.1\r\nHost: A\.example:80\r\n/);
  t.match(sent, /\r\ncookie: a=1; b=2\r\n/);
  t.match(sent, /\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/);
  t.match(sent, /\r\nX-Forwarded-Proto: http\r\n/);
  t.notMatch(sent, /^te:|^:|^sec-/im);
});

t.test('bodies of known and unknown length, and trailers, reach the backend', async (t) => {
  const bodies: string[] = [];
  const backend = await openBackend(t, (socket, head, body) => {
    let all = body;
    const take = (bytes: Buffer): void => {
      all += bytes.toString('latin1');
      look();
    };
    const look = (): void => {
      if (!/content-length: 5/i.test(head) && !all.endsWith('\r\n\r\n')) return;
      if (/content-length: 5/i.test(head) && all.length < 5) return;
      socket.off('data', take);
      bodies.push(all);
      answering('ok')(socket, head, '');
    };
    socket.prependListener('data', take);
    look();
  });
  const scene = await openScene(t, [backend.port], h2c);
  const session = await openClient(t, scene);
  const known = session.request({ ':authority': 'a.example', ':method': 'POST', 'content-length': '5' });
  known.end('hello');
  t.equal((await answerOf(known)).body.toString(), 'ok');
  const unknown = session.request({ ':authority': 'a.example', ':method': 'POST' }, {
    waitForTrailers: true,
  } as object);
  unknown.on('wantTrailers', () => unknown.sendTrailers({ 'x-sum': '1', authorization: 'never' }));
  unknown.end('hello');
  t.equal((await answerOf(unknown)).body.toString(), 'ok');
  t.equal(bodies[0], 'hello');
  t.equal(bodies[1], '5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n');
  t.match(backend.heads[1], /\r\nTransfer-Encoding: chunked\r\n/);
});

t.test('large bodies both ways at once are whole', async (t) => {
  const size = 3_000_000;
  const backend = await openBackend(t, (socket, _head, body) => {
    let seen = body.length;
    const count = (bytes: Buffer): void => {
      seen += bytes.length;
      if (seen === size) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'r'.repeat(size)}`);
    };
    socket.removeAllListeners('data');
    socket.on('data', count);
  });
  const session = await openClient(t, await openScene(t, [backend.port], h2c));
  const streams = Array.from({ length: 8 }, () => {
    const stream = session.request({ ':authority': 'a.example', ':method': 'POST', 'content-length': String(size) });
    stream.end(Buffer.alloc(size, 's'));
    return answerOf(stream);
  });
  for (const { body } of await Promise.all(streams)) t.equal(body.length, size);
});

t.test('a client that does not read is not read for, and stops nobody else', async (t) => {
  let sent = 0;
  const backend = await openBackend(t, (socket, head) => {
    if (!head.startsWith('GET /endless')) return answering('ok')(socket, head, '');
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const more = (): void => {
      while (!socket.destroyed && socket.write('x'.repeat(65_536))) sent += 65_536;
    };
    socket.on('drain', more);
    more();
  });
  const scene = await openScene(t, [backend.port], h2c);
  const session = await openClient(t, scene);
  const stalled = session.request({ ':authority': 'a.example', ':path': '/endless' });
  stalled.on('error', () => undefined);
  await once(stalled, 'response');
  let before = -1;
  await until(() => {
    const settled = sent === before && sent > 0;
    before = sent;
    return settled;
  });
  const quick = session.request({ ':authority': 'a.example' });
  t.equal((await answerOf(quick)).body.toString(), 'ok');
  t.ok(sent < 20_000_000, `${sent} octets were taken from the backend`);
  stalled.close(8);
  await until(() => backend.sockets.size <= 1);
});

t.test('a client that resets a stream is undone at its backend; the connection goes on', async (t) => {
  const backend = await openBackend(t, (socket, head) => {
    if (!head.startsWith('GET /hang')) answering('ok')(socket, head, '');
  });
  const session = await openClient(t, await openScene(t, [backend.port], h2c));
  const hanging = session.request({ ':authority': 'a.example', ':path': '/hang' });
  hanging.on('error', () => undefined);
  await until(() => backend.heads.length === 1);
  hanging.close(8);
  await until(() => backend.sockets.size === 0);
  t.equal((await answerOf(session.request({ ':authority': 'a.example' }))).body.toString(), 'ok');
});

t.test('an answer that breaks off is reset, never ended', async (t) => {
  const backend = await openBackend(t, (socket) => {
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  });
  const session = await openClient(t, await openScene(t, [backend.port], h2c));
  const stream = session.request({ ':authority': 'a.example' });
  stream.resume();
  const [error] = (await once(stream, 'error').catch((reason: unknown) => [reason])) as [Error & { code?: string }];
  t.equal(error.code, 'ERR_HTTP2_STREAM_ERROR');
  t.equal(stream.rstCode, 2);
});

t.test('an answer before the request is whole', async (t) => {
  const backend = await openBackend(t, answering('early'));
  const session = await openClient(t, await openScene(t, [backend.port], h2c));
  const stream = session.request({ ':authority': 'a.example', ':method': 'POST' });
  stream.on('error', () => undefined);
  stream.write('some');
  t.equal((await answerOf(stream)).body.toString(), 'early');
  stream.end('more');
  const closed = new Promise((resolve) => stream.on('close', resolve));
  await closed;
  t.equal(stream.rstCode, 0);
});

t.test('Expect: 100-continue', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const session = await openClient(t, await openScene(t, [backend.port], h2c));
  const stream = session.request({
    ':authority': 'a.example',
    ':method': 'POST',
    'content-length': '2',
    expect: '100-continue',
  });
  stream.on('continue', () => stream.end('ab'));
  await once(stream, 'continue');
  t.equal((await answerOf(stream)).body.toString(), 'ok');
});

t.test('answers of the router itself', async (t) => {
  const scene = await openScene(t, [], h2c);
  const session = await openClient(t, scene);
  const asked = async (fields: Record<string, string>): Promise<unknown> =>
    (await answerOf(session.request({ ':authority': 'a.example', ...fields }))).headers[':status'];
  t.equal(await asked({}), 503);
  t.equal(await asked({ ':authority': 'b.example' }), 503);
  t.equal(await asked({ ':method': 'TRACE' }), 405);
  t.equal(await asked({ ':path': '/%zz' }), 400);
  t.equal(await asked({ ':path': `/${'x'.repeat(9000)}` }), 414);
  t.equal(await asked({ ':method': 'HEAD' }), 503);
  const many = Object.fromEntries(Array.from({ length: 130 }, (_, i) => [`x-${i}`, 'y']));
  t.equal(await asked(many), 431);
  t.equal(counted(scene.metrics, 'router_requests_total', { code: '431' }), 1);
});

t.test('without h2c the preface is refused like every unknown version', async (t) => {
  const scene = await openScene(t, []);
  const socket = connectTcp(scene.port, '127.0.0.1');
  socket.write(preface);
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  t.match(bytes.toString('latin1'), /^HTTP\/1\.1 505 /);
  socket.destroy();
});

t.test('HTTP/1 goes on on a listener that takes HTTP/2', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port], h2c);
  const client = await scene.client();
  client.send('P');
  client.send('UT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n');
  t.ok(await client.expect(/^HTTP\/1\.1 200 OK\r\n[^]*ok$/));
});

t.test('a drain says GOAWAY, answers what is under way, and ends', async (t) => {
  let answer = (): void => undefined;
  const backend = await openBackend(t, (socket, head) => {
    answer = () => answering('late')(socket, head, '');
  });
  const scene = await openScene(t, [backend.port], h2c);
  const session = await openClient(t, scene);
  const stream = session.request({ ':authority': 'a.example' });
  await until(() => backend.heads.length === 1);
  const told = once(session, 'goaway');
  const drained = scene.router.drain(10_000);
  t.equal((await told)[0], 0);
  answer();
  t.equal((await answerOf(stream)).body.toString(), 'late');
  await drained;
});

t.test('answers go by urgency where the client names one', async (t) => {
  const backend = await openBackend(t, answering('z'.repeat(50_000)));
  const scene = await openScene(t, [backend.port], h2c);
  const socket = connectTcp(scene.port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  const client = new FrameClient(socket);
  const asked = (stream: number, priority: string): Buffer =>
    headers(stream, [...usualFields(), ['priority', priority]]);
  client.send(
    preface,
    settings([setting.initialWindowSize, 0]),
    acknowledgement,
    asked(1, 'u=6'),
    asked(3, 'u=1'),
    asked(5, 'u=6, i'),
  );
  await client.until('status 1 200');
  await client.until('status 3 200');
  await client.until('status 5 200');
  client.send(settings([setting.initialWindowSize, 100_000]));
  await until(() => client.events.filter((event) => event.startsWith('data')).length >= 4);
  const order = client.order.filter((stream, i) => i === 0 || client.order[i - 1] !== stream);
  t.equal(order[0], 3, `${order.join()}: the urgent one first`);
});

t.test('clients of other makers', async (t) => {
  const backend = await openBackend(t, answering('hello'));
  const scene = await openScene(t, [backend.port], h2c);
  const url = `http://127.0.0.1:${scene.port}/`;
  await t.test('curl', { skip: needs('curl') }, async (t) => {
    const { stdout } = await run('curl', [
      '-sS',
      '--http2-prior-knowledge',
      '-H',
      'Host: a.example',
      '-d',
      'body',
      '-w',
      ' %{http_version} %{http_code}',
      url,
    ]);
    t.equal(stdout, 'hello 2 200');
  });
  await t.test('nghttp', { skip: needs('nghttp') }, async (t) => {
    const { stdout } = await run('nghttp', ['-v', '-H', ':authority: a.example', url]);
    t.match(stdout, /:status: 200/);
    t.match(stdout, /hello/);
    t.notMatch(stdout, /\[ERROR\]|INVALID/);
  });
  await t.test('h2load', { skip: needs('h2load') }, async (t) => {
    const { stdout } = await run('h2load', ['-n2000', '-c4', '-m16', '-H', ':authority: a.example', url]);
    t.match(stdout, /2000 succeeded, 0 failed, 0 errored, 0 timeout/);
    t.match(stdout, /2000 2xx/);
  });
});
