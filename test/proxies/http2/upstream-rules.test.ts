// What a backend of HTTP/2 may not do (RFC 9113), and what it costs: its own answer, or its connection, and no client ever sees the half
// of something as a whole.

import t from 'tap';
import { frameType } from '../../../proxies/http2/frame-words.ts';
import { until } from '../router/scene.ts';
import { block, data, endHeaders, endStream, frame, headers, number, ping, settings } from './frame-client.ts';
import type { OnRequest } from './frame-backend.ts';
import { Asker, meet } from './upstream-meeting.ts';

t.setTimeout(60_000);

type Fields = Parameters<typeof block>[0];
const ok: Fields = [[':status', '200']];
const withLength = (length: string): Fields => [...ok, ['content-length', length]];
const head = (stream: number, fields: Fields = ok): Buffer => headers(stream, fields, endHeaders);
const whole = (stream: number, fields: Fields = ok): Buffer => headers(stream, fields, endHeaders | endStream);
const repeated = (count: number, made: (i: number) => Buffer): Buffer[] =>
  Array.from({ length: count }, (_, i) => made(i));

/** Each breaks its own stream: `bad-answer`, RST_STREAM, and the connection goes on. */
const streamRows: readonly (readonly [what: string, frames: (stream: number) => readonly Buffer[], code?: string])[] = [
  ['no :status (§8.3.2)', (id) => [whole(id, [['a', 'b']])]],
  ['two :status', (id) => [whole(id, [...ok, ...ok])]],
  ['a status of no class', (id) => [whole(id, [[':status', '099']])]],
  ['a status of four digits', (id) => [whole(id, [[':status', '2000']])]],
  ['101 (§8.6)', (id) => [head(id, [[':status', '101']])]],
  ['a pseudo-field of requests (§8.3)', (id) => [whole(id, [...ok, [':path', '/']])]],
  ['a pseudo-field behind a field (§8.3)', (id) => [whole(id, [['a', 'b'], ...ok])]],
  ['a name in capitals (§8.2.1)', (id) => [whole(id, [...ok, ['Bad', 'x']])]],
  ['a line end in a value (§8.2.1)', (id) => [whole(id, [...ok, ['a', 'b\r\nc: d']])]],
  ['a blank before a value (§8.2.1)', (id) => [whole(id, [...ok, ['a', ' b']])]],
  ['connection (§8.2.2)', (id) => [whole(id, [...ok, ['connection', 'close']])]],
  ['transfer-encoding (§8.2.2)', (id) => [whole(id, [...ok, ['transfer-encoding', 'chunked']])]],
  ['upgrade (§8.2.2)', (id) => [whole(id, [...ok, ['upgrade', 'h2c']])]],
  ['two lengths', (id) => [head(id, [...withLength('2'), ['content-length', '2']]), data(id, 'ok')]],
  ['a length that is none', (id) => [whole(id, withLength('-1'))]],
  ['a length and no body (§8.1.1)', (id) => [whole(id, withLength('2'))]],
  ['less than the length (§8.1.1)', (id) => [head(id, withLength('3')), data(id, 'ok')]],
  ['more than the length (§8.1.1)', (id) => [head(id, withLength('1')), data(id, 'ok')]],
  [
    'less than the length, with trailers',
    (id) => [head(id, withLength('3')), data(id, 'ok', 0), whole(id, [['a', 'b']])],
  ],
  ['a body in a 204', (id) => [head(id, [[':status', '204']]), data(id, 'ok')]],
  ['DATA before the head', (id) => [data(id, 'ok')]],
  ['a 1xx that ends the stream (§8.1)', (id) => [whole(id, [[':status', '103']])]],
  ['trailers that do not end the stream (§8.1)', (id) => [head(id), head(id, [['a', 'b']])]],
  ['a pseudo-field in trailers (§8.1)', (id) => [head(id), whole(id, ok)]],
  ['a length in trailers', (id) => [head(id), whole(id, [['content-length', '0']])]],
  ['more fields than we take', (id) => [whole(id, [...ok, ...repeatedFields(300)])]],
  ['1xx without end', (id) => repeated(40, () => head(id, [[':status', '103']]))],
  ['a window opened by nothing (§6.9)', (id) => [frame(frameType.windowUpdate, 0, id, number(0))]],
  [
    'a window beyond 2³¹-1 (§6.9.1)',
    (id) => [frame(frameType.windowUpdate, 0, id, number(0x7fff_ffff))],
    'FLOW_CONTROL',
  ],
];

function repeatedFields(count: number): [string, string][] {
  return Array.from({ length: count }, (_, i) => [`x-${i}`, 'v']);
}

