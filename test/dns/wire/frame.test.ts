// Messages on a stream, however it is cut.

import t from 'tap';
import fc from 'fast-check';
import { createFrameReader, frame } from '../../../dns/wire/index.ts';

t.test('messages come out as they went in, wherever the stream is cut', async (t) => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (sent, steps) => {
      const got: string[] = [];
      const reader = createFrameReader((bytes) => got.push(bytes.toString('hex')));
      const stream = Buffer.concat(sent.map((octets) => frame(Buffer.from(octets))));
      for (let at = 0, i = 0; at < stream.length; i++) {
        const step = steps[i % steps.length] ?? 1;
        reader.push(stream.subarray(at, at + step));
        at += step;
      }
      return got.join() === sent.map((octets) => Buffer.from(octets).toString('hex')).join();
    }),
  );
  t.pass('it held for every case');
});

t.test('an unfinished message is not told', async (t) => {
  const reader = createFrameReader(() => t.fail('nothing is complete'));
  reader.push(Buffer.from([0, 5, 1, 2]));
  t.pass('it held for every case');
});
