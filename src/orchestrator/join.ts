// Joining: one record out of what several sources say of the same thing. Mesos is the authority for a task's life, agent, addresses and
// discovery ports; Marathon for its app, version, health results, readiness and the order of its host ports. Pure functions of the tables.

import {
  appKey,
  frameworkId,
  taskKey,
  type App,
  type AppKey,
  type Framework,
  type FrameworkId,
  type Masters,
  type Task,
  type TaskKey,
} from '../cluster/index.ts';
import { noMasters } from '../cluster/index.ts';
import { namedFramework } from './marathon/decode-task.ts';
import type { SourceTables } from './merge-tables.ts';

/** The first source that has the record speaks for it. */
export function firstOf<K, R>(
  sources: readonly SourceTables[],
  pick: (source: SourceTables) => ReadonlyMap<K, R>,
  key: K,
): R | undefined {
  for (const source of sources) {
    const record = pick(source).get(key);
    if (record !== undefined) return record;
  }
  return undefined;
}

/** Frameworks by id and by name, over all sources: which of them Mesos speaks for. */
export interface Coverage {
  readonly byId: ReadonlyMap<FrameworkId, Framework>;
  /** Of frameworks with one name the active one, then the one with the smallest id. */
  readonly byName: ReadonlyMap<string, Framework>;
}

export function coverageOf(sources: readonly SourceTables[]): Coverage {
  const byId = new Map<FrameworkId, Framework>();
  const byName = new Map<string, Framework>();
  for (const source of sources) {
    for (const framework of source.frameworks.values()) {
      if (byId.has(framework.id)) continue;
      byId.set(framework.id, framework);
      const rival = byName.get(framework.name);
      if (rival === undefined || isBetter(framework, rival)) byName.set(framework.name, framework);
    }
  }
  return { byId, byName };
}

const isBetter = (one: Framework, other: Framework): boolean =>
  one.active === other.active ? one.id < other.id : one.active;

/** The id under which a task is known to all: a Marathon that has only a name takes the id of the framework of that name. */
function canonicalKey(task: Task, coverage: Coverage): TaskKey {
  if (coverage.byId.has(task.frameworkId) || task.frameworkId !== namedFramework(task.framework)) return task.key;
  const framework = coverage.byName.get(task.framework);
  return framework === undefined ? task.key : taskKey(framework.id, task.id);
}

/** The other key that a task written under `key` may be known by, whether it is still there or not; null: there is none. */
export function otherKeyOf(key: TaskKey, coverage: Coverage): TaskKey | null {
  const slash = key.lastIndexOf('/');
  const framework = coverage.byName.get(key.slice(0, slash));
  return framework === undefined ? null : (`${framework.id}${key.slice(slash)}` as TaskKey);
}

/** For what is known under `key`: the key that a Marathon without framework id would write. */
function namedKey(key: TaskKey, coverage: Coverage): TaskKey | null {
  const slash = key.lastIndexOf('/');
  const framework = coverage.byId.get(frameworkId(key.slice(0, slash)));
  if (framework === undefined || coverage.byName.get(framework.name)?.id !== framework.id) return null;
  return `${namedFramework(framework.name)}${key.slice(slash)}` as TaskKey;
}

/** The task of that canonical key, or undefined where nobody who may say so knows it. */
export function joinTask(key: TaskKey, sources: readonly SourceTables[], coverage: Coverage): Task | undefined {
  const only = sources.length === 1 ? sources[0]?.tasks.get(key) : undefined;
  if (only?.appKey === null) return withAppOfId(only, sources);
  const alias = namedKey(key, coverage);
  let fromMesos: Task | undefined;
  let fromMarathon: Task | undefined;
  for (const source of sources) {
    const task = source.tasks.get(key);
    const aliased = alias === null ? undefined : source.tasks.get(alias);
    if (task?.appKey === null) fromMesos ??= task;
    else if (task !== undefined) fromMarathon ??= task;
    else if (aliased !== undefined && aliased.appKey !== null) fromMarathon ??= aliased;
  }
  if (fromMarathon === undefined) return fromMesos === undefined ? undefined : withAppOfId(fromMesos, sources);
  if (fromMesos !== undefined) return withApp(fromMesos, fromMarathon);
  if (canonicalKey(fromMarathon, coverage) !== key) return undefined;
  if (!isCovered(key, coverage)) return fromMarathon;
  return isAwaited(fromMarathon, key, sources) ? withKey(fromMarathon, key) : undefined;
}

const withKey = (task: Task, key: TaskKey): Task =>
  task.key === key
    ? task
    : Object.freeze({ ...task, key, frameworkId: frameworkId(key.slice(0, key.lastIndexOf('/'))) });

/** Mesos speaks for the framework: a task that it does not know is not there (any more, or yet). */
const isCovered = (key: TaskKey, coverage: Coverage): boolean =>
  coverage.byId.has(frameworkId(key.slice(0, key.lastIndexOf('/'))));

/** A master that has just taken over knows frameworks before their tasks: until the agent is back, Marathon's word counts. */
const isAwaited = (task: Task, key: TaskKey, sources: readonly SourceTables[]): boolean =>
  sources.some(({ awaited, ended }) => awaited.has(task.agentId) && !ended.has(key));

function withApp(task: Task, known: Task): Task {
  const { appKey, appVersion, appHealth, ready } = known;
  const hostPorts = known.hostPorts.length > 0 ? known.hostPorts : task.hostPorts;
  const graceMs = task.graceMs ?? known.graceMs;
  const anyAlive = known.anyAlive === true ? { anyAlive: true } : {};
  return Object.freeze({ ...task, appKey, appVersion, appHealth, ...anyAlive, ready, hostPorts, graceMs });
}

/** `groupware_nginx.instance-9030bea3-…` and `groupware_nginx.9030bea3-…`: the app's id with `_` for `/`, which no id holds itself. */
const appTaskId =
  /^([a-z0-9._-]+)\.(?:instance-|marathon-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:\.|$)/;

/**
 * A task that Mesos tells of before its Marathon was read again: its id names the app. In a rolling deployment the old tasks leave at
 * once by Mesos's word, so the new ones must not wait for Marathon's.
 */
function withAppOfId(task: Task, sources: readonly SourceTables[]): Task {
  if (sources.every((source) => source.apps.size === 0)) return task;
  const safeId = task.executorId === null ? appTaskId.exec(task.id)?.[1] : undefined;
  if (safeId === undefined) return task;
  const app = firstOf(sources, (source) => source.apps, appKey(task.framework, `/${safeId.replaceAll('_', '/')}`));
  if (app === undefined) return task;
  const ready = app.hasReadinessChecks && app.deploying ? false : null;
  return Object.freeze({ ...task, appKey: app.key, ready });
}

/** The app, with the id of its framework where only the name was known. */
export function joinApp(key: AppKey, sources: readonly SourceTables[], coverage: Coverage): App | undefined {
  const app = firstOf(sources, (source) => source.apps, key);
  if (app === undefined || app.frameworkId !== null) return app;
  const framework = coverage.byName.get(app.marathon);
  return framework === undefined ? app : Object.freeze({ ...app, frameworkId: framework.id });
}

/** Of the first source that knows any. */
export const joinMasters = (sources: readonly SourceTables[]): Masters =>
  sources.find((source) => source.masters.all.length > 0)?.masters ?? noMasters;
