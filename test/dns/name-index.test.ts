// The index of names against a Map, under any order of additions and removals.

import t from 'tap';
import fc from 'fast-check';
import { createNameIndex } from '../../dns/name-index.ts';
import { keyOfName, parseQuery } from '../../dns/wire/index.ts';
import { queryOf } from './questions.ts';

interface Entry {
  readonly key: string;
}

const keyOf = (n: number): string => keyOfName(`app-${n}.marathon.mesos.`) ?? '';

t.test('does what a Map does', async (t) => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(60)), { maxLength: 400 });
  const sameAsMap = fc.property(steps, (all) => {
    const index = createNameIndex<Entry>();
    const model = new Map<string, Entry>();
    for (const [isAdded, n] of all) {
      const key = keyOf(n);
      if (!isAdded) {
        index.delete(key);
        model.delete(key);
      } else if (!model.has(key)) {
        const entry = { key };
        index.add(entry);
        model.set(key, entry);
      }
    }
    for (let n = 0; n <= 60; n++) if (index.get(keyOf(n)) !== model.get(keyOf(n))) return false;
    return index.size === model.size && new Set(index.values()).size === model.size;
  });
  t.doesNotThrow(() => fc.assert(sameAsMap, { seed: 1 }));
});

t.test('grows, and forgets what it is told to', async (t) => {
  const index = createNameIndex<Entry>();
  for (let n = 0; n < 5000; n++) index.add({ key: keyOf(n) });
  for (let n = 0; n < 5000; n += 2) index.delete(keyOf(n));
  const wrong = Array.from({ length: 5000 }, (_, n) => (index.get(keyOf(n)) === undefined) === (n % 2 === 0));
  t.notOk(wrong.includes(false));
  t.equal(index.size, 2500);
  index.clear();
  t.equal(index.get(keyOf(1)), undefined);
  t.equal(index.size, 0);
});

t.test('finds what a packet asks for, in any case', async (t) => {
  const index = createNameIndex<Entry>();
  for (let n = 0; n < 2000; n++) index.add({ key: keyOf(n) });
  t.equal(index.asked(parseQuery(queryOf('APP-77.Marathon.mesos.', 'A')))?.key, keyOf(77));
  t.equal(index.asked(parseQuery(queryOf('app-2000.marathon.mesos.', 'A'))), undefined);
  t.equal(index.asked(parseQuery(queryOf('app-77.marathon.mesos.example.', 'A'))), undefined);
});
