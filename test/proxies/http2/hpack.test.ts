// HPACK: what is written is read again, tables stay in step, secrets stay out of them.

import fc from 'fast-check';
import t from 'tap';
import { HpackDecoder } from '../../../proxies/http2/hpack-decoder.ts';
import { HpackEncoder } from '../../../proxies/http2/hpack-encoder.ts';
import { decodeHuffman, encodeHuffman, huffmanLength, mostDecoded } from '../../../proxies/http2/huffman.ts';

type Fields = readonly (readonly [string, string])[];

function decode(decoder: HpackDecoder, block: Buffer): Fields | null {
  const fields: [string, string][] = [];
  const sink = {
    onField: ({ name, value }: { name: { text: string }; value: string }) => void fields.push([name.text, value]),
  };
  return decoder.decode(block, 0, block.length, sink, Infinity) ? fields : null;
}

function encode(encoder: HpackEncoder, fields: Fields): Buffer {
  encoder.begin();
  for (const [name, value] of fields) encoder.field(name, value);
  return Buffer.from(encoder.bytes.subarray(0, encoder.length));
}

t.test('the examples of RFC 7541, appendix C.4 and C.6', async (t) => {
  const requests = new HpackDecoder();
  const first = decode(requests, Buffer.from('828684418cf1e3c2e5f23a6ba0ab90f4ff', 'hex'));
  t.strictSame(first?.at(-1), [':authority', 'www.example.com']);
  const second = decode(requests, Buffer.from('828684be5886a8eb10649cbf', 'hex'));
  t.strictSame(second?.slice(3), [
    [':authority', 'www.example.com'],
    ['cache-control', 'no-cache'],
  ]);
  const third = decode(requests, Buffer.from('828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf', 'hex'));
  t.strictSame(third?.at(-1), ['custom-key', 'custom-value']);
  const answers = new HpackDecoder();
  const bytes =
    '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3';
  t.strictSame(decode(answers, Buffer.from(bytes, 'hex')), [
    [':status', '302'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com'],
  ]);
});

t.test('each octet by Huffman', async (t) => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('latin1');
  const coded = Buffer.alloc(huffmanLength(all));
  t.equal(encodeHuffman(all, coded, 0), coded.length);
  const back = Buffer.alloc(mostDecoded(coded.length));
  const length = decodeHuffman(coded, 0, coded.length, back);
  t.equal(back.toString('latin1', 0, length), all);
});

t.test('any text by Huffman', async (t) => {
  const property = fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
    const text = Buffer.from(octets).toString('latin1');
    const coded = Buffer.alloc(huffmanLength(text));
    encodeHuffman(text, coded, 0);
    const back = Buffer.alloc(mostDecoded(coded.length));
    return back.toString('latin1', 0, decodeHuffman(coded, 0, coded.length, back)) === text;
  });
  t.doesNotThrow(() => fc.assert(property));
});

t.test('any fields over any changes of the table', async (t) => {
  const name = fc.constantFrom(
    ':status',
    'date',
    'etag',
    'x-a',
    'x-b',
    'set-cookie',
    'cache-control',
    'x-request-id',
    'content-length',
  );
  const value = fc.oneof(fc.constantFrom('200', 'a', 'private', 'x'.repeat(900)), fc.string({ maxLength: 40 }));
  const fields = fc.array(
    fc.tuple(
      name,
      value.map((text) => Buffer.from(text).toString('latin1')),
    ),
    { maxLength: 12 },
  );
  const blocks = fc.array(fc.tuple(fields, fc.option(fc.constantFrom(0, 64, 200, 4096))), { maxLength: 20 });
  const property = fc.property(blocks, (all) => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    return all.every(([list, tableBytes]) => {
      if (tableBytes !== null) {
        encoder.setTableBytes(tableBytes);
        decoder.setTableBytes(tableBytes);
      }
      const got = decode(decoder, encode(encoder, list));
      return JSON.stringify(got) === JSON.stringify(list);
    });
  });
  t.doesNotThrow(() => fc.assert(property));
});

t.test('what comes again is an index, what is secret never is', async (t) => {
  const encoder = new HpackEncoder();
  const size = (...field: [string, string]): number[] => [1, 2, 3].map(() => encode(encoder, [field]).length);
  t.equal(size('server', 'something of ours')[2], 1);
  t.equal(size('x-custom', 'something of ours')[2], 1);
  for (const name of ['set-cookie', 'authorization', 'www-authenticate']) {
    const [first, , third] = size(name, 'secret=of-somebody');
    t.equal(third, first, name);
    t.equal((encode(encoder, [[name, 'secret']])[0] ?? 0) & 0xf0, 0x10, `${name} is never indexed, by nobody`);
  }
  t.equal((encode(encoder, [['cookie', 'short=1']])[0] ?? 0) & 0xf0, 0x10);
  t.equal(size('cookie', 'longer=0123456789abcdef')[2], 1);
});

t.test('a line as its sender spells it costs the same', async (t) => {
  const encoder = new HpackEncoder();
  const line = 'X-Mixed: Some Value\r\n';
  const sizes = [1, 2, 3].map(() => {
    encoder.begin();
    encoder.line(line, 0, 7, 9, 19);
    return encoder.length;
  });
  t.equal(sizes[2], 1);
  const decoder = new HpackDecoder();
  const twin = new HpackEncoder();
  for (let i = 0; i < 3; i++) {
    twin.begin();
    twin.line(line, 0, 7, 9, 19);
    t.strictSame(decode(decoder, twin.bytes.subarray(0, twin.length)), [['x-mixed', 'Some Value']]);
  }
});

t.test('a smaller table that the peer does not confirm', async (t) => {
  const decoder = new HpackDecoder();
  decoder.setTableBytes(100);
  t.equal(decode(decoder, Buffer.from([0x82])), null);
  const other = new HpackDecoder();
  other.setTableBytes(100);
  t.strictSame(decode(other, Buffer.from([0x3f, 0x45, 0x82])), [[':method', 'GET']]);
});

t.test('an entry larger than the table empties it', async (t) => {
  const decoder = new HpackDecoder();
  const literal = (value: string): Buffer => {
    const encoder = new HpackEncoder();
    return Buffer.concat([Buffer.from([0x40, 1, 0x78]), lengthOf(encoder, value)]);
  };
  t.ok(decode(decoder, literal('a')));
  t.ok(decode(decoder, Buffer.from([0xbe])));
  t.ok(decode(decoder, literal('b'.repeat(5000))));
  t.equal(decode(decoder, Buffer.from([0xbe])), null);
});

/** A value as a string that is not coded. */
function lengthOf(encoder: HpackEncoder, value: string): Buffer {
  encoder.begin();
  encoder.field('x-request-id', value);
  const bytes = Buffer.from(encoder.bytes.subarray(0, encoder.length));
  return bytes.subarray(2 + 'x-request-id'.length);
}
