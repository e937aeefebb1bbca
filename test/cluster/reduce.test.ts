// reduce and joinDeltas over random histories: what the deltas tell, joined, is the difference between the first snapshot and the last.

import fc from 'fast-check';
import t from 'tap';
import {
  emptySnapshot,
  isEmptyDelta,
  joinDeltas,
  pictureOf,
  noMasters,
  reduce,
  sameRecord,
  type Change,
  type ClusterEvent,
  type Delta,
  type Snapshot,
  type WritableSnapshot,
} from '../../src/cluster/index.ts';
import { arbitraryEvent, arbitraryHistory } from './arbitrary-events.ts';

const kinds = ['tasks', 'apps', 'agents', 'frameworks', 'verdicts', 'allocations'] as const;
type Records = ReadonlyMap<string, unknown>;
type State = Readonly<Record<(typeof kinds)[number], Records>> & Pick<Snapshot, 'version' | 'masters'>;

/** A copy, because the snapshot's maps live on. */
const copyOf = ({ tasks, apps, agents, frameworks, verdicts, allocations, version, masters }: Snapshot): State => ({
  tasks: new Map(tasks),
  apps: new Map(apps),
  agents: new Map(agents),
  frameworks: new Map(frameworks),
  verdicts: new Map(verdicts),
  allocations: new Map(allocations),
  version,
  masters,
});

t.test('deltas joined equal the difference of first and last', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(arbitraryHistory, fc.nat(), (events, cut) => {
        const snapshot = emptySnapshot();
        const [before, after] = [events.slice(0, cut % events.length), events.slice(cut % events.length)];
        for (const event of before) reduce(snapshot, event);
        const first = copyOf(snapshot);
        const joined = after.map((event) => reduce(snapshot, event)).reduce(joinDeltas);
        assertDifference(first, copyOf(snapshot), joined);
      }),
      { seed: 1, numRuns: 300 },
    ),
  );
});

t.test('of a record that a picture holds twice the last counts', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(arbitraryHistory, arbitraryHistory, arbitraryHistory, (events, one, other) => {
        const snapshot = after(events);
        const first = copyOf(snapshot);
        const [earlier, later] = [pictureOf(after(one)), pictureOf(after(other))];
        const picture = {
          tasks: [...earlier.tasks, ...later.tasks],
          agents: [...earlier.agents, ...later.agents],
          frameworks: [...earlier.frameworks, ...later.frameworks],
          apps: [...earlier.apps, ...later.apps],
          masters: later.masters,
        };
        const delta = reduce(snapshot, { type: 'resync', picture });
        const last = copyOf(snapshot);
        assertDifference(first, last, delta);
        for (const task of later.tasks)
          if (!sameRecord(last.tasks.get(task.key), task)) throw new Error(`${task.key} is not the last`);
      }),
      { seed: 7, numRuns: 200 },
    ),
  );
});

t.test('a resync to the same picture changes nothing', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(arbitraryHistory, (events) => {
        const snapshot = after(events);
        const version = snapshot.version;
        return isEmptyDelta(reduce(snapshot, resyncTo(snapshot))) && snapshot.version === version;
      }),
      { seed: 2, numRuns: 100 },
    ),
  );
});

t.test('an event told twice changes nothing the second time', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(arbitraryHistory, arbitraryEvent, (events, event) => {
        const snapshot = after(events);
        reduce(snapshot, event);
        return isEmptyDelta(reduce(snapshot, event));
      }),
      { seed: 3, numRuns: 200 },
    ),
  );
});

t.test('the index of apps holds the tasks that say so', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(arbitraryHistory, (events) => {
        const snapshot = after(events);
        const wanted = new Map<string, Set<string>>();
        for (const { key, appKey } of snapshot.tasks.values()) {
          if (appKey !== null) wanted.set(appKey, (wanted.get(appKey) ?? new Set()).add(key));
        }
        t.strictSame(new Map<string, ReadonlySet<string>>(snapshot.tasksOfApp), wanted);
      }),
      { seed: 4, numRuns: 50 },
    ),
  );
});

t.test('what is the store’s and the checks’ survives a resync', async (t) => {
  const snapshot = emptySnapshot();
  reduce(snapshot, { type: 'allocated', name: 'web.marathon', allocation: { ip4: '11.0.0.1', ip6: null } });
  t.equal(snapshot.synced, false);
  reduce(snapshot, {
    type: 'resync',
    picture: { tasks: [], agents: [], frameworks: [], apps: [], masters: noMasters },
  });
  t.equal(snapshot.synced, true);
  t.equal(snapshot.allocations.get('web.marathon')?.ip4, '11.0.0.1');
});

t.test('lost contact is remembered and wipes nothing', async (t) => {
  const snapshot = emptySnapshot();
  reduce(snapshot, { type: 'contact', source: 'mesos', at: 5 });
  t.ok(isEmptyDelta(reduce(snapshot, { type: 'lost-contact', source: 'mesos', at: 9, reason: 'refused' })));
  t.strictSame(snapshot.sources.get('mesos'), { state: 'lost', seenAt: 5, reason: 'refused' });
});

function after(events: readonly ClusterEvent[]): WritableSnapshot {
  const snapshot = emptySnapshot();
  for (const event of events) reduce(snapshot, event);
  return snapshot;
}

function resyncTo(snapshot: Snapshot): ClusterEvent {
  const picture = {
    tasks: [...snapshot.tasks.values()],
    agents: [...snapshot.agents.values()],
    frameworks: [...snapshot.frameworks.values()],
    apps: [...snapshot.apps.values()],
    masters: snapshot.masters,
  };
  return { type: 'resync', picture: structuredClone(picture) };
}

function assertDifference(first: State, last: State, delta: Delta): void {
  if (delta.from !== first.version || delta.to !== last.version)
    throw new Error(`versions ${delta.from} to ${delta.to}`);
  for (const kind of kinds) {
    const told: ReadonlyMap<string, Change<unknown>> = delta[kind];
    for (const key of new Set([...first[kind].keys(), ...last[kind].keys(), ...told.keys()])) {
      const wanted = { before: first[kind].get(key), after: last[kind].get(key) };
      const change = told.get(key) ?? { before: wanted.before, after: wanted.before };
      const isTold = told.has(key);
      if (isTold === sameRecord(wanted.before, wanted.after))
        throw new Error(`${kind} ${key}: ${isTold ? 'told' : 'not told'}`);
      if (isTold && !sameRecord(change, wanted)) throw new Error(`${kind} ${key}: told wrongly`);
    }
  }
  const mastersMoved = !sameRecord(first.masters, last.masters);
  if (mastersMoved !== (delta.masters !== null)) throw new Error('masters told wrongly');
}
