// What the watch of the cluster keeps over a restart: how old it may be, and that an unchanged one does not grow old.

import t from 'tap';
import { emptySnapshot, noMasters, reduce, type ClusterEvent } from '../../src/cluster/index.ts';
import { watchCluster, type ClusterWatch } from '../../src/daemon/watch.ts';
import { silentLogger } from '../../src/runtime/index.ts';
import { createMemoryStore, loadSnapshot, saveSnapshot } from '../../src/store/index.ts';
import type { Store } from '../../src/ports/index.ts';
import { sampleTask } from '../cluster/sample-task.ts';
import { VirtualTime } from '../simulation/virtual-time.ts';

const day = 86_400_000;
const picture = { tasks: [sampleTask('t1')], agents: [], frameworks: [], apps: [], masters: noMasters };

interface Watched {
  readonly watch: ClusterWatch;
  readonly snapshot: ReturnType<typeof emptySnapshot>;
  readonly warnings: string[];
}

function watched(time: VirtualTime, store: Store, said: readonly ClusterEvent[]): Watched {
  const snapshot = emptySnapshot();
  const warnings: string[] = [];
  const watch = watchCluster({
    open: () => ({
      name: 'mesos',
      async *watch(signal) {
        if (said.length > 0) yield said;
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      },
    }),
    store,
    clock: time.clock,
    log: { ...silentLogger, warn: (fields, text) => void warnings.push(`${text} ${JSON.stringify(fields)}`) },
    snapshot: () => snapshot,
    onEvents: (events) => events.forEach((event) => reduce(snapshot, event)),
  });
  return { watch, snapshot, warnings };
}

async function saved(time: VirtualTime): Promise<Store> {
  const store = createMemoryStore();
  const snapshot = emptySnapshot();
  reduce(snapshot, { type: 'resync', picture });
  await saveSnapshot(store, snapshot, time.clock.now());
  return store;
}

async function stop({ watch }: Watched, time: VirtualTime): Promise<void> {
  await Promise.all([watch.stop(), time.pass(2_000)]);
}

/** Zipping runs in threads beside the loop: no number of turns says that it is over. */
async function until(time: VirtualTime, state: () => boolean | Promise<boolean>): Promise<void> {
  for (const began = Date.now(); Date.now() - began < 20_000;) {
    if (await state()) return;
    await time.settle();
  }
  throw new Error('the state never came');
}

t.test('a saved snapshot of six days serves', async (t) => {
  const time = new VirtualTime();
  const store = await saved(time);
  await time.pass(6 * day);
  const one = watched(time, store, []);
  await until(time, () => one.snapshot.synced);
  t.equal(one.snapshot.tasks.size, 1);
  t.same(one.watch.problems(), []);
  await stop(one, time);
});

t.test('one of eight days does not, and says so until the cluster answers', async (t) => {
  const time = new VirtualTime();
  const store = await saved(time);
  await time.pass(8 * day);
  const one = watched(time, store, []);
  await until(time, () => one.watch.problems().length > 0);
  t.notOk(one.snapshot.synced, 'nothing is served');
  t.match(one.watch.problems(), [/^store: the saved snapshot is 8 days old, more than 7/]);
  t.match(one.warnings, [/too old.*"ageSeconds":691200/]);
  reduce(one.snapshot, { type: 'resync', picture });
  t.same(one.watch.problems(), [], 'the cluster answers');
  await stop(one, time);
});

t.test('a damaged one is told as well', async (t) => {
  const time = new VirtualTime();
  const store = createMemoryStore();
  await store.write('snapshot/last', Buffer.from('{"format":2}\nhalf'));
  const one = watched(time, store, []);
  await until(time, () => one.watch.problems().length > 0);
  t.match(one.watch.problems(), [/^store: .*checksum/]);
  await stop(one, time);
});

t.test('what does not change is confirmed each hour', async (t) => {
  const time = new VirtualTime();
  const store = createMemoryStore();
  const one = watched(time, store, [
    { type: 'resync', picture },
    { type: 'contact', source: 'mesos', at: time.clock.now() },
  ]);
  await until(time, () => one.snapshot.synced);
  await time.pass(1_000);
  const at = async (): Promise<number> => (await loadSnapshot(store))?.savedAt ?? 0;
  await until(time, async () => (await at()) > 0);
  const first = await at();
  await time.pass(2 * 3600_000);
  await until(time, async () => (await at()) > first);
  t.ok((await at()) - first >= 3600_000, `${(await at()) - first} ms later`);
  await stop(one, time);
});

t.test('what could not be saved is saved when the store is back', async (t) => {
  const time = new VirtualTime();
  const whole = createMemoryStore();
  let isGone = true;
  const store: Store = {
    ...whole,
    largeEveryMs: 300_000,
    write: (key, value) => (isGone ? Promise.reject(new Error('gone')) : whole.write(key, value)),
  };
  const one = watched(time, store, [
    { type: 'resync', picture },
    { type: 'contact', source: 'mesos', at: time.clock.now() },
  ]);
  await until(time, () => one.snapshot.synced);
  await time.pass(1_000);
  await until(time, () => one.warnings.some((line) => /cannot be saved/.test(line)));
  isGone = false;
  await time.pass(11_000);
  await until(time, async () => (await loadSnapshot(whole)) !== null);
  t.equal((await loadSnapshot(whole))?.picture.tasks.length, 1);
  await stop(one, time);
});
