// The law of a view, as a suite: derived step by step its table is that of a fresh view rebuilt from the snapshot, what it returns is
// what changed in the table, and its records travel as JSON.

import fc from 'fast-check';
import type { Test } from 'tap';
import {
  emptySnapshot,
  isEmptyDelta,
  joinDeltas,
  reduce,
  type ClusterEvent,
  type Delta,
} from '../../src/cluster/index.ts';
import type { Table, TableChange, View } from '../../src/ports/index.ts';
import { arbitraryHistory } from '../cluster/arbitrary-events.ts';

export interface ViewLawOptions {
  /** Histories of the cluster; default those of test/cluster/arbitrary-events.ts. */
  readonly histories?: fc.Arbitrary<readonly ClusterEvent[]>;
  readonly runs?: number;
}

/** `make` gives a new view with the same options each time. */
export function testViewLaw<R>(t: Test, make: () => View<R>, options: ViewLawOptions = {}): void {
  const histories = options.histories ?? arbitraryHistory;
  const parameters = { seed: 11, numRuns: options.runs ?? 300 };

  t.test('derived step by step equals rebuilt', async (t) => {
    // `gather`: how many events go into each delta, as the pipeline joins them.
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(histories, fc.integer({ min: 1, max: 4 }), (events, gather) => follow(make, events, gather)),
        parameters,
      ),
    );
  });

  if (make().rebuildInSlices !== undefined)
    t.test('built in slices it is what it is in one go', async (t) => {
      t.doesNotThrow(() =>
        fc.assert(
          fc.property(histories, (events) => sliced(make, events)),
          { ...parameters, numRuns: 100 },
        ),
      );
    });

  t.test('rebuilding again changes nothing', async (t) => {
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(histories, (events) => {
          const snapshot = emptySnapshot();
          for (const event of events) reduce(snapshot, event);
          const view = make();
          view.rebuild(snapshot);
          const printed = view.print();
          const change = view.rebuild(snapshot);
          if (change.set.length + change.removed.length > 0) throw new Error(`changed ${JSON.stringify(change)}`);
          if (view.print() !== printed) throw new Error('prints otherwise');
        }),
        { ...parameters, numRuns: 100 },
      ),
    );
  });
}

/** Of a view that can be built in slices. */
function sliced<R>(make: () => View<R>, events: readonly ClusterEvent[]): void {
  const snapshot = emptySnapshot();
  const [view, whole] = [make(), make()];
  const mirror = new Map<string, string>();
  const half = Math.ceil(events.length / 2);
  for (const part of [events.slice(0, half), events.slice(half)]) {
    for (const event of part) reduce(snapshot, event);
    whole.rebuild(snapshot);
    const changes = [...(view.rebuildInSlices?.(snapshot) ?? [])];
    const change = { set: changes.flatMap(({ set }) => set), removed: changes.flatMap(({ removed }) => removed) };
    if (
      new Set([...change.removed, ...change.set.map(([key]) => key)]).size <
      change.set.length + change.removed.length
    )
      throw new Error('a key was told twice');
    mirrorChange(mirror, change, view.table);
    equal(jsonOf(view.table), jsonOf(whole.table), 'table');
    equal(view.print(), whole.print(), 'print');
    equal(JSON.stringify(view.diagnostics()), JSON.stringify(whole.diagnostics()), 'diagnostics');
  }
}

function follow<R>(make: () => View<R>, events: readonly ClusterEvent[], gather: number): void {
  const [first, ...rest] = events;
  if (first === undefined) return;
  const snapshot = emptySnapshot();
  reduce(snapshot, first);
  const view = make();
  const mirror = new Map<string, string>();
  mirrorChange(mirror, view.rebuild(snapshot), view.table);
  for (let at = 0; at < rest.length; at += gather) {
    const deltas = rest.slice(at, at + gather).map((event) => reduce(snapshot, event));
    const delta = deltas.reduce<Delta | null>(
      (joined, next) => (joined === null ? next : joinDeltas(joined, next)),
      null,
    );
    if (delta === null || isEmptyDelta(delta)) continue;
    mirrorChange(mirror, view.derive(delta, snapshot), view.table);
    const fresh = make();
    fresh.rebuild(snapshot);
    equal(jsonOf(view.table), jsonOf(fresh.table), 'table');
    equal(view.print(), fresh.print(), 'print');
    equal(JSON.stringify(view.diagnostics()), JSON.stringify(fresh.diagnostics()), 'diagnostics');
  }
}

/** What a worker does with a change: must give the table. */
function mirrorChange<R>(mirror: Map<string, string>, change: TableChange<R>, table: Table<R>): void {
  for (const key of change.removed) {
    if (!mirror.delete(key)) throw new Error(`${key} was removed without having been there`);
  }
  for (const [key, record] of change.set) {
    const text = JSON.stringify(record);
    if (mirror.get(key) === text) throw new Error(`${key} was set to what it was`);
    if (!Object.isFrozen(record)) throw new Error(`${key} is not frozen`);
    mirror.set(key, text);
  }
  equal(JSON.stringify([...mirror].sort()), jsonOf(table), 'changes');
}

const jsonOf = <R>(table: Table<R>): string =>
  JSON.stringify([...table].map(([key, record]) => [key, JSON.stringify(record)]).sort());

function equal(found: string, wanted: string, what: string): void {
  if (found !== wanted) throw new Error(`${what} differs:\n${found}\n${wanted}`);
}
