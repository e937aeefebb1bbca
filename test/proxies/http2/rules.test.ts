// Rules of RFC 9113 and RFC 7541 that a client can break, each by its section: what a server must answer.

import t from 'tap';
import { errorCode, frameFlag, frameType, preface, setting } from '../../../proxies/http2/frame-words.ts';
import {
  block,
  data,
  endHeaders,
  endStream,
  frame,
  headers,
  number,
  openFront,
  ping,
  settings,
  usualFields,
} from './frame-client.ts';

/** What is sent behind preface and SETTINGS, and what must be among the answers; where it is no GOAWAY, none may come. */
type Row = readonly [section: string, what: string, sent: readonly Buffer[], wanted: string];

const open = (stream: number, fields = usualFields('POST')): Buffer => headers(stream, fields, endHeaders);
const padded = (text: string, padding: number): Buffer =>
  Buffer.concat([Buffer.from([padding]), Buffer.from(text, 'latin1'), Buffer.alloc(padding)]);
const dependsOn = (stream: number, weight = 15): Buffer => Buffer.concat([number(stream), Buffer.from([weight])]);
const request = block(usualFields());
const withField = (name: string, value: string): Buffer => headers(1, [...usualFields(), [name, value]]);
const withPseudo = (...fields: readonly (readonly [string, string])[]): Buffer => headers(1, fields);
const posted = (length: string): Buffer => open(1, [...usualFields('POST'), ['content-length', length]]);
const raw = (...octets: readonly number[]): Buffer =>
  frame(frameType.headers, endHeaders | endStream, 1, Buffer.from(octets));

const protocol = 'goaway PROTOCOL protocol';
const frameSize = 'goaway FRAME_SIZE frame-size';
const compression = 'goaway COMPRESSION compression';
const streamClosed = 'goaway STREAM_CLOSED stream-closed';
const flowControl = 'goaway FLOW_CONTROL flow-control';
const malformed = 'reset 1 PROTOCOL';
const answered = 'status 1 200';

