// Saves one behind the other: whatever happened between them, what comes back is what the last one was given; and it costs by the change.

import { deepStrictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { emptySnapshot, noMasters, pictureOf, reduce, type Picture, type Task } from '../../src/cluster/index.ts';
import type { Store } from '../../src/ports/index.ts';
import { createMemoryStore, createSnapshotSaver, loadSnapshot } from '../../src/store/index.ts';
import { arbitraryHistory } from '../cluster/arbitrary-events.ts';
import { sampleTask } from '../cluster/sample-task.ts';

const byKey = (picture: Picture | undefined): unknown => ({
  tasks: new Map(picture?.tasks.map((task) => [task.key, task])),
  agents: new Map(picture?.agents.map((agent) => [agent.id, agent])),
  frameworks: new Map(picture?.frameworks.map((framework) => [framework.id, framework])),
  apps: new Map(picture?.apps.map((app) => [app.key, app])),
  masters: picture?.masters,
});

/** What JSON makes of it. */
const plain = (picture: Picture): Picture => JSON.parse(JSON.stringify(picture)) as Picture;

t.test('random events between saves', async (t) => {
  await fc.assert(
    fc.asyncProperty(arbitraryHistory, fc.array(fc.nat(4), { minLength: 1, maxLength: 8 }), async (events, gaps) => {
      const store = createMemoryStore();
      const saver = createSnapshotSaver(store);
      const snapshot = emptySnapshot();
      let at = 0;
      for (const gap of [...gaps, 30]) {
        for (const event of events.slice(at, at + gap)) reduce(snapshot, event);
        at += gap;
        await saver.save(snapshot, at);
        const saved = await loadSnapshot(store);
        deepStrictEqual(byKey(saved?.picture), byKey(plain(pictureOf(snapshot))));
        deepStrictEqual(saved?.savedAt, at);
      }
    }),
    { numRuns: 100, seed: 3 },
  );
  t.pass('all alike');
});

function snapshotOf(tasks: readonly Task[]): ReturnType<typeof emptySnapshot> {
  const snapshot = emptySnapshot();
  reduce(snapshot, { type: 'resync', picture: { tasks, agents: [], frameworks: [], apps: [], masters: noMasters } });
  return snapshot;
}

const names = Array.from({ length: 3000 }, (_, i) => `t${i}`);

t.test('a change is written behind the rest, until that is worn', async (t) => {
  let last = Buffer.alloc(0);
  const whole = createMemoryStore();
  const store: Store = {
    ...whole,
    async write(key, value) {
      last = Buffer.from(value);
      await whole.write(key, value);
    },
  };
  const membersOf = (): unknown[] =>
    (JSON.parse(last.subarray(0, last.indexOf(0x0a)).toString()) as { members: unknown[] }).members;
  const snapshot = snapshotOf(names.map((name) => sampleTask(name)));
  const saver = createSnapshotSaver(store);
  await saver.save(snapshot, 1);
  const first = membersOf();
  const changed = sampleTask('t7', { graceMs: 7 });
  reduce(snapshot, { type: 'task', key: changed.key, task: changed });
  reduce(snapshot, { type: 'task', key: sampleTask('t8').key, task: null });
  await saver.save(snapshot, 2);
  t.same(membersOf().slice(0, first.length), first, 'what was written stays as it was');
  t.equal(membersOf().length, first.length + 1);
  await saver.save(snapshot, 3);
  t.equal(membersOf().length, first.length + 1, 'nothing happened');
  const saved = await loadSnapshot(store);
  t.equal(saved?.savedAt, 3);
  t.equal(saved?.picture.tasks.length, 2999);
  t.equal(saved?.picture.tasks.find((task) => task.id === 't7')?.graceMs, 7);
  for (const turn of [1, 2]) {
    for (const name of names) {
      const task = sampleTask(name, { graceMs: turn });
      reduce(snapshot, { type: 'task', key: task.key, task });
    }
    await saver.save(snapshot, 3 + turn);
  }
  t.equal(membersOf().length, first.length, 'most had changed: all was written anew');
  t.equal(
    (await loadSnapshot(store))?.picture.tasks.every((task) => task.graceMs === 2),
    true,
  );
});

t.test('what a store refused is in the next save', async (t) => {
  const whole = createMemoryStore();
  let isGone = false;
  const saver = createSnapshotSaver({
    ...whole,
    write: (key, value) => (isGone ? Promise.reject(new Error('gone')) : whole.write(key, value)),
  });
  const snapshot = snapshotOf([sampleTask('t1'), sampleTask('t2'), sampleTask('t3')]);
  await saver.save(snapshot, 1);
  isGone = true;
  const task = sampleTask('t2', { graceMs: 5 });
  reduce(snapshot, { type: 'task', key: task.key, task });
  await t.rejects(saver.save(snapshot, 2), /gone/);
  isGone = false;
  await saver.save(snapshot, 3);
  t.same(
    (await loadSnapshot(whole))?.picture.tasks.map(({ graceMs }) => graceMs),
    [null, 5, null],
  );
});
