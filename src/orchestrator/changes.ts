// The difference between two pictures, as events.

import { sameRecord, type ClusterEvent, type Picture } from '../cluster/index.ts';

/** What leads from `before` to `after`: what went first, then agents and frameworks, apps, tasks. */
export function changesBetween(before: Picture, after: Picture): readonly ClusterEvent[] {
  const events: ClusterEvent[] = [];
  differ(before.tasks, after.tasks, keyOf, (key, task) => task === null && events.push({ type: 'task', key, task }));
  differ(before.apps, after.apps, keyOf, (key, app) => app === null && events.push({ type: 'app', key, app }));
  differ(before.frameworks, after.frameworks, idOf, (id, framework) =>
    events.push({ type: 'framework', id, framework }),
  );
  differ(before.agents, after.agents, idOf, (id, agent) => events.push({ type: 'agent', id, agent }));
  differ(before.apps, after.apps, keyOf, (key, app) => app !== null && events.push({ type: 'app', key, app }));
  differ(before.tasks, after.tasks, keyOf, (key, task) => task !== null && events.push({ type: 'task', key, task }));
  if (!sameRecord(before.masters, after.masters)) events.push({ type: 'masters', masters: after.masters });
  return events;
}

const keyOf = <K>(record: { readonly key: K }): K => record.key;
const idOf = <K>(record: { readonly id: K }): K => record.id;

function differ<K, R>(
  before: readonly R[],
  after: readonly R[],
  key: (record: R) => K,
  tell: (key: K, record: R | null) => void,
): void {
  const former = new Map(before.map((record) => [key(record), record]));
  for (const record of after) {
    const id = key(record);
    if (!sameRecord(former.get(id), record)) tell(id, record);
    former.delete(id);
  }
  for (const id of former.keys()) tell(id, null);
}
