// Bodies: where they end, cut at every byte; chunks as payload and as they stand; what is refused.

import fc from 'fast-check';
import t from 'tap';
import { badFraming, BodyReader, type AnswerFraming, type FieldList } from '../../../proxies/http1/index.ts';

interface Outcome {
  readonly payload: string;
  /** What was not the body's; null where the framing was broken. */
  readonly rest: string | null;
  readonly ended: boolean;
  readonly trailers: FieldList | null;
  readonly bytes: number;
}

function readAll(framing: AnswerFraming, length: number, raw: boolean, pieces: readonly string[]): Outcome {
  const reader = new BodyReader();
  let payload = '';
  let rest: string | null = '';
  reader.start(framing, length, raw);
  for (const piece of pieces) {
    const bytes = Buffer.from(piece, 'latin1');
    const end: number = reader.feed(bytes, 0, bytes.length, {
      onBody: (from, a, b) => void (payload += from.toString('latin1', a, b)),
    });
    if (end === badFraming) {
      rest = null;
      break;
    }
    rest += piece.slice(end);
  }
  return { payload, rest, ended: reader.ended, trailers: reader.trailers, bytes: reader.bytes };
}

const cuts = (text: string): readonly (readonly string[])[] =>
  Array.from({ length: text.length + 1 }, (_, at) => [text.slice(0, at), text.slice(at)]);

t.test('by length', async (t) => {
  for (const pieces of cuts('helloNEXT'))
    t.match(readAll('length', 5, false, pieces), { payload: 'hello', rest: 'NEXT', ended: true });
  t.match(readAll('length', 5, false, ['hel']), { payload: 'hel', ended: false });
  t.match(readAll('none', 0, false, ['NEXT']), { payload: '', rest: 'NEXT', ended: true });
});

t.test('to the end of the connection', async (t) => {
  t.match(readAll('close', 0, false, ['hel', 'lo']), { payload: 'hello', rest: '', ended: false });
});

const chunks = '5;name="a b"\r\nhello\r\n0A\r\n, chunked \r\n1\r\n!\r\n0;last\r\nGrpc-Status: 0\r\nX: y\r\n\r\nNEXT';

t.test('chunked, cut at every byte', async (t) => {
  for (const pieces of [...cuts(chunks), [...chunks]]) {
    const outcome = readAll('chunked', 0, false, pieces);
    t.match(outcome, { payload: 'hello, chunked !', rest: 'NEXT', ended: true, bytes: 16 });
    t.equal(outcome.trailers?.get('grpc-status'), '0');
  }
});

t.test('chunked as it stands: without extensions, last chunk and trailers', async (t) => {
  for (const pieces of [...cuts(chunks), [...chunks]]) {
    const { payload, rest, bytes } = readAll('chunked', 0, true, pieces);
    t.equal(payload.toLowerCase().replace('\n0a', '\na'), '5\r\nhello\r\na\r\n, chunked \r\n1\r\n!\r\n');
    t.equal(rest, 'NEXT');
    t.equal(bytes, 16);
  }
});

t.test('any chunks in any pieces give the same payload, raw and not', async (t) => {
  const body = fc.array(fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme-ascii' }), { maxLength: 6 });
  const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 20 });
  const property = fc.property(body, sizes, (parts, lengths) => {
    const wire = `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`;
    const pieces = cutBy(`${wire}Z`, lengths);
    const plain = readAll('chunked', 0, false, pieces);
    const raw = readAll('chunked', 0, true, pieces);
    const again = readAll('chunked', 0, false, [`${raw.payload}0\r\n\r\n`]);
    if (plain.payload !== parts.join('') || again.payload !== plain.payload) throw new Error('the payload differs');
    if (plain.rest !== 'Z' || raw.rest !== 'Z' || !raw.ended) throw new Error('the end differs');
  });
  t.doesNotThrow(() => fc.assert(property, { seed: 3, numRuns: 500 }));
});

t.test('refused', async (t) => {
  const bad: Readonly<Record<string, string>> = {
    'size of seventeen digits': 'FFFFFFFFFFFFFFFFF\r\nX\r\n0\r\n\r\n',
    'size beyond 2⁵³': 'FFFFFFFFFFFFFFF\r\nX',
    'size with 0x': '0x1\r\nX\r\n0\r\n\r\n',
    'negative size': '-1\r\nX\r\n0\r\n\r\n',
    'size with a blank': '1 \r\nX\r\n0\r\n\r\n',
    'no size': '\r\nX\r\n0\r\n\r\n',
    'size with a bare LF': '1\nX\r\n0\r\n\r\n',
    'CR in an extension': '1;a\rb\r\nX\r\n0\r\n\r\n',
    'LF in an extension': '1;a\nb\r\nX\r\n0\r\n\r\n',
    'data longer than its size': '1\r\nXY\r\n0\r\n\r\n',
    'data with a bare LF': '1\r\nX\n0\r\n\r\n',
    'length in the trailers': '1\r\nX\r\n0\r\nContent-Length: 9\r\n\r\n',
    'coding in the trailers': '0\r\nTransfer-Encoding: chunked\r\n\r\n',
    'folded trailer': '0\r\nX: y\r\n z\r\n\r\n',
    'trailer with a bare LF': '0\r\nX: y\n\r\n',
    'endless extensions': `1;${'a'.repeat(20_000)}\r\n`,
    'endless trailers': `0\r\nX: ${'a'.repeat(20_000)}`,
  };
  for (const [what, text] of Object.entries(bad)) {
    t.equal(readAll('chunked', 0, false, [text]).rest, null, what);
    t.equal(readAll('chunked', 0, true, [...text]).rest, null, `${what}, raw, byte by byte`);
  }
});

function cutBy(text: string, lengths: readonly number[]): readonly string[] {
  const pieces: string[] = [];
  let at = 0;
  for (const length of lengths) {
    pieces.push(text.slice(at, at + length));
    at += length;
  }
  return [...pieces, text.slice(at)].filter((piece) => piece !== '');
}
