// What people should know of the zone's names: labels that were cut, and names on which different apps or tasks meet.

import type { Diagnostic, Task, TaskKey } from '../../src/cluster/index.ts';
import type { TaskRecords } from './task-records.ts';

export interface Findings {
  add(task: Task, records: TaskRecords): void;
  remove(task: Task, records: TaskRecords): void;
  clear(): void;
  diagnostics(): readonly Diagnostic[];
  /** Names on which different tasks meet, and tasks whose names had to be cut. */
  counts(): FindingCounts;
}

export interface FindingCounts {
  readonly collisions: number;
  readonly shortened: number;
}

/** Tasks of one name, by who they are. */
type Owners = Map<string, Set<TaskKey>>;

export function createFindings(): Findings {
  const shared = new Map<string, Owners>();
  const own = new Map<string, Set<TaskKey>>();
  const crowded = new Set<string>();
  const problems = new Map<TaskKey, Diagnostic>();
  return {
    add(task, records) {
      for (const name of records.sharedNames) addOwner(shared, crowded, name, identityOf(task), task.key);
      for (const name of records.ownNames) {
        const tasks = own.get(name);
        if (tasks === undefined) own.set(name, new Set([task.key]));
        else if (tasks.add(task.key).size > 1) crowded.add(name);
      }
      if (records.problems.length > 0) problems.set(task.key, problemOf(task, records.problems));
    },
    remove(task, records) {
      for (const name of records.sharedNames) removeOwner(shared, crowded, name, identityOf(task), task.key);
      for (const name of records.ownNames) {
        const tasks = own.get(name);
        tasks?.delete(task.key);
        if (tasks?.size === 0) own.delete(name);
        if ((tasks?.size ?? 0) <= 1) crowded.delete(name);
      }
      problems.delete(task.key);
    },
    clear() {
      shared.clear();
      own.clear();
      crowded.clear();
      problems.clear();
    },
    counts: () => ({ collisions: crowded.size, shortened: problems.size }),
    diagnostics() {
      const collisions = [...crowded].flatMap((name) => collisionOf(name, shared.get(name), own.get(name)));
      const all = [...problems.values(), ...collisions];
      return all.sort((a, b) => (`${a.value} ${a.task}` < `${b.value} ${b.task}` ? -1 : 1));
    },
  };
}

/** Instances of one app, and containers of one pod, share their names on purpose. */
const identityOf = (task: Task): string =>
  `${task.frameworkId}/${task.discoveryName ?? ''}/${task.discoveryName === null ? task.name : ''}`;

function addOwner(
  shared: Map<string, Owners>,
  crowded: Set<string>,
  name: string,
  identity: string,
  key: TaskKey,
): void {
  let owners = shared.get(name);
  if (owners === undefined) shared.set(name, (owners = new Map<string, Set<TaskKey>>()));
  const tasks = owners.get(identity);
  if (tasks === undefined) owners.set(identity, new Set([key]));
  else tasks.add(key);
  if (owners.size > 1) crowded.add(name);
}

function removeOwner(
  shared: Map<string, Owners>,
  crowded: Set<string>,
  name: string,
  identity: string,
  key: TaskKey,
): void {
  const owners = shared.get(name);
  const tasks = owners?.get(identity);
  if (owners === undefined || tasks?.delete(key) !== true) return;
  if (tasks.size === 0) owners.delete(identity);
  if (owners.size <= 1) crowded.delete(name);
  if (owners.size === 0) shared.delete(name);
}

function problemOf(task: Task, reasons: readonly string[]): Diagnostic {
  return {
    app: task.appKey,
    task: task.key,
    key: 'name',
    value: task.discoveryName ?? task.name,
    reason: reasons.join('; '),
    hint: 'shorten the app id: a label holds 63 characters, with its hash and agent or the underscore of SRV',
    severity: 'warn',
  };
}

function collisionOf(name: string, owners: Owners | undefined, tasks: ReadonlySet<TaskKey> | undefined): Diagnostic[] {
  const keys =
    owners === undefined || owners.size < 2
      ? [...(tasks ?? [])]
      : [...owners.values()].flatMap((set) => [...set].sort().slice(0, 1));
  const sorted = keys.sort();
  if (sorted.length < 2) return [];
  return [
    {
      app: null,
      task: sorted[0] ?? null,
      key: 'name',
      value: name,
      reason: `different tasks share this name, so their answers mix: ${sorted.slice(0, 4).join(', ')}${sorted.length > 4 ? ' …' : ''}`,
      hint: 'rename one of the apps: ids that differ only in slashes, dots or hyphens can become one name',
      severity: 'warn',
    },
  ];
}
