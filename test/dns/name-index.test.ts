// The index of names against a Map, under any order of additions and removals.

import t from 'tap';
import fc from 'fast-check';
import { createNameIndex, type NameIndex } from '../../dns/name-index.ts';

/** Few hashes, so that names share slots and stand in each other's way. */
const hashOf = (id: number): number => Math.imul(id % 23, 0x9e3779b1);
const find = (index: NameIndex, id: number): number => index.find(hashOf(id), (found) => found === id);

t.test('does what a Map does', async (t) => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 60 })), { maxLength: 400 });
  const sameAsMap = fc.property(steps, (all) => {
    const index = createNameIndex();
    const model = new Set<number>();
    for (const [isAdded, id] of all) {
      if (!isAdded) {
        index.delete(id, hashOf(id));
        model.delete(id);
      } else if (!model.has(id)) {
        index.add(id, hashOf(id));
        model.add(id);
      }
    }
    for (let id = 1; id <= 60; id++) if (find(index, id) !== (model.has(id) ? id : 0)) return false;
    return index.size === model.size && new Set(index.ids()).size === model.size;
  });
  t.doesNotThrow(() => fc.assert(sameAsMap, { seed: 1 }));
});

t.test('grows, and forgets what it is told to', async (t) => {
  const index = createNameIndex();
  for (let id = 1; id <= 5000; id++) index.add(id, hashOf(id) + id);
  for (let id = 2; id <= 5000; id += 2) index.delete(id, hashOf(id) + id);
  const wrong = Array.from({ length: 5000 }, (_, i) => {
    const id = i + 1;
    return index.find(hashOf(id) + id, (found) => found === id) !== (id % 2 === 0 ? 0 : id);
  });
  t.notOk(wrong.includes(true));
  t.equal(index.size, 2500);
});
