// Tables on their way to the workers: joining changes and agreeing by hash.

import fc from 'fast-check';
import t from 'tap';
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
  const done = table.replace(
    new Map([
      ['kept', 2],
      ['new', 3],
    ]),
  );
  t.same(done.removed, ['old']);
  t.same([...table.records].sort(), [
    ['kept', 2],
    ['new', 3],
  ]);
});

function sorted(table: FollowedTable): string {
  return JSON.stringify([...table.records].sort(([a], [b]) => (a < b ? -1 : 1)));
}
