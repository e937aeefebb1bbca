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
  replaceAll(snapshot.frameworks, delta.frameworks, new Map(picture.frameworks.map((record) => [record.id, record])));
  replaceAll(snapshot.agents, delta.agents, new Map(picture.agents.map((record) => [record.id, record])));
  replaceAll(snapshot.apps, delta.apps, new Map(picture.apps.map((record) => [record.key, record])));
  const tasks = new Map(picture.tasks.map((record) => [record.key, record]));
  for (const key of snapshot.tasks.keys()) if (!tasks.has(key)) foldTask(snapshot, delta, key, null);
  for (const [key, task] of tasks) foldTask(snapshot, delta, key, task);
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

function replaceAll<K, R>(records: Map<K, R>, changes: Map<K, Change<R>>, wanted: ReadonlyMap<K, R>): void {
  for (const key of records.keys()) if (!wanted.has(key)) put(records, changes, key, null);
  for (const [key, record] of wanted) put(records, changes, key, record);
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