t.test('what breaks a stream leaves the others alone', async (t) => {
  let next: ((stream: number) => readonly Buffer[]) | null = null;
  const { backend, whole: asked } = await meet(t, (backend, stream) => {
    backend.send(...(next?.(stream) ?? [head(stream), data(stream, 'fine')]));
    next = null;
  });
  for (const [what, frames, code = 'PROTOCOL'] of streamRows) {
    next = frames;
    const { failure } = await asked();
    t.equal(failure?.reason, 'bad-answer', what);
    await until(() => backend.events.some((event) => event.startsWith('reset')));
    t.match(
      backend.events.find((event) => event.startsWith('reset')),
      new RegExp(`^reset \\d+ ${code}$`),
      what,
    );
    backend.events.length = 0;
    t.strictSame((await asked()).heard, ['200 close', 'body 4', 'end'], `behind ${what}`);
  }
  t.equal(backend.sockets.length, 1, 'all on one connection');
});

const huge = block([
  [':status', '200'],
  ['x', 'y'.repeat(70_000)],
]);

/** Each breaks the connection: all of its streams end, and GOAWAY says why. */
const connectionRows: readonly (readonly [
  what: string,
  code: string,
  frames: (stream: number) => readonly Buffer[],
])[] = [
  ['a frame larger than allowed (§4.2)', 'FRAME_SIZE', () => [frame(frameType.data, 0, 1, 'x'.repeat(16_385))]],
  ['a header block that cannot be decoded (§4.3)', 'COMPRESSION', (id) => [frame(frameType.headers, 5, id, '\xff')]],
  [
    'a frame within a header block (§4.3)',
    'PROTOCOL',
    (id) => [frame(frameType.headers, 0, id, block(ok)), ping('12345678')],
  ],
  ['CONTINUATION of nothing (§6.10)', 'PROTOCOL', (id) => [frame(frameType.continuation, 4, id, '')]],
  ['a stream that nobody opened (§5.1)', 'PROTOCOL', () => [whole(101)]],
  ['DATA on an idle stream (§5.1)', 'PROTOCOL', () => [data(101, 'x')]],
  ['RST_STREAM of an idle stream (§6.4)', 'PROTOCOL', () => [frame(frameType.rstStream, 0, 101, number(8))]],
  ['a push (§6.6, §8.4)', 'PROTOCOL', (id) => [frame(frameType.pushPromise, 4, id, '\0\0\0\x02')]],
  ['an even stream', 'PROTOCOL', () => [whole(2)]],
  ['DATA on the connection (§6.1)', 'PROTOCOL', () => [data(0, 'x')]],
  ['padding longer than its frame (§6.1)', 'PROTOCOL', (id) => [frame(frameType.data, 8, id, '\x05x')]],
  ['SETTINGS on a stream (§6.5)', 'PROTOCOL', (id) => [frame(frameType.settings, 0, id, '')]],
  ['SETTINGS of five octets (§6.5)', 'FRAME_SIZE', () => [frame(frameType.settings, 0, 0, '12345')]],
  ['push switched on by a server (§6.5.2)', 'PROTOCOL', () => [settings([2, 1])]],
  ['a window of 2³¹ (§6.5.2)', 'FLOW_CONTROL', () => [settings([4, 0x8000_0000])]],
  ['frames of 1 KiB (§6.5.2)', 'PROTOCOL', () => [settings([5, 1024])]],
  ['PING of seven octets (§6.7)', 'FRAME_SIZE', () => [ping('1234567')]],
  ['PING on a stream (§6.7)', 'PROTOCOL', (id) => [frame(frameType.ping, 0, id, '12345678')]],
  ['GOAWAY of four octets (§6.8)', 'FRAME_SIZE', () => [frame(frameType.goaway, 0, 0, number(0))]],
  ['WINDOW_UPDATE of three octets (§6.9)', 'FRAME_SIZE', () => [frame(frameType.windowUpdate, 0, 0, '123')]],
  ['a connection opened by nothing (§6.9)', 'PROTOCOL', () => [frame(frameType.windowUpdate, 0, 0, number(0))]],
  [
    'a connection opened too far (§6.9.1)',
    'FLOW_CONTROL',
    () => [frame(frameType.windowUpdate, 0, 0, number(0x7fff_ffff))],
  ],
  ['a PING flood', 'ENHANCE_YOUR_CALM', () => repeated(3_000, () => ping('12345678'))],
  ['a SETTINGS flood', 'ENHANCE_YOUR_CALM', () => repeated(3_000, () => settings([4, 65_535]))],
  ['a flood of empty DATA', 'ENHANCE_YOUR_CALM', (id) => [head(id), ...repeated(500, () => data(id, '', 0))]],
  [
    'a flood of window updates',
    'ENHANCE_YOUR_CALM',
    (id) => repeated(15_000, () => frame(frameType.windowUpdate, 0, id, number(1))),
  ],
  [
    'a header block in very many frames',
    'ENHANCE_YOUR_CALM',
    (id) => [
      frame(frameType.headers, 0, id, block(ok)),
      ...repeated(100, () => frame(frameType.continuation, 0, id, '')),
    ],
  ],
  [
    'a header block without end',
    'ENHANCE_YOUR_CALM',
    (id) => [
      frame(frameType.headers, 0, id, huge.subarray(0, 16_000)),
      ...repeated(5, () => frame(frameType.continuation, 0, id, huge.subarray(0, 16_000))),
    ],
  ],
];