const rows: readonly Row[] = [
  ['3.4', 'SETTINGS are acknowledged', [], 'settings ack'],
  ['4.1', 'frames of an unknown type are ignored', [frame(99, 0, 0, 'x'), headers(1)], answered],
  ['4.1', 'undefined flags are ignored', [ping('abcdefgh', 0x16), headers(1)], 'pong abcdefgh'],
  ['4.1', 'the reserved bit is ignored', [frame(frameType.ping, 0, 0x8000_0000, 'abcdefgh')], 'pong abcdefgh'],
  ['4.2', 'DATA of 16,384 octets', [open(1), data(1, 'x'.repeat(16_384))], answered],
  ['4.2', 'longer DATA', [open(1), data(1, 'x'.repeat(16_385))], frameSize],
  ['4.2', 'longer HEADERS', [frame(frameType.headers, endHeaders, 1, Buffer.alloc(16_385))], frameSize],
  ['4.2', 'a longer frame of an unknown type', [frame(99, 0, 0, Buffer.alloc(16_385))], frameSize],
  ['4.3', 'a header block that is none', [raw(0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)], compression],
  [
    '4.3',
    'PRIORITY amid a header block',
    [headers(1, usualFields(), endStream), frame(frameType.priority, 0, 1, dependsOn(0))],
    protocol,
  ],
  ['4.3', 'HEADERS of another stream amid a block', [headers(1, usualFields(), endStream), headers(3)], protocol],
  ['4.3', 'DATA amid a header block', [headers(1, usualFields(), endStream), data(1, '')], protocol],
  ['5.1', 'DATA on an idle stream', [data(1, 'x')], protocol],
  ['5.1', 'RST_STREAM on an idle stream', [frame(frameType.rstStream, 0, 1, number(errorCode.cancel))], protocol],
  ['5.1', 'WINDOW_UPDATE on an idle stream', [frame(frameType.windowUpdate, 0, 1, number(100))], protocol],
  ['5.1', 'CONTINUATION on an idle stream', [frame(frameType.continuation, endHeaders, 1, request)], protocol],
  ['5.1', 'DATA after a reset', [open(1), frame(frameType.rstStream, 0, 1, number(8)), data(1, 'x')], streamClosed],
  ['5.1', 'HEADERS after a reset', [open(1), frame(frameType.rstStream, 0, 1, number(8)), headers(1)], streamClosed],
  [
    '5.1',
    'CONTINUATION after a reset',
    [open(1), frame(frameType.rstStream, 0, 1, number(8)), frame(frameType.continuation, endHeaders, 1, request)],
    protocol,
  ],
  ['5.1', 'DATA on a closed stream', [headers(1), data(1, 'x')], streamClosed],
  ['5.1', 'HEADERS on a closed stream', [headers(1), headers(1)], streamClosed],
  [
    '5.1',
    'CONTINUATION on a closed stream',
    [headers(1), frame(frameType.continuation, endHeaders, 1, request)],
    protocol,
  ],
  ['5.1', 'PRIORITY on a closed stream', [headers(1), frame(frameType.priority, 0, 1, dependsOn(0))], answered],
  ['5.1', 'WINDOW_UPDATE on a closed stream', [headers(1), frame(frameType.windowUpdate, 0, 1, number(1))], answered],
  ['5.1', 'RST_STREAM on a closed stream', [headers(1), frame(frameType.rstStream, 0, 1, number(8))], answered],
  ['5.1.1', 'an even stream id', [headers(2)], protocol],
  ['5.1.1', 'a lower id than before', [headers(5), headers(3)], protocol],
  [
    '5.3.1',
    'HEADERS that depend on themselves',
    [frame(frameType.headers, endHeaders | endStream | frameFlag.priority, 1, Buffer.concat([dependsOn(1), request]))],
    malformed,
  ],
  ['5.3.1', 'PRIORITY that depends on itself', [open(1), frame(frameType.priority, 0, 1, dependsOn(1))], malformed],
  [
    '5.3.1',
    'PRIORITY that depends on itself, on an idle stream',
    [frame(frameType.priority, 0, 7, dependsOn(7))],
    protocol,
  ],
  ['5.4.1', 'a connection error ends the connection', [frame(frameType.ping, 0, 3, 'abcdefgh')], 'closed'],
  ['5.5', 'an unknown frame amid a header block', [headers(1, usualFields(), endStream), frame(99, 0, 1)], protocol],
  ['6.1', 'DATA on stream 0', [data(0, 'x')], protocol],
  ['6.1', 'padded DATA', [open(1), frame(frameType.data, endStream | frameFlag.padded, 1, padded('abc', 6))], answered],
  [
    '6.1',
    'padding as long as the frame',
    [open(1), frame(frameType.data, endStream | frameFlag.padded, 1, Buffer.from([5, 1, 2, 3, 4]))],
    protocol,
  ],
  ['6.1', 'padding without a length', [open(1), frame(frameType.data, endStream | frameFlag.padded, 1)], protocol],
  [
    '6.2',
    'padded HEADERS with priority',
    [
      frame(
        frameType.headers,
        endHeaders | endStream | frameFlag.padded | frameFlag.priority,
        1,
        Buffer.concat([Buffer.from([4]), dependsOn(0), request, Buffer.alloc(4)]),
      ),
    ],
    answered,
  ],
  ['6.2', 'HEADERS on stream 0', [headers(0)], protocol],
  [
    '6.2',
    'padding as long as HEADERS',
    [frame(frameType.headers, endHeaders | endStream | frameFlag.padded, 1, Buffer.from([9, 0x82]))],
    protocol,
  ],
  ['6.3', 'PRIORITY on stream 0', [frame(frameType.priority, 0, 0, dependsOn(1))], protocol],
  ['6.3', 'PRIORITY on an idle stream', [frame(frameType.priority, 0, 9, dependsOn(1)), headers(1)], answered],
  ['6.3', 'PRIORITY of another length', [open(1), frame(frameType.priority, 0, 1, 'abcd')], 'reset 1 FRAME_SIZE'],
  ['6.4', 'RST_STREAM on stream 0', [frame(frameType.rstStream, 0, 0, number(8))], protocol],
  ['6.4', 'RST_STREAM of another length', [open(1), frame(frameType.rstStream, 0, 1, 'abc')], frameSize],
  ['6.5', 'SETTINGS ACK with a payload', [frame(frameType.settings, frameFlag.ack, 0, 'abcdef')], frameSize],
  ['6.5', 'SETTINGS on a stream', [frame(frameType.settings, 0, 1)], protocol],
  ['6.5', 'SETTINGS of another length', [frame(frameType.settings, 0, 0, 'abcde')], frameSize],
  ['6.5.2', 'ENABLE_PUSH 2', [settings([setting.enablePush, 2])], protocol],
  ['6.5.2', 'INITIAL_WINDOW_SIZE 2³¹', [settings([setting.initialWindowSize, 0x8000_0000])], flowControl],
  ['6.5.2', 'MAX_FRAME_SIZE 16,383', [settings([setting.maxFrameSize, 16_383])], protocol],
  ['6.5.2', 'MAX_FRAME_SIZE 2²⁴', [settings([setting.maxFrameSize, 0x100_0000])], protocol],
  ['6.5.2', 'an unknown setting', [settings([0xff, 1]), headers(1)], answered],
  ['RFC 8441 §3', 'ENABLE_CONNECT_PROTOCOL 2', [settings([setting.enableConnectProtocol, 2])], protocol],
  [
    '6.5.3',
    'the last of several values counts',
    [settings([setting.initialWindowSize, 100], [setting.initialWindowSize, 1]), headers(1)],
    'data 1 G',
  ],
  [
    '6.6',
    'PUSH_PROMISE from a client',
    [frame(frameType.pushPromise, endHeaders, 1, Buffer.concat([number(2), request]))],
    protocol,
  ],
  ['6.7', 'PING is answered with its payload', [ping('01234567')], 'pong 01234567'],
  ['6.7', 'PING on a stream', [frame(frameType.ping, 0, 1, 'abcdefgh')], protocol],
  ['6.7', 'PING of another length', [ping('abcdef')], frameSize],
  ['6.8', 'GOAWAY on a stream', [frame(frameType.goaway, 0, 1, Buffer.alloc(8))], protocol],
  ['6.8', 'GOAWAY that is too short', [frame(frameType.goaway, 0, 0, Buffer.alloc(7))], frameSize],
  ['6.9', 'WINDOW_UPDATE of 0 on the connection', [frame(frameType.windowUpdate, 0, 0, number(0))], protocol],
  ['6.9', 'WINDOW_UPDATE of 0 on a stream', [open(1), frame(frameType.windowUpdate, 0, 1, number(0))], malformed],
  ['6.9', 'WINDOW_UPDATE of another length', [frame(frameType.windowUpdate, 0, 0, 'abc')], frameSize],
  [
    '6.9.1',
    'no more is sent than the window takes',
    [settings([setting.initialWindowSize, 1]), headers(1)],
    'data 1 G',
  ],
  [
    '6.9.1',
    'the connection window beyond 2³¹-1',
    [
      frame(frameType.windowUpdate, 0, 0, number(0x7fff_ffff)),
      frame(frameType.windowUpdate, 0, 0, number(0x7fff_ffff)),
    ],
    flowControl,
  ],
  [
    '6.9.1',
    'a stream window beyond 2³¹-1',
    [
      open(1),
      frame(frameType.windowUpdate, 0, 1, number(0x7fff_ffff)),
      frame(frameType.windowUpdate, 0, 1, number(0x7fff_ffff)),
    ],
    'reset 1 FLOW_CONTROL',
  ],
  [
    '6.9.2',
    'a window that opens by SETTINGS',
    [settings([setting.initialWindowSize, 0]), headers(1), settings([setting.initialWindowSize, 1])],
    'data 1 G',
  ],
  [
    '6.9.2',
    'a window that is less than nothing',
    [
      settings([setting.initialWindowSize, 3]),
      headers(1),
      settings([setting.initialWindowSize, 2]),
      frame(frameType.windowUpdate, 0, 1, number(2)),
    ],
    'data 1  ',
  ],
  [
    '6.10',
    'a block in three frames',
    [
      frame(frameType.headers, endStream, 1, request.subarray(0, 5)),
      frame(frameType.continuation, 0, 1, request.subarray(5, 9)),
      frame(frameType.continuation, endHeaders, 1, request.subarray(9)),
    ],
    answered,
  ],
  [
    '6.10',
    'CONTINUATION of another stream',
    [frame(frameType.headers, endStream, 1, request), frame(frameType.continuation, endHeaders, 3)],
    protocol,
  ],
  [
    '6.10',
    'CONTINUATION on stream 0',
    [frame(frameType.headers, endStream, 1, request), frame(frameType.continuation, endHeaders, 0)],
    protocol,
  ],
  ['6.10', 'CONTINUATION behind a whole block', [open(1), frame(frameType.continuation, endHeaders, 1)], protocol],
  [
    '6.10',
    'CONTINUATION behind DATA',
    [open(1), data(1, 'x', 0), frame(frameType.continuation, endHeaders, 1)],
    protocol,
  ],
  [
    '7',
    'RST_STREAM with an unknown code',
    [open(1), frame(frameType.rstStream, 0, 1, number(0xff)), headers(3)],
    'status 3 200',
  ],
  ['8.1', 'a second HEADERS without END_STREAM', [open(1), headers(1, [['a', 'b']], endHeaders)], malformed],
  ['8.1', 'a pseudo-field in trailers', [open(1), headers(1, [[':method', 'GET']])], malformed],
  ['8.1', 'trailers', [open(1), data(1, 'x', 0), headers(1, [['a', 'b']])], answered],
  ['8.1.1', 'content-length and no DATA', [headers(1, [...usualFields('POST'), ['content-length', '1']])], malformed],
  ['8.1.1', 'less DATA than content-length', [posted('3'), data(1, 'ab')], malformed],
  ['8.1.1', 'more DATA than content-length', [posted('3'), data(1, 'ab', 0), data(1, 'cd')], malformed],
  ['8.1.1', 'trailers before all of the content', [posted('3'), data(1, 'ab', 0), headers(1, [['a', 'b']])], malformed],
  ['8.1.1', 'content-length that is none', [posted('+3')], malformed],
  [
    '8.1.1',
    'two content-lengths',
    [headers(1, [...usualFields('POST'), ['content-length', '0'], ['content-length', '0']])],
    malformed,
  ],
  ['8.2.1', 'an upper-case name', [withField('X-Test', 'a')], malformed],
  ['8.2.1', 'a name with a blank', [withField('x test', 'a')], malformed],
  ['8.2.1', 'a name with a colon', [withField('x:test', 'a')], malformed],
  ['8.2.1', 'an empty name', [withField('', 'a')], malformed],
  ['8.2.1', 'CR in a value', [withField('x', 'a\rb')], malformed],
  ['8.2.1', 'LF in a value', [withField('x', 'a\nb')], malformed],
  ['8.2.1', 'NUL in a value', [withField('x', 'a\0b')], malformed],
  ['8.2.1', 'LF in a name', [withField('x\n', 'a')], malformed],
  ['8.2.1', 'a blank around a value', [withField('x', ' a')], malformed],
  [
    '8.2.1',
    'CR in a path',
    [withPseudo([':method', 'GET'], [':scheme', 'http'], [':path', '/ HTTP/1.1\r\nx: y'], [':authority', 'a'])],
    malformed,
  ],
  [
    '8.2.1',
    'a blank in a path',
    [withPseudo([':method', 'GET'], [':scheme', 'http'], [':path', '/a b'], [':authority', 'a'])],
    'status 1 400',
  ],
  ['8.2.2', 'connection', [withField('connection', 'keep-alive')], malformed],
  ['8.2.2', 'keep-alive', [withField('keep-alive', 'timeout=1')], malformed],
  ['8.2.2', 'proxy-connection', [withField('proxy-connection', 'close')], malformed],
  ['8.2.2', 'transfer-encoding', [withField('transfer-encoding', 'chunked')], malformed],
  ['8.2.2', 'upgrade', [withField('upgrade', 'websocket')], malformed],
  ['8.2.2', 'te other than trailers', [withField('te', 'trailers, deflate')], malformed],
  ['8.2.2', 'te: trailers', [withField('te', 'trailers')], answered],
  ['8.3', 'an unknown pseudo-field', [headers(1, [...usualFields(), [':test', 'a']])], malformed],
  ['8.3', ':status in a request', [headers(1, [...usualFields(), [':status', '200']])], malformed],
  [
    '8.3',
    'a pseudo-field behind a field',
    [withPseudo([':method', 'GET'], [':scheme', 'http'], ['a', 'b'], [':path', '/'], [':authority', 'a'])],
    malformed,
  ],
  [
    '8.3.1',
    'an empty :path',
    [withPseudo([':method', 'GET'], [':scheme', 'http'], [':path', ''], [':authority', 'a'])],
    malformed,
  ],
  ['8.3.1', 'no :method', [headers(1, usualFields().slice(1))], malformed],
  [
    '8.3.1',
    'no :scheme',
    [
      headers(
        1,
        usualFields().filter(([name]) => name !== ':scheme'),
      ),
    ],
    malformed,
  ],
  [
    '8.3.1',
    'no :path',
    [
      headers(
        1,
        usualFields().filter(([name]) => name !== ':path'),
      ),
    ],
    malformed,
  ],
  ['8.3.1', 'two :method', [headers(1, [[':method', 'GET'], ...usualFields()])], malformed],
  ['8.3.1', 'two :scheme', [headers(1, [[':scheme', 'http'], ...usualFields()])], malformed],
  ['8.3.1', 'two :path', [headers(1, [[':path', '/'], ...usualFields()])], malformed],
  ['8.3.1', 'a path that is a URL', [headers(1, usualFields('GET', 'http://b.example/'))], malformed],
  ['8.3.1', 'an asterisk for another method than OPTIONS', [headers(1, usualFields('GET', '*'))], malformed],
  ['8.3.1', 'OPTIONS *', [headers(1, usualFields('OPTIONS', '*'))], answered],
  [
    '8.3.1',
    'an empty :authority',
    [withPseudo([':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', ''])],
    malformed,
  ],
  ['8.3.1', 'neither :authority nor host', [headers(1, usualFields().slice(0, 3))], 'status 1 400'],
  [
    '8.3.1',
    'host instead of :authority',
    [headers(1, [...usualFields().slice(0, 3), ['host', 'a.example']])],
    answered,
  ],
  ['8.3.1', 'host other than :authority', [withField('host', 'b.example')], 'status 1 400'],
  [
    '8.3.1',
    'user info in :authority',
    [withPseudo([':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', 'u@a'])],
    'status 1 400',
  ],
  ['8.5', 'CONNECT with a path', [headers(1, usualFields('CONNECT'))], malformed],
  ['8.5', 'CONNECT without an authority', [withPseudo([':method', 'CONNECT'])], 'status 1 400'],
  ['RFC 8441 §4', ':protocol without CONNECT', [headers(1, [...usualFields(), [':protocol', 'websocket']])], malformed],
  [
    'RFC 8441 §4',
    'another protocol than WebSocket',
    [headers(1, [...usualFields('CONNECT'), [':protocol', 'connect-udp']], endHeaders)],
    'status 1 501',
  ],
  ['RFC 9110 §10.1.1', 'an unknown expectation', [withField('expect', '200-maybe')], 'status 1 417'],
  ['RFC 7541 §2.3.3', 'an index beyond the tables', [raw(0xc6)], compression],
  ['RFC 7541 §2.3.3', 'a name beyond the tables', [raw(0x7f, 0x10, 0x01, 0x61)], compression],
  [
    'RFC 7541 §4.2',
    'a table size at the end of a block',
    [frame(frameType.headers, endHeaders | endStream, 1, Buffer.concat([request, Buffer.from([0x20])]))],
    compression,
  ],
  ['RFC 7541 §5.1', 'an integer without end', [raw(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f)], compression],
  [
    'RFC 7541 §5.2',
    'padding of more than 7 bits',
    [raw(0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff)],
    compression,
  ],
  [
    'RFC 7541 §5.2',
    'padding that is not of ones',
    [raw(0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x83, 0x49, 0x50, 0x90)],
    compression,
  ],
  [
    'RFC 7541 §5.2',
    'the end of string within',
    [raw(0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x87, 0x49, 0x51, 0xff, 0xff, 0xff, 0xfa, 0x7f)],
    compression,
  ],
  ['RFC 7541 §5.2', 'a string longer than the block', [raw(0x00, 0x05, 0x61)], compression],
  ['RFC 7541 §6.1', 'index 0', [raw(0x80)], compression],
  ['RFC 7541 §6.3', 'a table larger than ours', [raw(0x3f, 0xe1, 0x1f + 0x20, 0x82)], compression],
  [
    'RFC 7541 §6.3',
    'a table of no size',
    [frame(frameType.headers, endHeaders | endStream, 1, Buffer.concat([Buffer.from([0x20]), request]))],
    answered,
  ],
];

