// The one writer: nothing before a first picture, bursts as one publication, addresses of VIPs in the publication that asked for them,
// and a view that fails costs its neighbours nothing.

import t from 'tap';
import { noMasters, type ClusterEvent, type Snapshot } from '../../src/cluster/index.ts';
import { noAllocation } from '../../src/daemon/allocation.ts';
import type { TableName } from '../../src/daemon/message.ts';
import { createPipeline, type Allocation, type Pipeline } from '../../src/daemon/pipeline.ts';
import type { AnyChange, AnyRecord } from '../../src/daemon/tables.ts';
import type { View } from '../../src/ports/index.ts';
import { silentLogger, systemClock } from '../../src/runtime/index.ts';
import { sampleTask } from '../cluster/sample-task.ts';

interface TestView extends View<AnyRecord> {
  /** Throws after it has changed its table, as a bug half-way would. */
  failing: boolean;
}

/** A view whose rows are what `rowsOf` finds. */
function viewOf(name: TableName, rowsOf: (snapshot: Snapshot) => readonly string[]): TestView {
  const table = new Map<string, AnyRecord>();
  const build = (snapshot: Snapshot): AnyChange => {
    const wanted = new Set(rowsOf(snapshot));
    const removed = [...table.keys()].filter((key) => !wanted.has(key));
    const set = [...wanted].filter((key) => !table.has(key)).map((key) => [key, { key }] as const);
    for (const key of removed) table.delete(key);
    for (const [key, record] of set) table.set(key, record);
    if (view.failing) throw new Error('no');
    return { set, removed };
  };
  const view: TestView = {
    name,
    table,
    failing: false,
    rebuild: build,
    derive: (_delta, snapshot) => build(snapshot),
    diagnostics: () => [],
    print: () => '',
  };
  return view;
}

/** Keeps its sum, and tells after a failure what it had not told. */
function tellingView(view: TestView): TestView {
  const told = new Set<string>();
  const untold = (): AnyChange => {
    const set = [...view.table].filter(([key]) => !told.has(key));
    for (const [key] of set) told.add(key);
    return { set, removed: [] };
  };
  const { rebuild } = view;
  const step = (snapshot: Snapshot): AnyChange => {
    rebuild(snapshot);
    return untold();
  };
  return Object.assign(view, {
    rowSum: () => told.size,
    rebuild: step,
    derive: (_: unknown, now: Snapshot) => step(now),
  });
}

const tasksOf = (snapshot: Snapshot): readonly string[] => [...snapshot.tasks.values()].map((task) => task.id).sort();
const come = (id: string): ClusterEvent => {
  const task = sampleTask(id);
  return { type: 'task', key: task.key, task };
};
const resync: ClusterEvent = {
  type: 'resync',
  picture: { tasks: [sampleTask('a')], agents: [], frameworks: [], apps: [], masters: noMasters },
};

interface Scene {
  readonly pipeline: Pipeline;
  readonly published: { from: number | null; changes: Readonly<Partial<Record<TableName, AnyChange>>> }[];
  rows(name: TableName): readonly string[];
}

function sceneOf(views: readonly TestView[], allocation: Allocation = noAllocation): Scene {
  const published: Scene['published'] = [];
  const pipeline = createPipeline({
    views,
    allocation,
    clock: systemClock,
    log: silentLogger,
    onPublish: (from, changes) => void published.push({ from, changes }),
  });
  return { pipeline, published, rows: (name) => [...(pipeline.tables.get(name)?.records.keys() ?? [])].sort() };
}

/** Until the pipeline has published `count` times. */
async function publications(scene: Scene, count: number): Promise<void> {
  while (scene.published.length < count) await new Promise((resolve) => setImmediate(resolve));
}

t.test('nothing is published before a first picture, then all of it at once', async (t) => {
  const scene = sceneOf([viewOf('zone', tasksOf)]);
  scene.pipeline.fold([come('b'), { type: 'contact', source: 'mesos', at: 1 }]);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.equal(scene.published.length, 0);
  t.equal(scene.pipeline.version, -1);
  scene.pipeline.fold([resync]);
  await publications(scene, 1);
  t.equal(scene.published[0]?.from, null);
  t.same(scene.rows('zone'), ['a']);
});

t.test('what comes while the views are built in slices follows as a change', async (t) => {
  const zone = viewOf('zone', tasksOf);
  let steps = 0;
  zone.rebuildInSlices = function* (snapshot) {
    const version = snapshot.version;
    // Longer than any slice: the loop has its turn between two of them.
    for (; steps < 3; steps++) {
      const startedAt = performance.now();
      while (performance.now() - startedAt < 50);
      yield { set: [], removed: [] };
    }
    t.equal(snapshot.version, version);
    yield zone.rebuild(snapshot);
  };
  const scene = sceneOf([viewOf('owners', tasksOf), zone]);
  scene.pipeline.fold([resync]);
  while (steps === 0) await new Promise((resolve) => setImmediate(resolve));
  scene.pipeline.fold([come('b')]);
  scene.pipeline.fold([come('c')]);
  t.equal(scene.published.length, 0);
  t.equal(scene.pipeline.snapshot.tasks.size, 1);
  await publications(scene, 2);
  t.equal(scene.published[0]?.from, null);
  t.same(
    scene.published[1]?.changes.owners?.set.map(([key]) => key),
    ['b', 'c'],
  );
  t.same(scene.rows('zone'), ['a', 'b', 'c']);
});

