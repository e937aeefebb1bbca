// Tables of a merge: what each source says, and the one record that follows from all of them. Which records have to be looked at again
// is collected as the sources speak; looking at them again is a pure function of the tables.

import {
  noMasters,
  sameRecord,
  type Agent,
  type AgentId,
  type App,
  type AppKey,
  type ClusterEvent,
  type Framework,
  type FrameworkId,
  type Masters,
  type Picture,
  type Task,
  type TaskKey,
} from '../cluster/index.ts';
import { recordsPerStep, type Steps } from './slices.ts';

/** What one source says, as it says it. */
export class SourceTables {
  readonly tasks = new Map<TaskKey, Task>();
  readonly agents = new Map<AgentId, Agent>();
  readonly frameworks = new Map<FrameworkId, Framework>();
  readonly apps = new Map<AppKey, App>();
  masters: Masters = noMasters;
  /** Agents of which a Mesos knows by its registry alone: of their tasks it says nothing yet. */
  awaited: ReadonlySet<AgentId> = new Set();
  /** Tasks that it ended while it awaited agents: of those it has said all. */
  readonly ended = new Set<TaskKey>();
  /** Whether a first picture has come. */
  synced = false;
}

/** Keys, as the sources write them, of what changed since the last look. */
export interface Touched {
  readonly tasks: Set<TaskKey>;
  readonly agents: Set<AgentId>;
  readonly frameworks: Set<FrameworkId>;
  readonly apps: Set<AppKey>;
  /** Agents that a Mesos awaits, or awaits no more. */
  readonly awaited: Set<AgentId>;
  masters: boolean;
}

export const untouched = (): Touched => ({
  tasks: new Set(),
  agents: new Set(),
  frameworks: new Set(),
  apps: new Set(),
  awaited: new Set(),
  masters: false,
});

/** Folds one data event of a source into its tables, and notes what it touched. Contact and loss are none of its business. */
export function* foldInto(source: SourceTables, event: ClusterEvent, touched: Touched): Steps {
  switch (event.type) {
    case 'resync':
      yield* foldPicture(source, event.picture, touched);
      break;
    case 'task':
      if (event.task === null && source.awaited.size > 0 && source.tasks.has(event.key)) source.ended.add(event.key);
      put(source.tasks, event.key, event.task, touched.tasks);
      break;
    case 'agent':
      put(source.agents, event.id, event.agent, touched.agents);
      break;
    case 'framework':
      put(source.frameworks, event.id, event.framework, touched.frameworks);
      break;
    case 'app':
      put(source.apps, event.key, event.app, touched.apps);
      break;
    case 'masters':
      source.masters = event.masters;
      touched.masters = true;
      break;
    case 'awaited':
      for (const id of source.awaited.symmetricDifference(event.agents)) touched.awaited.add(id);
      source.awaited = event.agents;
      if (event.agents.size === 0) source.ended.clear();
      break;
    default:
      break;
  }
}

function* foldPicture(source: SourceTables, picture: Picture, touched: Touched): Steps {
  yield* replace(source.tasks, picture.tasks, keyOf, touched.tasks);
  yield* replace(source.agents, picture.agents, idOf, touched.agents);
  yield* replace(source.frameworks, picture.frameworks, idOf, touched.frameworks);
  yield* replace(source.apps, picture.apps, keyOf, touched.apps);
  source.masters = picture.masters;
  touched.masters = true;
  source.synced = true;
}

const keyOf = <K>(record: { readonly key: K }): K => record.key;
const idOf = <K>(record: { readonly id: K }): K => record.id;

function put<K, R>(records: Map<K, R>, key: K, record: R | null, touched: Set<K>): void {
  if (record === null ? !records.delete(key) : sameRecord(records.get(key), record)) return;
  if (record !== null) records.set(key, record);
  touched.add(key);
}

function* replace<K, R>(
  records: Map<K, R>,
  wanted: readonly R[],
  keyOfRecord: (record: R) => K,
  touched: Set<K>,
): Steps {
  let seen = 0;
  if (records.size > 0) {
    const keys = new Set<K>();
    for (const record of wanted) {
      keys.add(keyOfRecord(record));
      if (++seen % recordsPerStep === 0) yield;
    }
    for (const key of records.keys()) {
      if (!keys.has(key)) put(records, key, null, touched);
      if (++seen % recordsPerStep === 0) yield;
    }
  }
  for (const record of wanted) {
    put(records, keyOfRecord(record), record, touched);
    if (++seen % recordsPerStep === 0) yield;
  }
}
