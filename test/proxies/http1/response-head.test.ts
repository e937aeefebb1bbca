// Heads of answers: framing by RFC 9112 §6.3, and what is refused.

import t from 'tap';
import { defaultUpstreamLimits, ResponseHead } from '../../../proxies/http1/index.ts';

function parse(text: string, method = 'GET'): { readonly head: ResponseHead; readonly end: number } {
  const head = new ResponseHead();
  const bytes = Buffer.from(text, 'latin1');
  return { head, end: head.parse(bytes, 0, bytes.length, method, defaultUpstreamLimits) };
}

const answer = (status: string, ...fields: readonly string[]): string =>
  `${[`HTTP/1.1 ${status}`, ...fields].join('\r\n')}\r\n\r\n`;

t.test('framing', async (t) => {
  const framing = (text: string, method?: string): string => parse(text, method).head.framing;
  t.equal(framing(answer('200 OK', 'Content-Length: 5')), 'length');
  t.equal(framing(answer('200 OK', 'Content-Length: 0')), 'none');
  t.equal(framing(answer('200 OK', 'Transfer-Encoding: chunked')), 'chunked');
  t.equal(framing(answer('200 OK')), 'close');
  t.equal(framing(answer('200 OK', 'Content-Length: 5'), 'HEAD'), 'none');
  t.equal(framing(answer('200 OK', 'Transfer-Encoding: chunked'), 'HEAD'), 'none');
  t.equal(framing(answer('204 No Content', 'Content-Length: 5')), 'none');
  t.equal(framing(answer('304 Not Modified', 'Content-Length: 5')), 'none');
  t.equal(framing(answer('103 Early Hints')), 'none');
  t.equal(framing(answer('200 OK'), 'CONNECT'), 'none');
});

t.test('the connection afterwards', async (t) => {
  const persistent = (text: string): boolean => parse(text).head.persistent;
  t.ok(persistent(answer('200 OK', 'Content-Length: 5')));
  t.notOk(persistent(answer('200 OK', 'Content-Length: 5', 'Connection: close')));
  t.notOk(persistent(answer('200 OK')));
  t.notOk(persistent('HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n'));
  t.ok(persistent('HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n'));
  t.equal(parse(answer('200 OK', 'Keep-Alive: timeout=5, max=100')).head.keepAliveSeconds, 5);
});

t.test('status lines', async (t) => {
  t.match(parse(answer('404 Not Found')).head, { status: 404, reason: 'Not Found', version: 11 });
  t.match(parse(answer('200 ')).head, { status: 200, reason: '' });
  t.match(parse(answer('200')).head, { status: 200, reason: '' });
});

const refused: readonly string[] = [
  'HTTP/2.0 200 OK\r\n\r\n',
  'http/1.1 200 OK\r\n\r\n',
  'HTTP/1.1  200 OK\r\n\r\n',
  'HTTP/1.1 20 OK\r\n\r\n\r\n',
  'HTTP/1.1 600 OK\r\n\r\n',
  'HTTP/1.1 200 OK\nX: y\r\n\r\n',
  'ICY 200 OK\r\n\r\nx\r\n',
  '220 mail.example\r\n',
  answer('200 OK', 'Content-Length: 5', 'Transfer-Encoding: chunked'),
  answer('200 OK', 'Content-Length: 5', 'Content-Length: 5'),
  answer('200 OK', 'Content-Length: -5'),
  answer('200 OK', 'Transfer-Encoding: gzip'),
  answer('200 OK', 'Transfer-Encoding: gzip, chunked'),
  'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
  answer('200 OK', 'X: a', ' folded'),
  answer('200 OK', 'X : a'),
];

t.test('refused', async (t) => {
  for (const text of refused) t.ok(parse(text).end < 0, JSON.stringify(text));
});

t.test('byte by byte', async (t) => {
  const text = answer('200 OK', 'Content-Length: 5', 'X: y');
  const head = new ResponseHead();
  for (let size = 0; size < text.length; size++) {
    t.equal(head.parse(Buffer.from(text), 0, size, 'GET', defaultUpstreamLimits), 0);
  }
  t.equal(head.parse(Buffer.from(text), 0, text.length, 'GET', defaultUpstreamLimits), text.length);
  t.equal(head.fields.get('x'), 'y');
});
