// Names between wire and text, and the walks that hostile bytes must not break.

import t from 'tap';
import fc from 'fast-check';
import {
  decodeName,
  encodeName,
  isName,
  isWithin,
  keyOfName,
  keyOfWire,
  nameOfKey,
  parentKey,
  skipName,
} from '../../../dns/wire/index.ts';

t.test('names become octets', async (t) => {
  t.strictSame(encodeName('a.bc.'), Buffer.from('\x01a\x02bc\0', 'latin1'));
  t.strictSame(encodeName('a.bc'), Buffer.from('\x01a\x02bc\0', 'latin1'));
  t.strictSame(encodeName('.'), Buffer.from([0]));
  t.strictSame(encodeName('a\\.b.c.'), Buffer.from('\x03a.b\x01c\0', 'latin1'), 'an escaped dot belongs to its label');
  t.strictSame(encodeName('\\200.'), Buffer.from([1, 200, 0]));
});

t.test('what is no name is refused', async (t) => {
  const long = `${'a'.repeat(63)}.`.repeat(4);
  for (const text of ['a..b', '.a', 'a\\', 'a\\999', `${'a'.repeat(64)}.b`, long])
    t.equal(encodeName(text), null, text);
  t.not(encodeName('a'.repeat(63)), null);
  t.not(encodeName(`${'a'.repeat(63)}.`.repeat(3) + 'b'.repeat(61)), null, '255 octets are allowed');
  t.equal(encodeName(`${'a'.repeat(63)}.`.repeat(3) + 'b'.repeat(62)), null, '256 are not');
});

t.test('any octets survive the way through text', async (t) => {
  const label = fc.uint8Array({ minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(label, { maxLength: 8 }), (labels) => {
      const wire = Buffer.concat([
        ...labels.flatMap((octets) => [Buffer.from([octets.length]), octets]),
        Buffer.from([0]),
      ]);
      const decoded = decodeName(wire, 0);
      return decoded?.end === wire.length && encodeName(decoded.text)?.equals(wire) === true;
    }),
  );
  t.pass('it held for every case');
});

t.test('compression pointers are followed backwards only', async (t) => {
  const bytes = Buffer.from('\x01a\0\x01b\xc0\x00', 'latin1');
  t.strictSame(decodeName(bytes, 3), { text: 'b.a.', end: 7 });
  t.equal(decodeName(Buffer.from([0xc0, 0x00]), 0), null, 'to itself');
  t.equal(decodeName(Buffer.from([0xc0, 0x02, 0xc0, 0x00]), 0), null, 'forwards');
  t.equal(decodeName(Buffer.from('\x01a\xc0\x00', 'latin1'), 0), null, 'into the name that it ends');
  t.equal(decodeName(Buffer.from([0xc0]), 0), null, 'half a pointer');
  t.equal(decodeName(Buffer.from([0x80, 0]), 0), null, 'a reserved label type');
  t.equal(decodeName(Buffer.from('\x05abc', 'latin1'), 0), null, 'cut off');
});

t.test('a chain of pointers cannot make a name longer than 255 octets', async (t) => {
  const piece = Buffer.from(`\x3f${'x'.repeat(63)}`, 'latin1');
  const parts: Buffer[] = [Buffer.concat([piece, Buffer.from([0])])];
  let at = 0;
  for (let i = 0; i < 6; i++) {
    const pointer = Buffer.from([0xc0 | (at >> 8), at & 0xff]);
    at = Buffer.concat(parts).length;
    parts.push(Buffer.concat([piece, pointer]));
  }
  t.equal(decodeName(Buffer.concat(parts), at), null);
});

t.test('random bytes give a name or null, and never an end beyond them', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(299), (octets, offset) => {
      const decoded = decodeName(octets, offset);
      const end = skipName(octets, offset);
      return (
        (decoded === null || (decoded.end <= octets.length && decoded.text.length <= 1020)) && end <= octets.length
      );
    }),
    { numRuns: 2000 },
  );
  t.pass('it held for every case');
});

t.test('keys ignore case of ASCII letters alone', async (t) => {
  t.equal(keyOfName('WeB.Mesos.'), keyOfName('web.mesos'));
  t.not(keyOfName('\\195\\137.mesos.'), keyOfName('\\195\\169.mesos.'), 'octets of É and é stay different');
  t.equal(nameOfKey(keyOfName('Web.Mesos') ?? ''), 'web.mesos.');
});

t.test('the short way to a key is the long way', async (t) => {
  const unit = fc.constantFrom('a', 'Z', '-', '_', '9', '.', '.', '\\', ' ', 'é', 'x'.repeat(30));
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 14 }), (text) => {
      const wire = encodeName(text);
      return keyOfName(text) === (wire === null ? null : keyOfWire(wire));
    }),
    { numRuns: 3000 },
  );
  t.pass('it held for every case');
});

t.test('a name is within a zone on label boundaries', async (t) => {
  const key = (name: string): string => keyOfName(name) ?? '';
  t.ok(isWithin(key('a.mesos'), key('mesos')));
  t.ok(isWithin(key('mesos'), key('mesos')));
  t.notOk(isWithin(key('amesos'), key('mesos')));
  t.notOk(isWithin(key('x\\005mesos'), key('mesos')), 'a label that holds the octets of the zone');
  t.equal(parentKey(key('a.b.c')), key('b.c'));
});

t.test('what is a name has a key, and the other way round', async (t) => {
  const label = fc.oneof(
    fc.string({ maxLength: 70 }),
    fc.constantFrom('web', '', '_tcp', 'a\\.b', '\\300', 'x'.repeat(63)),
  );
  fc.assert(
    fc.property(fc.array(label, { maxLength: 6 }), fc.boolean(), (labels, dotted) => {
      const text = labels.join('.') + (dotted ? '.' : '');
      return isName(text) === (keyOfName(text) !== null);
    }),
    { numRuns: 2000, seed: 7 },
  );
  t.pass('for 2,000 texts');
});