for (const [section, what, sent, wanted] of rows) {
  t.test(`${section}: ${what}`, async (t) => {
    const { client } = await openFront(t);
    const one = await client();
    one.send(...sent);
    const events = await one.settled();
    t.ok(events.includes(wanted), `${wanted} is in ${events.join(', ')}`);
    if (!wanted.startsWith('goaway') && wanted !== 'closed')
      t.notOk(events.includes('closed'), 'the connection goes on');
    t.notOk(events.includes('undecodable'));
  });
}

t.test('3.4: what is no preface', async (t) => {
  const { client } = await openFront(t);
  const one = await client(false);
  one.send(Buffer.from('INVALID CONNECTION PREFACE\r\n\r\n'));
  t.match(await one.until(/^goaway/), protocol);
  await one.until('closed');
});

t.test('3.4: a preface without SETTINGS behind it', async (t) => {
  const { client } = await openFront(t);
  const one = await client(false);
  one.send(preface, ping('abcdefgh'));
  t.match(await one.until(/^goaway/), protocol);
});

t.test('3.4: preface and frames octet by octet', async (t) => {
  const { client } = await openFront(t);
  const one = await client(false);
  for (const octet of Buffer.concat([preface, settings(), headers(1)])) one.send(Buffer.from([octet]));
  await one.until('end 1');
});

