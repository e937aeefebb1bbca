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
  for (const key of absentOf(snapshot.tasks, picture.tasks, keyOf)) foldTask(snapshot, delta, key, null);
  for (const task of picture.tasks) foldTask(snapshot, delta, task.key, task);
  foldMasters(snapshot, delta, picture.masters);
  snapshot.synced = true;
}

function foldTask(snapshot: WritableSnapshot, delta: OpenDelta, key: TaskKey, task: Task | null): void {
  const before = snapshot.tasks.get(key);
  putOver(before, snapshot.tasks, delta.tasks, key, task);
  const former = before?.appKey ?? null;
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
  wanted: readonly R[],
  keyOfRecord: (record: R) => K,
): void {
  for (const key of absentOf(records, wanted, keyOfRecord)) put(records, changes, key, null);
  for (const record of wanted) put(records, changes, keyOfRecord(record), record);
}

/** Keys of `records` that none of `wanted` has. */
function absentOf<K, R>(records: ReadonlyMap<K, R>, wanted: readonly R[], keyOfRecord: (record: R) => K): readonly K[] {
  if (records.size === 0) return [];
  const keys = new Set(wanted.map(keyOfRecord));
  return [...records.keys()].filter((key) => !keys.has(key));
}

function put<K, R>(records: Map<K, R>, changes: Map<K, Change<R>>, key: K, record: R | null): void {
  putOver(records.get(key), records, changes, key, record);
}

/** `before`: what `records` has. */
function putOver<K, R>(
  before: R | undefined,
  records: Map<K, R>,
  changes: Map<K, Change<R>>,
  key: K,
  record: R | null,
): void {
  if (record === null) {
    if (before === undefined) return;
    records.delete(key);
    changes.set(key, { before, after: undefined });
    return;
  }
  if (sameRecord(before, record)) return;
  records.set(key, record);
  // A picture that says a record twice means its last word, and it was changed from what was there before the picture.
  const earlier = before === undefined ? undefined : changes.get(key);
  if (earlier === undefined) changes.set(key, { before, after: record });
  else if (sameRecord(earlier.before, record)) changes.delete(key);
  else changes.set(key, { before: earlier.before, after: record });
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
