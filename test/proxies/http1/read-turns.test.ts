// Those who read in bulk take turns, in the order in which they were stopped, and nobody is forgotten.

import { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { FairReader } from '../../../proxies/http1/read-turns.ts';

/** Half of a turn. */
const large = 128 * 1024;
const firstBytes = 32 * 1024;

class Reader extends FairReader {
  readonly socket = new Socket();
  readonly takesMore: boolean;
  readonly #turns: Reader[];

  constructor(turns: Reader[] = [], takesMore = true) {
    super();
    this.#turns = turns;
    this.takesMore = takesMore;
  }

  read(bytes: number, bodyBytes: number): void {
    if (this.mustWait(bytes, bodyBytes)) this.socket.pause();
  }

  resume(bodyBytes: number): void {
    this.resumeReading(bodyBytes);
  }

  override readOn(): void {
    this.#turns.push(this);
    super.readOn();
  }
}

t.test('a turn reads so much in bulk, and who read more waits for the next ones', async (t) => {
  const turns: Reader[] = [];
  const readers = Array.from({ length: 9 }, () => new Reader(turns));
  for (const reader of readers) reader.read(large, 10 * large);
  const isStopped = readers.map(({ socket }) => socket.isPaused());
  t.same(isStopped, [false, ...Array<boolean>(8).fill(true)], 'half of a turn for the first, all of it for the second');
  const stopped = readers.slice(1);
  for (let most = 1; turns.length < stopped.length; most++) {
    await setImmediate();
    t.ok(turns.length <= most, 'no more than one a turn');
  }
  t.ok(
    turns.every((reader, i) => reader === stopped[i]),
    'in their order',
  );
  t.notOk(
    readers.some(({ socket }) => socket.isPaused()),
    'all read again',
  );
});

t.test('first bytes never wait', async (t) => {
  const reader = new Reader();
  for (let i = 0; i < 9; i++) reader.read(large, firstBytes);
  t.notOk(reader.socket.isPaused());
  reader.socket.pause();
  reader.resume(firstBytes);
  t.notOk(reader.socket.isPaused());
  await setImmediate();
});

t.test('who was held up by others comes in turn, too', async (t) => {
  const turns: Reader[] = [];
  const reader = new Reader(turns);
  reader.socket.pause();
  reader.resume(10 * large);
  reader.resume(10 * large);
  t.ok(reader.socket.isPaused());
  await setImmediate();
  await setImmediate();
  t.equal(turns.length, 1, 'asked for twice, once');
  t.notOk(reader.socket.isPaused());
});

t.test('whose bytes nobody takes now stays paused, and may ask again', async (t) => {
  const turns: Reader[] = [];
  const reader = new Reader(turns, false);
  reader.socket.pause();
  reader.resume(10 * large);
  while (turns.length === 0) await setImmediate();
  t.ok(reader.socket.isPaused());
  reader.resume(0);
  t.notOk(reader.socket.isPaused());
});

t.test('who has gone meanwhile is left alone', async (t) => {
  const turns: Reader[] = [];
  const reader = new Reader(turns);
  reader.socket.pause();
  reader.resume(10 * large);
  reader.socket.destroy();
  while (turns.length === 0) await setImmediate();
  t.ok(reader.socket.isPaused());
});
