// reduce: folds one event into the snapshot and names what it touched. The only writer of the snapshot.

import type { Agent } from './agent.ts';
import type { App } from './app.ts';
import type { Verdict } from './backend.ts';
import type { Change, Delta } from './delta.ts';
import { sameRecord } from './equality.ts';
import type { ClusterEvent, Picture } from './event.ts';
import type { Framework } from './framework.ts';
import type { AgentId, AppKey, BackendKey, FrameworkId, TaskKey } from './ids.ts';
import type { Masters } from './masters.ts';
import type { WritableSnapshot } from './snapshot.ts';
import type { Task } from './task.ts';
import type { Allocation } from './vip.ts';

interface OpenDelta {
  readonly from: number;
  readonly tasks: Map<TaskKey, Change<Task>>;
  readonly apps: Map<AppKey, Change<App>>;
  readonly agents: Map<AgentId, Change<Agent>>;
  readonly frameworks: Map<FrameworkId, Change<Framework>>;
  masters: Change<Masters> | null;
  readonly verdicts: Map<BackendKey, Change<Verdict>>;
  readonly allocations: Map<string, Change<Allocation>>;
}

/**
 * Folds `event` into `snapshot` and returns what it changed; an empty delta (and the same version) where it changed nothing. After a
 * `resync` the snapshot holds exactly the picture's records; verdicts and allocations are not the orchestrator's and stay.
 */
export function reduce(snapshot: WritableSnapshot, event: ClusterEvent): Delta {
  const delta: OpenDelta = {
    from: snapshot.version,
    tasks: new Map(),
    apps: new Map(),
    agents: new Map(),
    frameworks: new Map(),
    masters: null,
    verdicts: new Map(),
    allocations: new Map(),
  };
  fold(snapshot, delta, event);
  if (hasChanges(delta)) snapshot.version++;
  return { ...delta, to: snapshot.version };
}

function fold(snapshot: WritableSnapshot, delta: OpenDelta, event: ClusterEvent): void {
  switch (event.type) {
    case 'resync':
      foldPicture(snapshot, delta, event.picture);
      break;
    case 'task':
      foldTask(snapshot, delta, event.key, event.task);
      break;
    case 'agent':
      put(snapshot.agents, delta.agents, event.id, event.agent);
      break;
    case 'framework':
      put(snapshot.frameworks, delta.frameworks, event.id, event.framework);
      break;
    case 'app':
      put(snapshot.apps, delta.apps, event.key, event.app);
      break;
    case 'masters':
      foldMasters(snapshot, delta, event.masters);
      break;
    case 'awaited':
      break;
    case 'checked':
      put(snapshot.verdicts, delta.verdicts, event.backend, event.verdict);
      break;
    case 'allocated':
      put(snapshot.allocations, delta.allocations, event.name, event.allocation);
      break;
    case 'contact':
      snapshot.sources.set(event.source, { state: 'live', seenAt: event.at, reason: null });
      break;
    case 'lost-contact': {
      const seenAt = snapshot.sources.get(event.source)?.seenAt ?? 0;
      snapshot.sources.set(event.source, { state: 'lost', seenAt, reason: event.reason });
      break;
    }
  }
}

function foldPicture(snapshot: WritableSnapshot, delta: OpenDelta, picture: Picture): void {
  replaceAll(snapshot.frameworks, delta.frameworks, picture.frameworks, idOf);
  replaceAll(snapshot.agents, delta.agents, picture.agents, idOf);
  replaceAll(snapshot.apps, delta.apps, picture.apps, keyOf);
  const { absent, wanted } = compared(snapshot.tasks, picture.tasks, keyOf);
  for (const key of absent) foldTask(snapshot, delta, key, null);
  for (const task of wanted) foldTask(snapshot, delta, task.key, task);
  foldMasters(snapshot, delta, picture.masters);
  snapshot.synced = true;
}

function foldTask(snapshot: WritableSnapshot, delta: OpenDelta, key: TaskKey, task: Task | null): void {
  const former = snapshot.tasks.get(key)?.appKey ?? null;
  put(snapshot.tasks, delta.tasks, key, task);
  const current = task?.appKey ?? null;
  if (former === current) return;
  if (former !== null) unindex(snapshot.tasksOfApp, former, key);
  if (current !== null) index(snapshot.tasksOfApp, current, key);
}

function foldMasters(snapshot: WritableSnapshot, delta: OpenDelta, masters: Masters): void {
  if (sameRecord(snapshot.masters, masters)) return;
  delta.masters = { before: delta.masters?.before ?? snapshot.masters, after: masters };
  snapshot.masters = masters;
}

const keyOf = <K>(record: { readonly key: K }): K => record.key;
const idOf = <K>(record: { readonly id: K }): K => record.id;

function replaceAll<K, R>(
  records: Map<K, R>,
  changes: Map<K, Change<R>>,
  said: readonly R[],
  keyOfRecord: (record: R) => K,
): void {
  const { absent, wanted } = compared(records, said, keyOfRecord);
  for (const key of absent) put(records, changes, key, null);
  for (const record of wanted) put(records, changes, keyOfRecord(record), record);
}

/** Keys of `records` that are not said any more, and what is said, once a key: the last word counts. */
function compared<K, R>(
  records: ReadonlyMap<K, R>,
  said: readonly R[],
  keyOfRecord: (record: R) => K,
): { readonly absent: readonly K[]; readonly wanted: readonly R[] } {
  const keys = new Set(said.map(keyOfRecord));
  return {
    absent: [...records.keys()].filter((key) => !keys.has(key)),
    wanted:
      keys.size === said.length ? said : [...new Map(said.map((record) => [keyOfRecord(record), record])).values()],
  };
}

function put<K, R>(records: Map<K, R>, changes: Map<K, Change<R>>, key: K, record: R | null): void {
  const before = records.get(key);
  if (record === null) {
    if (before === undefined) return;
    records.delete(key);
    changes.set(key, { before, after: undefined });
  } else if (!sameRecord(before, record)) {
    records.set(key, record);
    changes.set(key, { before, after: record });
  }
}

function index(tasksOfApp: Map<AppKey, Set<TaskKey>>, app: AppKey, task: TaskKey): void {
  const tasks = tasksOfApp.get(app);
  if (tasks === undefined) tasksOfApp.set(app, new Set([task]));
  else tasks.add(task);
}

function unindex(tasksOfApp: Map<AppKey, Set<TaskKey>>, app: AppKey, task: TaskKey): void {
  const tasks = tasksOfApp.get(app);
  if (tasks?.delete(task) === true && tasks.size === 0) tasksOfApp.delete(app);
}

function hasChanges(delta: OpenDelta): boolean {
  const records = delta.tasks.size + delta.apps.size + delta.agents.size + delta.frameworks.size;
  return records + delta.verdicts.size + delta.allocations.size > 0 || delta.masters !== null;
}
