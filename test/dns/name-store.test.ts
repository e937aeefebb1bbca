// The names that a worker holds against a Map, under any order of additions, changes and removals.

import t from 'tap';
import fc from 'fast-check';
import type { OwnZone } from '../../dns/name-entry.ts';
import { NameStore } from '../../dns/name-store.ts';
import { keyOfName, parseQuery } from '../../dns/wire/index.ts';
import { queryOf } from './questions.ts';

const zone: OwnZone = { apex: keyOfName('mesos.') ?? '', isMesos: true, isSparse: false, serial: 0, denialSoa: null };
const keyOf = (n: number): string => keyOfName(`app-${n}.marathon.mesos.`) ?? '';
/** Of many lengths, some longer than a run of octets may be; equal ones among them. */
const textOf = (n: number): string => 'é'.repeat(n % 7 === 6 ? 200_000 : n * 3) + String(n % 3);

t.test('does what a Map does', async (t) => {
  const steps = fc.array(fc.tuple(fc.nat(40), fc.nat(14)), { maxLength: 300 });
  const sameAsMap = fc.property(steps, (all) => {
    const store = new NameStore();
    const model = new Map<string, string>();
    for (const [n, step] of all) {
      const key = keyOf(n);
      const held = store.idOf(key);
      const text = step === 0 ? '' : textOf(step);
      if (step === 0 && held !== 0) {
        store.setText(held, '', 0);
        store.remove(held);
      } else if (step > 0) store.setText(held === 0 ? store.add(key, zone) : held, text, 1);
      if (step > 0) model.set(key, text);
      else model.delete(key);
    }
    for (let n = 0; n <= 40; n++) {
      const id = store.idOf(keyOf(n));
      if ((id !== 0) !== model.has(keyOf(n))) return false;
      if (id !== 0 && (store.keyOf(id) !== keyOf(n) || store.textOf(id) !== model.get(keyOf(n)))) return false;
    }
    return [...store.ids()].length === model.size;
  });
  t.doesNotThrow(() => fc.assert(sameAsMap, { seed: 1 }));
});

t.test('finds what a packet asks for, in any case', async (t) => {
  const store = new NameStore();
  for (let n = 0; n < 2000; n++) store.add(keyOf(n), zone);
  const asked = (name: string): string | undefined => store.asked(parseQuery(queryOf(name, 'A')))?.key;
  t.equal(asked('APP-77.Marathon.mesos.'), keyOf(77));
  t.equal(asked('app-2000.marathon.mesos.'), undefined);
  t.equal(asked('app-77.marathon.mesos.example.'), undefined);
});

t.test('an entry is of its name, also where its number was another one before', async (t) => {
  const store = new NameStore();
  const first = store.add(keyOf(1), zone);
  store.setText(first, 'one', 1);
  t.equal(store.entryOf(first).text, 'one');
  store.setText(first, '', 0);
  store.remove(first);
  const second = store.add(keyOf(2), zone);
  t.equal(second, first, 'the number is used again');
  t.equal(store.entryOf(second).key, keyOf(2));
  t.notOk(store.entryOf(second).hasRecord);
});
