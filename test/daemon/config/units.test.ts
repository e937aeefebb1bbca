// Durations, sizes, counts and percentages: what is read, what is refused, and what the remedy says.

import fc from 'fast-check';
import t from 'tap';
import { parseDuration } from '../../../src/daemon/config/duration.ts';
import { isMistake } from '../../../src/daemon/config/mistake.ts';
import { parseRatio } from '../../../src/daemon/config/ratio.ts';
import { parseCount, parseSize } from '../../../src/daemon/config/size.ts';

t.test('durations in ms', async (t) => {
  const table: readonly [unknown, number][] = [
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1h30m', 5_400_000],
    ['24d', 24 * 86_400_000],
    ['0s', 0],
    [0, 0],
    ['off', 0],
    ['none', 0],
  ];
  for (const [text, ms] of table) t.equal(parseDuration(text), ms, String(text));
});

t.test('durations that are refused', async (t) => {
  const table: readonly [unknown, RegExp, RegExp][] = [
    [10, /needs a unit/, /write 10s/],
    ['10', /needs a unit/, /write 10s/],
    ['10x', /is no duration/, /ms, s, m, h or d/],
    ['s', /is no duration/, /10s/],
    ['', /is no duration/, /10s/],
    ['-1s', /is no duration/, /10s/],
    [-3, /is no duration/, /10s/],
    ['10 s', /is no duration/, /10s/],
    ['25d', /longer than 24 days/, /24d or less/],
    [true, /is no duration/, /10s/],
    [{}, /is no duration/, /10s/],
  ];
  for (const [value, wrong, remedy] of table) t.match(parseDuration(value), { wrong, remedy }, String(value));
});

t.test('sizes in bytes', async (t) => {
  const table: readonly [unknown, number][] = [
    ['64k', 65_536],
    ['64K', 65_536],
    ['16KiB', 16_384],
    ['2MiB', 2_097_152],
    ['1G', 1_073_741_824],
    ['1.5M', 1_572_864],
    ['10kB', 10_000],
    ['3MB', 3_000_000],
    ['512B', 512],
    ['off', 0],
    [0, 0],
  ];
  for (const [text, bytes] of table) t.equal(parseSize(text), bytes, String(text));
  t.match(parseSize(4096), { wrong: /needs a unit/, remedy: /4096k, 4096M or 4096B/ });
  t.equal(parseSize(4096, true), 4096, 'the name of the key says bytes');
  t.match(parseSize('5q'), { wrong: /unknown unit q/ });
  t.match(parseSize('k'), { wrong: /is no size/ });
  t.match(parseSize('-1k'), { wrong: /is no size/ });
  t.match(parseSize('9999999999999G'), { wrong: /too large/ });
});

t.test('counts', async (t) => {
  t.equal(parseCount(200), 200);
  t.equal(parseCount('10k'), 10_000);
  t.equal(parseCount('2M'), 2_000_000);
  t.equal(parseCount('off'), 0);
  for (const bad of [-1, 1.5, '1e3', '', null, '10kB'])
    t.match(parseCount(bad), { wrong: /no whole number/ }, String(bad));
});

t.test('percentages', async (t) => {
  t.equal(parseRatio('50%'), 0.5);
  t.equal(parseRatio('0%'), 0);
  t.equal(parseRatio('100 %'), 1);
  t.match(parseRatio(50), { wrong: /percent sign/, remedy: /write 50%/ });
  t.match(parseRatio(0.5), { wrong: /percent sign/, remedy: /write 50%/ });
  for (const bad of ['101%', '-1%', '%', '50', true])
    t.match(parseRatio(bad), { wrong: /is no percentage/ }, String(bad));
});

t.test('no text makes a unit parser throw or give a number that is not one', async (t) => {
  const parsers = [parseDuration, parseSize, parseCount, parseRatio];
  fc.assert(
    fc.property(fc.oneof(fc.anything(), fc.stringMatching(/^[0-9.]{0,25}[a-zA-Z%]{0,4}$/)), (value) =>
      parsers.every((parse) => {
        const result = parse(value);
        return isMistake(result) || (Number.isFinite(result) && result >= 0);
      }),
    ),
  );
  t.pass('held');
});