for (const [what, code, frames] of connectionRows) {
  t.test(`${what} ends the connection`, async (t) => {
    let isFirst = true;
    const { backend, whole: asked } = await meet(t, (backend, stream) => {
      backend.send(...(isFirst ? frames(stream) : [head(stream), data(stream, 'fine')]));
      isFirst = false;
    });
    const { failure } = await asked();
    t.ok(failure?.reason === 'reset' || failure?.reason === 'bad-answer', failure?.message ?? 'no failure');
    await until(() => backend.events.includes('closed'));
    t.ok(backend.events.includes(`goaway ${code}`), backend.events.slice(-3).join(', '));
    t.strictSame((await asked()).heard, ['200 close', 'body 4', 'end'], 'the next has a connection of its own');
  });
}

t.test('more DATA than the windows allow', async (t) => {
  const answer: OnRequest = (backend, stream) =>
    backend.send(head(stream), ...repeated(5, () => data(stream, 'x'.repeat(16_384), 0)));
  const { backend, ask } = await meet(t, answer, undefined, { streamWindowBytes: 1 });
  const asker = new Asker();
  let given = 0;
  // Takes the first piece and no more.
  asker.onAnswerBody = () => given++ < 0;
  ask(asker);
  await until(() => asker.isOver);
  t.equal(asker.failure?.reason, 'bad-answer');
  await until(() => backend.events.includes('reset 1 FLOW_CONTROL'));
});

t.test('all of a good answer is told', async (t) => {
  const { whole: asked } = await meet(t, (backend, stream) => {
    backend.send(
      head(stream, [[':status', '103']]),
      head(stream, withLength('4')),
      frame(frameType.data, 8, stream, '\x03go\0\0\0'),
      data(stream, 'od', 0),
      whole(stream, [['x-sum', '7']]),
    );
  });
  t.strictSame((await asked()).heard, ['103', '200 length', 'body 2', 'body 2', 'trailers x-sum: 7', 'end']);
  t.strictSame((await asked(new Asker('HEAD'))).failure?.reason, 'bad-answer', 'a body for HEAD');
});

t.test('a refused stream was not touched, and the next are fewer', async (t) => {
  const { whole: asked } = await meet(t, (backend, stream) => {
    if (stream === 1) backend.send(frame(frameType.rstStream, 0, stream, number(7)));
    else backend.send(whole(stream));
  });
  const { failure } = await asked();
  t.equal(failure?.reason, 'reset');
  t.equal(failure?.isUnsent, true);
  t.strictSame((await asked()).heard, ['200 close', 'end']);
});

t.test('GOAWAY: streams beyond the last were not touched, the others go on', async (t) => {
  const {
    backend,
    ask,
    whole: asked,
  } = await meet(t, (backend, stream) => {
    if (backend.sockets.length > 1) backend.send(whole(stream));
    else if (stream === 5) backend.send(frame(frameType.goaway, 0, 0, Buffer.concat([number(3), number(0)])));
  });
  const three = [ask(), ask(), ask()];
  await until(() => three[2]?.isOver === true);
  t.equal(three[2]?.failure?.isUnsent, true);
  t.strictSame((await asked()).heard, ['200 close', 'end']);
  t.equal(backend.sockets.length, 2, 'on a new connection');
  t.strictSame(
    three.slice(0, 2).map(({ isOver }) => isOver),
    [false, false],
  );
  backend.sockets[0]?.write(Buffer.concat([whole(1), whole(3)]));
  await until(() => three.every(({ isOver }) => isOver));
  t.strictSame(three[0]?.heard, ['200 close', 'end']);
  await until(() => backend.events.includes('closed'));
});