t.test('5.1.2: more streams than are allowed are refused, the others go on', async (t) => {
  const { client } = await openFront(t, { limits: { streams: 3 } });
  const one = await client();
  one.send(settings([setting.initialWindowSize, 0]), ...[1, 3, 5, 7].map((id) => headers(id)));
  t.ok((await one.settled()).includes('reset 7 REFUSED_STREAM'));
  one.send(settings([setting.initialWindowSize, 100]));
  await one.until('end 5');
  one.send(headers(9));
  await one.until('end 9');
});

t.test('5.1: what comes on a stream that we have reset is ignored', async (t) => {
  const { client } = await openFront(t);
  const one = await client();
  one.send(posted('1'), data(1, 'ab', 0), data(1, 'cd', 0), headers(1, [['a', 'b']]), headers(3));
  const events = await one.settled();
  t.ok(events.includes(malformed));
  t.ok(events.includes('status 3 200'));
});

t.test('6.8: a client that leaves gets its answers first', async (t) => {
  const { client } = await openFront(t);
  const one = await client();
  one.send(open(1), frame(frameType.goaway, 0, 0, Buffer.alloc(8)), data(1, 'x'));
  await one.until('closed');
  t.ok(one.events.includes('end 1'));
});

t.test('a block that is refused is decoded all the same', async (t) => {
  const { client } = await openFront(t, { limits: { streams: 1 } });
  const one = await client();
  const inserting = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('x'), Buffer.from([1]), Buffer.from('y')]);
  one.send(
    open(1),
    frame(frameType.headers, endHeaders | endStream, 3, Buffer.concat([request, inserting])),
    data(1, ''),
  );
  await one.until('end 1');
  one.send(frame(frameType.headers, endHeaders | endStream, 5, Buffer.concat([request, Buffer.from([0xbe])])));
  await one.until('status 5 200');
});
