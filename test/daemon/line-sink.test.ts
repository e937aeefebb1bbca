// Lines of a log file: none is lost or written twice, however they came, through a rotation and to the end.

import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openLineSink } from '../../src/daemon/line-sink.ts';
import { silentLogger } from '../../src/runtime/index.ts';
import { eventually } from '../feature/cluster.ts';

const line = (i: number, bytes = 700): string => `${String(i).padStart(7, '0')} ${'x'.repeat(bytes - 9)}\n`;
const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'latin1') : '');
const untilThereAre = (count: number, ...paths: readonly string[]): Promise<number> =>
  eventually(
    `${count} lines`,
    20_000,
    () => Promise.resolve(numbersIn(paths.map(textOf).join('')).length),
    (seen) => seen === count,
  );
const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
const numbersIn = (text: string): readonly number[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((one) => parseInt(one, 10));

t.test('lines gathered and lines written keep their order through a rotation', async (t) => {
  const path = join(t.testdir(), 'access.log');
  const sink = openLineSink(path, silentLogger);
  sink.write(line(0));
  await untilThereAre(1, path);
  // 2 MiB: several of the buffers that lines are gathered in are under way at once.
  for (let i = 1; i < 3000; i++) {
    const isTaken = i % 100 === 0 ? sink.write(line(i)) : sink.gather(line(i));
    if (!isTaken) t.fail(`line ${i} was refused`);
  }
  // Longer than any buffer.
  sink.gather(line(3000, 1024 * 1024));
  sink.gather(line(3001));
  renameSync(path, `${path}.1`);
  sink.reopen();
  sink.gather(line(3002));
  sink.flush();
  await untilThereAre(3003, `${path}.1`, path);
  t.same(numbersIn(textOf(`${path}.1`)), upTo(3002), 'what came before went where it was opened');
  t.same(numbersIn(textOf(path)), [3002]);
});

t.test('buffers are used again, and hold nothing of before', async (t) => {
  const path = join(t.testdir(), 'access.log');
  const sink = openLineSink(path, silentLogger);
  let next = 0;
  for (let round = 1; round <= 10; round++) {
    for (let i = 0; i < 500; i++) sink.gather(line(next++));
    sink.flush();
    await untilThereAre(next, path);
  }
  t.same(numbersIn(textOf(path)), upTo(next));
});

t.test('what does not fit is refused, and told', async (t) => {
  const path = join(t.testdir(), 'access.log');
  const sink = openLineSink(path, silentLogger);
  // Nothing is written before the loop turns.
  let taken = 0;
  while (taken < 20_000 && sink.gather(line(taken))) taken++;
  t.ok(taken > 0 && taken < 20_000);
  sink.flush();
  await untilThereAre(taken, path);
  t.same(numbersIn(textOf(path)), upTo(taken));
});
