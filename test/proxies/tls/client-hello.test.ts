// What a ClientHello says, however it is cut over segments and records, and what is none.

import t from 'tap';
import { parseClientHello } from '../../../proxies/tls/index.ts';
import { helloFor, inRecords } from './client-hellos.ts';

t.test('names, at every cut and over many records', async (t) => {
  const hello = await helloFor('Web.Own', ['h2', 'http/1.1']);
  const own = { serverName: 'Web.Own', protocols: ['h2', 'http/1.1'] };
  t.strictSame(parseClientHello(hello), own);
  const early = Array.from({ length: hello.length }, (_, length) => hello.subarray(0, length));
  t.same(
    early.map(parseClientHello).filter((parsed) => parsed !== 'more'),
    [],
    'at every octet',
  );
  for (const size of [1, 3, 4, 5, 100]) {
    const cut = inRecords(hello, size);
    t.strictSame(parseClientHello(cut), own, `records of ${size}`);
    t.equal(parseClientHello(cut.subarray(0, -1)), 'more');
  }
  t.strictSame(parseClientHello(await helloFor('')), { serverName: null, protocols: [] });
});

t.test('what is no hello that could be believed', async (t) => {
  const hello = await helloFor('web.own');
  const at = hello.indexOf('web.own');
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const copy = Buffer.from(hello);
    change(copy);
    return copy;
  };
  const rows: readonly (readonly [string, Buffer])[] = [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['an alert', Buffer.of(21, 3, 1, 0, 2, 1, 0)],
    ['SSL 2', Buffer.of(0x80, 0x2e, 1, 0, 2)],
    ['another version', changed((bytes) => void (bytes[1] = 2))],
    ['another message', changed((bytes) => void (bytes[5] = 2))],
    ['an empty record', Buffer.of(22, 3, 1, 0, 0)],
    ['a hello of 16 MiB', changed((bytes) => void (bytes[6] = 255))],
    ['NUL in the name', changed((bytes) => void (bytes[at + 3] = 0))],
    ['two names', changed((bytes) => bytes.writeUInt16BE(3, at - 2))],
    ['a name of another kind', changed((bytes) => void (bytes[at - 3] = 1))],
    ['an extension past the end', changed((bytes) => bytes.writeUInt16BE(60_000, at - 7))],
  ];
  for (const [what, bytes] of rows) t.match(parseClientHello(bytes), { refused: /\w/ }, what);
});
