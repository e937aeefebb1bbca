// The made-up big cluster: what it writes without making it is what it would make, byte by byte, and its length is known beforehand.

import t from 'tap';
import { createBigCluster } from '../../src/fakes/index.ts';
import type { Task, WrittenList } from '../../src/fakes/index.ts';
import { subscribedBytes, subscribedParts } from '../../src/fakes/snapshot-json.ts';

const styles = [{ sortedKeys: false }, { sortedKeys: true }] as const;

for (const paddingBytes of [0, 500]) {
  t.test(`tasks with ${String(paddingBytes)} octets of padding are written as they would be made`, (t) => {
    const cluster = createBigCluster({ agents: 7, tasks: 60, paddingBytes });
    const before = cluster.view();
    const beforeTexts = [...(before.tasks as WrittenList<Task>).texts()];
    cluster.flip(25);
    cluster.replaceTasks(40);
    cluster.flip(3);
    for (const view of [before, cluster.view()]) {
      for (const key of ['tasks', 'agents'] as const) {
        const list = view[key] as WrittenList<unknown>;
        const texts = [...list.texts()];
        t.same(
          texts,
          [...list].map((item) => JSON.stringify(item)),
          key,
        );
        t.equal(list.bytes, Buffer.byteLength(texts.join(',')), `${key}: octets`);
      }
    }
    t.same([...(before.tasks as WrittenList<Task>).texts()], beforeTexts, 'a view stays as it was');
    t.end();
  });
}

t.test('the length of the whole is known before its first byte, where keys are not sorted', (t) => {
  const view = createBigCluster({ agents: 3, tasks: 30 }).view();
  const [plain, sorted] = styles.map((style) => [...subscribedParts(view, style, 15)].join(''));
  t.equal(subscribedBytes(view, styles[0], 15), Buffer.byteLength(plain ?? ''));
  t.equal(subscribedBytes(view, styles[1], 15), undefined);
  const tasksOf = (text = '') =>
    (JSON.parse(text) as { subscribed: { get_state: { get_tasks: { tasks: unknown } } } }).subscribed.get_state
      .get_tasks.tasks;
  t.same(tasksOf(plain), tasksOf(sorted), 'both say the same');
  t.end();
});
