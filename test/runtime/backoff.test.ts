// Backoff: ceilings double up to the most, waits lie anywhere below them.

import t from 'tap';
import { createBackoff, seededRandom } from '../../src/runtime/index.ts';

t.test('ceilings double and stop at the most', async (t) => {
  const backoff = createBackoff({ firstMs: 100, mostMs: 500, random: () => 1 });
  t.strictSame(
    [1, 2, 3, 4, 5].map(() => backoff.next()),
    [100, 200, 400, 500, 500],
  );
  backoff.reset();
  t.equal(backoff.next(), 100);
});

t.test('waits are spread between nothing and the ceiling', async (t) => {
  const backoff = createBackoff({ firstMs: 100, mostMs: 100, random: seededRandom(1) });
  const waits = Array.from({ length: 200 }, () => backoff.next());
  t.ok(waits.every((wait) => wait >= 0 && wait < 100));
  t.ok(Math.min(...waits) < 10 && Math.max(...waits) > 90);
});
