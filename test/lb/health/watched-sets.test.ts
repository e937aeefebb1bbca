// The sets that health looks after: one look at a backend is enough, in however many sets it stands.

import t from 'tap';
import { WatchedSets, type WatchedSet } from '../../../lb/health/watched-sets.ts';
import type { CheckRule } from '../../../lb/health/check-rule.ts';
import { backendKey, type Backend } from '../../../src/cluster/index.ts';

const backend: Backend = {
  ...{ key: backendKey('127.0.0.1', 8080), ip: '127.0.0.1', port: 8080 },
  ...{ task: null, zone: null, weight: 1, state: 'up' },
};

const rule = (kind: 'tcp' | 'http', intervalMs: number): CheckRule => ({ kind, intervalMs });

t.test('the most telling check counts, whichever set came first', (t) => {
  const sets = new WatchedSets();
  const put = (id: string, check: CheckRule | null): void => void sets.put(id, { backends: [backend], check });
  const found = (): CheckRule | null | undefined => sets.find(backend.key)?.check?.rule ?? null;
  put('plain', null);
  t.equal(found(), null);
  put('http', rule('http', 5000));
  put('tcp', rule('tcp', 100));
  t.equal(found()?.kind, 'http');
  put('quick', rule('http', 1000));
  t.equal(found()?.intervalMs, 1000);
  put('quick', rule('tcp', 1000));
  t.equal(found()?.intervalMs, 5000, 'a set whose check changed counts by the new one');
  sets.put('http', null);
  t.equal(found()?.intervalMs, 100);
  sets.put('tcp', { backends: [], check: rule('tcp', 100) });
  t.equal(found()?.intervalMs, 1000, 'a set that the backend left counts no more');
  sets.put('quick', null);
  sets.put('plain', null);
  t.equal(sets.find(backend.key), null);
  t.same([...sets.keys()], []);
  t.end();
});

t.test('a backend of thousands of sets is not searched for', (t) => {
  const sets = new WatchedSets();
  let asked = 0;
  const set: WatchedSet = {
    backends: [backend],
    check: rule('http', 1000),
    checkAt: () => {
      asked++;
      return null;
    },
  };
  for (let i = 0; i < 3000; i++) sets.put(`set-${i}`, set);
  sets.find(backend.key);
  t.equal(asked, 1);
  t.equal(sets.setsOf(backend.key).length, 3000);
  t.end();
});
