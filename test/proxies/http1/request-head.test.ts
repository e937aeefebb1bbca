// Heads of requests: what is accepted and what it says, what is refused and by which status, whatever pieces it comes in.

import t from 'tap';
import { defaultLimits, RequestHead, type HeadLimits } from '../../../proxies/http1/index.ts';

/** Behind the head, or minus the status of the refusal; 0: more is needed. */
function parse(text: string, limits: HeadLimits = defaultLimits): { readonly head: RequestHead; readonly end: number } {
  const head = new RequestHead();
  const bytes = Buffer.from(text, 'latin1');
  return { head, end: head.parse(bytes, 0, bytes.length, limits) };
}

const lines = (...fields: readonly string[]): string =>
  `${['GET / HTTP/1.1', 'Host: a.example', ...fields].join('\r\n')}\r\n\r\n`;
const post = (...fields: readonly string[]): string => lines(...fields).replace('GET', 'POST');

const refused: readonly (readonly [status: number, what: string, text: string])[] = [
  [400, 'HTTP/0.9', 'GET /\r\n'],
  [400, 'no version, with fields', 'GET /x\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello'],
  [400, 'bare LF behind the request line', 'GET / HTTP/1.1\nHost: a.example\r\n\r\n'],
  [400, 'bare LF behind a field', 'GET / HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n'],
  [400, 'bare LF at the end', 'GET / HTTP/1.1\r\nHost: a.example\r\n\n'],
  [400, 'bare CR in a value', lines('X: a\rb')],
  [400, 'NUL in a value', lines('X: a\0b')],
  [400, 'DEL in a value', lines('X: a\x7fb')],
  [400, 'folded field', lines('X: y', ' z')],
  [400, 'blank before the first field', 'GET / HTTP/1.1\r\n X: y\r\nHost: a.example\r\n\r\n'],
  [400, 'blank before the colon', lines('X : y')],
  [400, 'tab before the colon', lines('X\t: y')],
  [400, 'field without a name', lines(': y')],
  [400, 'field without a colon', lines('X')],
  [400, 'separator in a name', lines('X(y): z')],
  [400, 'byte beyond ASCII in a name', lines('X\xe9: z')],
  [400, 'two blanks in the request line', 'GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'blank behind the version', 'GET / HTTP/1.1 \r\nHost: a.example\r\n\r\n'],
  [400, 'tab in the request line', 'GET\t/ HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'method in lower case', 'get / HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'separator in the method', 'GE(T / HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'version in lower case', 'GET / http/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'version without a point', 'GET / HTTP/11\r\nHost: a.example\r\n\r\n'],
  [505, 'HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a.example\r\n\r\n'],
  [505, 'HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a.example\r\n\r\n'],
  [505, 'HTTP/0.9 said', 'GET / HTTP/0.9\r\nHost: a.example\r\n\r\n'],
  [400, 'no Host', 'GET / HTTP/1.1\r\n\r\n'],
  [400, 'empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
  [400, 'two Hosts', lines('Host: a.example')],
  [400, 'list of Hosts', 'GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n'],
  [400, 'list of Hosts without blanks', 'GET / HTTP/1.1\r\nHost: a.example,b.example\r\n\r\n'],
  [400, 'user in Host', 'GET / HTTP/1.1\r\nHost: me@a.example\r\n\r\n'],
  [400, 'path in Host', 'GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n'],
  [400, 'port out of range', 'GET / HTTP/1.1\r\nHost: a.example:65536\r\n\r\n'],
  [400, 'port 0', 'GET / HTTP/1.1\r\nHost: a.example:0\r\n\r\n'],
  [400, 'port of letters', 'GET / HTTP/1.1\r\nHost: a.example:http\r\n\r\n'],
  [400, 'broken IPv6', 'GET / HTTP/1.1\r\nHost: [::1\r\n\r\n'],
  [400, 'IPv6 with an address that is none', 'GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n'],
  [400, 'text behind IPv6', 'GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n'],
  [400, 'host too long', `GET / HTTP/1.1\r\nHost: ${'a'.repeat(254)}\r\n\r\n`],
  [400, 'bad Host of HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a@b\r\n\r\n'],
  [400, 'authority-form of GET', 'GET a.example HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'asterisk of GET', 'GET * HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'unknown scheme', 'GET ftp://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'user in the target', 'GET http://me@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'absolute-form without Host', 'GET http://a.example/ HTTP/1.1\r\n\r\n'],
  [400, 'CONNECT without a port', 'CONNECT a.example HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'fragment', 'GET /a#b HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'control character in the target', 'GET /a\x01b HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'byte beyond ASCII in the target', 'GET /\xe9 HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'backslash in the path', 'GET /a\\b HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'escaped NUL', 'GET /a%00 HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'broken escape', 'GET /a%2 HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'escape that is none', 'GET /a%zz HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  [400, 'Content-Length and chunked', post('Content-Length: 5', 'Transfer-Encoding: chunked')],
  [400, 'chunked and Content-Length', post('Transfer-Encoding: chunked', 'Content-Length: 5')],
  [400, 'two lengths, the same', post('Content-Length: 2', 'Content-Length: 2')],
  [400, 'two lengths in one field', post('Content-Length: 2, 2')],
  [400, 'length with a sign', post('Content-Length: +2')],
  [400, 'negative length', post('Content-Length: -1')],
  [400, 'hexadecimal length', post('Content-Length: 0x2')],
  [400, 'length with a blank', post('Content-Length: 1 2')],
  [400, 'length beyond 2⁵³', post('Content-Length: 9007199254740992')],
  [400, 'length of twenty digits', post('Content-Length: 99999999999999999999')],
  [400, 'empty length', post('Content-Length:')],
  [501, 'another coding below chunked', post('Transfer-Encoding: gzip, chunked')],
  [400, 'chunked not last', post('Transfer-Encoding: chunked, identity')],
  [400, 'chunked twice', post('Transfer-Encoding: chunked, chunked')],
  [400, 'chunked in two fields', post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')],
  [400, 'another coding alone', post('Transfer-Encoding: gzip')],
  [400, 'identity', post('Transfer-Encoding: identity')],
  [400, 'empty coding', post('Transfer-Encoding:')],
  [400, 'a coding like chunked', post('Transfer-Encoding: xchunked')],
  [400, 'chunked with a parameter', post('Transfer-Encoding: chunked;a=b')],
  [400, 'chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n'],
  [417, 'another expectation', post('Expect: 200-ok', 'Content-Length: 1')],
  [414, 'a target of 9,000 bytes', `GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a.example\r\n\r\n`],
  [414, 'a target of 9,000 bytes so far', `GET /${'a'.repeat(9000)}`],
  [431, 'a field of 20,000 bytes', lines(`X: ${'a'.repeat(20_000)}`)],
  [431, 'a field of 20,000 bytes so far', `GET / HTTP/1.1\r\nX: ${'a'.repeat(20_000)}`],
  [431, '129 fields', lines(...Array.from({ length: 128 }, (_, i) => `X-${i}: y`))],
];

t.test('refused', async (t) => {
  for (const [status, what, text] of refused) t.equal(parse(text).end, -status, what);
});

t.test('the length of hosts can be limited further', async (t) => {
  const limits = { ...defaultLimits, hostBytes: 9 };
  t.ok(parse(lines(), limits).end > 0);
  t.equal(parse(lines().replace('a.example', 'ab.example:80'), limits).end, -400);
});

t.test('refused whatever pieces it comes in', async (t) => {
  for (const [status, what, text] of refused.filter(([, , raw]) => raw.length < 300))
    t.equal(inPieces(text).end, -status, what);
});

t.test('accepted, byte by byte too', async (t) => {
  const text = 'POST /a/b?c=d HTTP/1.1\r\nHost: A.example:81\r\nX-Y:  z \t\r\nContent-Length: 3\r\nEmpty:\r\n\r\n';
  for (const { head, end } of [parse(`${text}abc`), inPieces(text)]) {
    t.equal(end, text.length);
    t.match(head, {
      method: 'POST',
      form: 'origin',
      version: 11,
      authority: 'A.example:81',
      host: 'a.example',
      port: 81,
    });
    t.match(head, { matchPath: '/a/b', forwardTarget: '/a/b?c=d', contentLength: 3, chunked: false, persistent: true });
    const { fields } = head;
    t.strictSame(
      Array.from({ length: fields.count }, (_, i) => [fields.name(i), fields.value(i)]),
      [
        ['Host', 'A.example:81'],
        ['X-Y', 'z'],
        ['Content-Length', '3'],
        ['Empty', ''],
      ],
    );
    t.equal(fields.get('x-y'), 'z');
    t.equal(fields.get('x-z'), null);
  }
});

t.test('a head begins where the one before ended', async (t) => {
  const first = 'GET /1 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n';
  const bytes = Buffer.from(`${first}GET /2 HTTP/1.1\r\nHost: b.example\r\n\r\n`);
  const head = new RequestHead();
  const end = head.parse(bytes, 0, bytes.length, defaultLimits);
  t.equal(end, first.length);
  t.equal(head.persistent, false);
  t.equal(head.parse(bytes, end, bytes.length, defaultLimits), bytes.length);
  t.match(head, { host: 'b.example', matchPath: '/2', persistent: true, named: null });
});

t.test('forms of targets', async (t) => {
  const absolute = parse('GET HTTP://B.example:8080?x HTTP/1.1\r\nHost: a.example\r\n\r\n').head;
  t.match(absolute, { form: 'absolute', scheme: 'http', authority: 'B.example:8080', host: 'b.example', port: 8080 });
  t.match(absolute, { matchPath: '/', forwardTarget: '/?x' });
  t.match(parse('OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n').head, { form: 'asterisk', matchPath: '*' });
  const connect = parse('CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n').head;
  t.match(connect, { form: 'authority', authority: 'b.example:443', host: 'b.example', port: 443, forwardTarget: '' });
  t.match(parse('GET / HTTP/1.0\r\n\r\n').head, { version: 10, authority: '', host: '', persistent: false });
});

t.test('paths: dot segments, escapes, what stays', async (t) => {
  const paths: readonly (readonly [sent: string, match: string, forwarded: string])[] = [
    ['//a', '//a', '//a'],
    ['/%41%7e', '/A~', '/%41%7e'],
    ['/a%2fb', '/a%2Fb', '/a%2fb'],
    ['/a/./b', '/a/b', '/a/b'],
    ['/a/%2e%2E/%62', '/b', '/%62'],
    ['/../../x', '/x', '/x'],
    ['/a/..', '/', '/'],
    ['/a/b/..', '/a/', '/a/'],
    ['/a/b/.', '/a/b/', '/a/b/'],
    ['/.hidden', '/.hidden', '/.hidden'],
    ['/a%5Cb', '/a%5Cb', '/a%5Cb'],
    ['/a?b=/../%zz', '/a', '/a?b=/../%zz'],
    ['/a/../b?c', '/b', '/b?c'],
  ];
  for (const [sent, match, forwarded] of paths) {
    t.match(
      parse(`GET ${sent} HTTP/1.1\r\nHost: a.example\r\n\r\n`).head,
      { matchPath: match, forwardTarget: forwarded },
      sent,
    );
  }
});

t.test('hosts', async (t) => {
  const host = (value: string): string => parse(`GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`).head.host;
  t.equal(host('Shop.EXAMPLE.:80'), 'shop.example');
  t.equal(host('[2001:DB8::1]:80'), '[2001:db8::1]');
  t.equal(host('10.0.0.1'), '10.0.0.1');
  t.equal(host('a_b.example:'), 'a_b.example');
});

t.test('connection options', async (t) => {
  const head = (...fields: readonly string[]): RequestHead => parse(lines(...fields)).head;
  t.equal(head('Connection: Close').persistent, false);
  t.equal(head('Connection: keep-alive, X-Custom, ,close').persistent, false);
  t.strictSame(head('Connection: X-Custom', 'Connection: Te').named, ['x-custom', 'te']);
  t.equal(head('Connection: Upgrade', 'Upgrade: WebSocket').upgrade, 'websocket');
  t.equal(head('Upgrade: websocket').upgrade, '', 'Connection must name it');
  t.equal(parse('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n').head.persistent, true);
  t.equal(head('Expect: 100-Continue').expectsContinue, true);
});

/** As `parse`, one byte more at a time, at a new offset each time. */
function inPieces(text: string): { readonly head: RequestHead; readonly end: number } {
  const head = new RequestHead();
  for (let size = 1; size <= text.length; size++) {
    const offset = size % 3;
    const bytes = Buffer.concat([Buffer.alloc(offset, 'z'), Buffer.from(text.slice(0, size), 'latin1')]);
    const end = head.parse(bytes, offset, bytes.length, defaultLimits);
    if (end !== 0) return { head, end: end < 0 ? end : end - offset };
  }
  return { head, end: 0 };
}
