// Tables on their way to the workers: joining changes and agreeing by hash.

import fc from 'fast-check';
import t from 'tap';
import { incomingDifference, incomingLoad } from '../../src/daemon/incoming.ts';
import { Fingerprints } from '../../src/daemon/fingerprints.ts';
import { FollowedTable, joinChanges, noChange, type AnyChange } from '../../src/daemon/tables.ts';

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const change: fc.Arbitrary<AnyChange> = fc
  .dictionary(key, fc.option(fc.record({ n: fc.nat(3) })), { maxKeys: 5 })
  .map((entries) => ({
    set: Object.entries(entries).filter((entry) => entry[1] !== null),
    removed: Object.entries(entries).flatMap(([name, record]) => (record === null ? [name] : [])),
  }));

t.test('joined changes do what they do one by one', async (t) => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
      const stepwise = new FollowedTable();
      for (const one of changes) stepwise.apply(one);
      const joined = new FollowedTable();
      joined.apply(changes.reduce(joinChanges, noChange));
      return sorted(stepwise) === sorted(joined) && stepwise.hash === joined.hash;
    }),
  );
  t.pass('held for random changes');
});

t.test('the hash does not depend on order and comes back to nothing', async (t) => {
  const forward = new FollowedTable();
  const backward = new FollowedTable();
  const rows = [
    ['a', { n: 1 }],
    ['b', { n: 2 }],
    ['c', { n: 3 }],
  ] as const;
  for (const row of rows) forward.apply({ set: [row], removed: [] });
  for (const row of [...rows].reverse()) backward.apply({ set: [row], removed: [] });
  t.equal(forward.hash, backward.hash);
  t.not(forward.hash, 0);
  forward.apply({ set: [['b', { n: 4 }]], removed: [] });
  t.not(forward.hash, backward.hash, 'another record, another hash');
  forward.apply({ set: [], removed: ['a', 'b', 'c', 'never there'] });
  t.equal(forward.hash, 0);
});

t.test('replace tells what it did', async (t) => {
  const table = new FollowedTable();
  table.apply({
    set: [
      ['old', 1],
      ['kept', 2],
    ],
    removed: [],
  });
  const rows = new FollowedTable();
  rows.apply({
    set: [
      ['kept', 2],
      ['new', 3],
    ],
    removed: [],
  });
  const done = table.replace(rows);
  t.same(done.removed, ['old']);
  t.same([...table.records].sort(), [
    ['kept', 2],
    ['new', 3],
  ]);
});

function sorted(table: FollowedTable): string {
  return JSON.stringify([...table.records].sort(([a], [b]) => (a < b ? -1 : 1)));
}

t.test('rows that went and cannot be named are no difference', async (t) => {
  const table = new Fingerprints();
  table.apply({ set: [['a', 1]], removed: [] });
  const incoming = incomingDifference(table, () => ['A']);
  incoming.take('b', 2);
  const { table: next, change } = incoming.end();
  t.equal(change, null, 'everything is to be taken anew');
  t.equal(next.hash, 0);
});

t.test('hashes of many rows stand apart, and go', async (t) => {
  const table = new Fingerprints();
  const rows = Array.from({ length: 20_000 }, (_, n) => [`row-${n}.example.`, n] as const);
  for (const row of rows) table.apply({ set: [row], removed: [] });
  table.apply({ set: [], removed: rows.filter(([, n]) => n % 2 === 0).map(([name]) => name) });
  t.equal(table.size, 10_000);
  t.notOk(rows.some(([name, n]) => table.holds(name, n) !== (n % 2 === 1)));
  table.apply({ set: [], removed: rows.map(([name]) => name) });
  t.equal(table.hash, 0);
  t.equal(table.size, 0);
});

t.test('a table of hashes agrees with the one that keeps its records', async (t) => {
  const steps = fc.array(fc.tuple(change, fc.constantFrom('change', 'difference', 'load')), { maxLength: 8 });
  const agrees = fc.property(steps, (all) => {
    const kept = new FollowedTable();
    let hashed = new Fingerprints();
    for (const [one, way] of all) {
      const told = new Map(kept.records);
      kept.apply(one);
      if (way === 'change') {
        hashed.apply(one);
        continue;
      }
      const incoming = way === 'load' ? incomingLoad([]) : incomingDifference(hashed, () => told.keys());
      for (const [name, record] of kept.records) incoming.take(name, record);
      const end = incoming.end();
      hashed = end.table;
      if (end.change === null) continue;
      for (const name of end.change.removed) told.delete(name);
      for (const [name, record] of end.change.set) told.set(name, record);
      if (linesOf(told) !== linesOf(kept.records)) return false;
    }
    return hashed.hash === kept.hash;
  });
  t.doesNotThrow(() => fc.assert(agrees, { seed: 3 }));
});

const linesOf = (rows: ReadonlyMap<string, unknown>): string =>
  [...rows]
    .map((row) => JSON.stringify(row))
    .sort()
    .join('\n');