t.test('a backend that leaves at once, or takes no stream, costs few connections', async (t) => {
  const goaway = frame(frameType.goaway, 0, 0, Buffer.concat([number(0), number(0)]));
  const leaving = await meet(t, () => undefined, Buffer.concat([settings([3, 0]), goaway]));
  t.equal((await leaving.whole()).failure?.reason, 'connect');
  t.equal(leaving.backend.sockets.length, 1);
  const shut = await meet(t, () => undefined, settings([3, 0]));
  const askers = [shut.ask(), shut.ask(), shut.ask()];
  await until(() => shut.pool.counts().idle === 1);
  t.strictSame(
    askers.map(({ isOver }) => isOver),
    [false, false, false],
  );
  t.equal(shut.backend.sockets.length, 1);
  shut.backend.send(settings([3, 10]));
  await until(() => shut.backend.events.filter((event) => event.startsWith('headers')).length === 3);
});

t.test('as many wait as may, and more fail at once', async (t) => {
  const { backend, pool } = await meet(t, () => undefined);
  const target = { key: 'b', host: '127.0.0.1', port: backend.port, http2: {}, mostConnections: 2, mostWaiting: 1 };
  const askers = Array.from({ length: 4 }, () => new Asker());
  const waiting = askers.map((asker) => pool.acquire(target, asker));
  t.strictSame(
    askers.map(({ failure }) => failure?.reason ?? null),
    [null, null, null, 'queue'],
  );
  await until(() => backend.events.includes('headers 3'));
  t.equal(pool.counts('b').waiting, 1);
  waiting[2]?.cancel();
  t.equal(pool.counts('b').waiting, 0);
  backend.send(whole(1));
  await until(() => askers[0]?.isOver === true);
  t.notOk(backend.events.includes('headers 5'), 'who left is not asked for');
});

t.test('what is no HTTP/2 has seen no request', async (t) => {
  for (const greeting of ['HTTP/1.1 400 Bad Request\r\n\r\n', 'SSH-2.0-x\r\n']) {
    const { backend, whole: asked } = await meet(t, () => undefined, Buffer.from(greeting));
    t.equal((await asked()).failure?.reason, 'connect', greeting);
    t.strictSame(
      backend.events.filter((event) => event.startsWith('headers')),
      [],
    );
  }
});

t.test('a window of nothing holds the body back, and no more than that', async (t) => {
  const { backend, ask } = await meet(
    t,
    (backend, stream) => {
      backend.send(frame(frameType.windowUpdate, 0, stream, number(1_000)));
    },
    settings([4, 0]),
  );
  const asker = ask(new Asker('POST', 5_000));
  await until(() => backend.events.includes('data 1 1000'));
  t.notOk(asker.isOver);
  backend.send(settings([4, 3_000]));
  await until(() => backend.events.includes('data 1 3000'));
  backend.send(frame(frameType.windowUpdate, 0, 1, number(10_000)), whole(1));
  await until(() => asker.isOver);
  t.strictSame(asker.heard, ['200 close', 'end']);
  t.ok(backend.events.includes('data 1 1000'));
});

t.test('an answer that overtakes its request cancels the rest', async (t) => {
  const { backend, whole: asked } = await meet(t, (backend, stream) => backend.send(whole(stream)), settings([4, 0]));
  t.strictSame((await asked(new Asker('POST', 5_000))).heard, ['200 close', 'end']);
  await until(() => backend.events.includes('reset 1 CANCEL'));
});

t.test('an idle backend is asked whether it is there, and one that does not say is left', async (t) => {
  const http2 = { pingIdleMs: 50, pongMs: 50 };
  const {
    backend,
    whole: asked,
    pool,
  } = await meet(t, (backend, stream) => backend.send(whole(stream)), undefined, http2);
  t.strictSame((await asked()).heard, ['200 close', 'end']);
  await until(() => backend.events.includes('ping'));
  await until(() => backend.events.includes('closed'));
  await until(() => pool.counts().open === 0);
  t.equal(backend.sockets.length, 1);
});

t.test('an idle connection ends, and one to a backend that has gone', async (t) => {
  const first = await meet(t, (backend, stream) => backend.send(whole(stream)), undefined, { idleMs: 50 });
  await first.whole();
  await until(() => first.backend.events.includes('goaway NONE'));
  const second = await meet(t, (backend, stream) => backend.send(whole(stream)));
  await second.whole();
  t.equal(second.pool.counts('a').idle, 1);
  second.pool.retire('a');
  await until(() => second.backend.events.includes('goaway NONE'));
});