t.test('a view that fails in a slice is built anew, and its neighbours are there', async (t) => {
  const zone = viewOf('zone', tasksOf);
  zone.rebuildInSlices = function* () {
    yield { set: [], removed: [] };
    throw new Error('no');
  };
  const scene = sceneOf([viewOf('owners', tasksOf), zone]);
  scene.pipeline.fold([resync]);
  await publications(scene, 1);
  t.same([scene.rows('owners'), scene.rows('zone')], [['a'], ['a']]);
});

t.test('what comes in one turn is one publication, from the version before', async (t) => {
  const scene = sceneOf([viewOf('zone', tasksOf)]);
  scene.pipeline.fold([resync]);
  await publications(scene, 1);
  const { version } = scene.pipeline;
  scene.pipeline.fold([come('b')]);
  scene.pipeline.fold([come('c')]);
  await publications(scene, 2);
  t.equal(scene.published[1]?.from, version);
  t.same(
    scene.published[1]?.changes.zone?.set.map(([key]) => key),
    ['b', 'c'],
  );
  t.equal(scene.pipeline.version, scene.pipeline.snapshot.version);
});

t.test('an address that a change asks for is in the same publication, for every view', async (t) => {
  const addresses = (snapshot: Snapshot): readonly string[] => [...snapshot.allocations.keys()];
  const vips = viewOf('vips', (snapshot) => [...tasksOf(snapshot), ...addresses(snapshot)]);
  const zone = viewOf('zone', addresses);
  const allocation: Allocation = {
    assign: () =>
      [...vips.table.keys()]
        .filter((key) => !key.startsWith('vip-') && !vips.table.has(`vip-${key}`))
        .map((key) => ({ type: 'allocated', name: `vip-${key}`, allocation: { ip4: '11.0.0.1', ip6: null } })),
    watch: () => undefined,
  };
  const scene = sceneOf([vips, zone], allocation);
  scene.pipeline.fold([resync]);
  await publications(scene, 1);
  t.same(scene.rows('vips'), ['a', 'vip-a']);
  t.same(scene.rows('zone'), ['vip-a']);
  scene.pipeline.fold([come('b')]);
  await publications(scene, 2);
  t.same(Object.keys(scene.published[1]?.changes ?? {}).sort(), ['vips', 'zone']);
  t.same(scene.rows('zone'), ['vip-a', 'vip-b']);
});

t.test('an address that another daemon took is replaced without waiting for a change of the cluster', async (t) => {
  let ip4 = '11.0.0.1';
  let told = '';
  let move: () => void = () => undefined;
  const allocation: Allocation = {
    assign() {
      if (told === ip4) return [];
      told = ip4;
      return [{ type: 'allocated', name: 'web.marathon', allocation: { ip4, ip6: null } }];
    },
    watch: (onMoved) => void (move = onMoved),
  };
  const vips = viewOf('vips', ({ allocations }) => [...allocations.values()].map((held) => held.ip4 ?? ''));
  const scene = sceneOf([vips], allocation);
  scene.pipeline.fold([resync]);
  await publications(scene, 1);
  t.same(scene.rows('vips'), ['11.0.0.1']);
  ip4 = '11.0.0.2';
  move();
  await publications(scene, 2);
  t.same(scene.rows('vips'), ['11.0.0.2']);
});

t.test('a view that throws keeps what it said, its neighbours go on, and it catches up when it can', async (t) => {
  const owners = viewOf('owners', tasksOf);
  const zone = viewOf('zone', tasksOf);
  const scene = sceneOf([owners, zone]);
  scene.pipeline.fold([resync]);
  await publications(scene, 1);
  zone.failing = true;
  scene.pipeline.fold([come('b')]);
  await publications(scene, 2);
  t.same(scene.rows('owners'), ['a', 'b']);
  t.same(scene.rows('zone'), ['a'], 'half a change is not told');
  zone.failing = false;
  scene.pipeline.fold([come('c')]);
  await publications(scene, 3);
  t.same(scene.rows('zone'), ['a', 'b', 'c'], 'nothing of the failed change is missing');
});

t.test('a view that fails, and whose records nobody else keeps, says so until it is built again', async (t) => {
  const zone = tellingView(viewOf('zone', tasksOf));
  const scene = sceneOf([zone]);
  scene.pipeline.fold([resync]);
  await publications(scene, 1);
  t.equal(scene.pipeline.tables.get('zone')?.isTorn, false);
  zone.failing = true;
  scene.pipeline.fold([come('b')]);
  await publications(scene, 2);
  t.equal(scene.pipeline.tables.get('zone')?.isTorn, true);
  zone.failing = false;
  scene.pipeline.fold([come('c')]);
  await publications(scene, 3);
  t.equal(scene.pipeline.tables.get('zone')?.isTorn, false);
  t.same(scene.published[2]?.changes.zone?.set.map(([key]) => key).sort(), ['b', 'c'], 'what was not told is');
});
