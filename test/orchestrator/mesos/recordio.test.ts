// RecordIO framing: whatever the pieces, the same records; bad lengths end it.

import t from 'tap';
import { createRecordReader, type RecordLimits } from '../../../src/orchestrator/mesos/recordio.ts';

interface Read {
  readonly records: readonly string[];
  readonly broken: string | null;
  readonly atBoundary: boolean;
}

function read(chunks: readonly Buffer[], limits?: RecordLimits): Read {
  const reader = createRecordReader(limits);
  const records: string[] = [];
  let pieces: Buffer[] = [];
  let broken: string | null = null;
  for (const chunk of chunks) {
    for (const token of reader.push(chunk)) {
      if (token.kind === 'begin') pieces = [];
      if (token.kind === 'piece') pieces.push(Buffer.from(token.piece));
      if (token.kind === 'end') records.push(Buffer.concat(pieces).toString('utf8'));
      if (token.kind === 'broken') broken = token.reason;
    }
  }
  return { records, broken, atBoundary: reader.atBoundary() };
}

const record = (text: string): string => `${Buffer.byteLength(text)}\n${text}`;
const texts = ['{"type":"HEARTBEAT"}', '{"name":"한글 ✓"}', '{"a":"\\u00e9"}', 'x'];
const bytes = Buffer.from(texts.map(record).join(''));

t.test('a stream torn at any byte gives the same records', async (t) => {
  for (let at = 0; at <= bytes.length; at++) {
    const { records, broken, atBoundary } = read([bytes.subarray(0, at), bytes.subarray(at)]);
    t.same(records, texts, `torn at ${at}`);
    t.equal(broken, null);
    t.ok(atBoundary);
  }
});

t.test('byte by byte gives the same records', async (t) => {
  t.same(read(Array.from(bytes, (byte) => Buffer.of(byte))).records, texts);
});

t.test('empty records and blanks before a length are passed over', async (t) => {
  t.same(read([Buffer.from(`0\n 1\nx0\n0\n\r1\ny`)]).records, ['x', 'y']);
});

t.test('an end within a length or a record is no boundary', async (t) => {
  t.notOk(read([Buffer.from('12')]).atBoundary);
  t.notOk(read([Buffer.from('5\nabc')]).atBoundary);
});

for (const [what, text] of [
  ['a letter', '1a\n'],
  ['a minus', '-5\nabcde'],
  ['HTML', '<html>'],
  ['thirteen digits', '1234567890123\n'],
  ['a blank inside', '1 2\n'],
] as const) {
  t.test(`${what} in a length ends it`, async (t) => {
    t.match(read([Buffer.from(record('ok')), Buffer.from(text)]), { records: ['ok'], broken: /bad record length/ });
  });
}

t.test('the first record may be larger than those after it', async (t) => {
  const limits = { firstBytes: 10, laterBytes: 5 };
  t.match(read([Buffer.from(record('0123456789'))], limits), { records: ['0123456789'], broken: null });
  t.match(read([Buffer.from(record('01234567890'))], limits), { records: [], broken: /11 bytes/ });
  t.match(read([Buffer.from(record('x') + record('012345'))], limits), { records: ['x'], broken: /6 bytes/ });
});
