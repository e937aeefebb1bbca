// What people should know of the zone's names: labels that were cut, and names on which different apps or tasks meet.

import type { Diagnostic, Task, TaskKey } from '../../src/cluster/index.ts';
import { wideHash } from './name-book.ts';
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

/** Most names have one task: a set for each would weigh more than the names. */
type Keys = TaskKey | ReadonlySet<TaskKey>;

/** Tasks of one name, by who they are; more than one identity is a collision. */
type Owners = readonly { readonly identity: string; readonly keys: Keys }[];

const noOwners: Owners = [];

function withKey(keys: Keys | undefined, key: TaskKey): Keys {
  if (keys === undefined || keys === key) return key;
  return typeof keys === 'string' ? new Set([keys, key]) : (keys as Set<TaskKey>).add(key);
}

function withoutKey(keys: Keys | undefined, key: TaskKey): Keys | undefined {
  if (keys === undefined || typeof keys === 'string') return keys === key ? undefined : keys;
  (keys as Set<TaskKey>).delete(key);
  return keys.size === 0 ? undefined : keys;
}

const listOf = (keys: Keys | undefined): readonly TaskKey[] =>
  keys === undefined ? [] : typeof keys === 'string' ? [keys] : [...keys];

const isSeveral = (keys: Keys | undefined): boolean => typeof keys === 'object' && keys.size > 1;

export function createFindings(): Findings {
  const shared = new Map<string, Owners>();
  /** By `wideHash` of the name: there is one for each task and form. */
  const own = new Map<number, Keys>();
  const crowded = new Set<string>();
  const problems = new Map<TaskKey, Diagnostic>();
  return {
    add(task, records) {
      for (const name of records.sharedNames) addOwner(shared, crowded, name, records.identity, task.key);
      for (const name of records.ownNames) {
        const hash = wideHash(name);
        const keys = withKey(own.get(hash), task.key);
        own.set(hash, keys);
        if (isSeveral(keys)) crowded.add(name);
      }
      if (records.problems.length > 0) problems.set(task.key, problemOf(task, records.problems));
    },
    remove(task, records) {
      for (const name of records.sharedNames) removeOwner(shared, crowded, name, records.identity, task.key);
      for (const name of records.ownNames) {
        const hash = wideHash(name);
        const keys = withoutKey(own.get(hash), task.key);
        if (keys === undefined) own.delete(hash);
        else own.set(hash, keys);
        if (!isSeveral(keys)) crowded.delete(name);
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
      const collisions = [...crowded].flatMap((name) => collisionOf(name, shared.get(name), own.get(wideHash(name))));
      const all = [...problems.values(), ...collisions];
      return all.sort((a, b) => (`${a.value} ${a.task}` < `${b.value} ${b.task}` ? -1 : 1));
    },
  };
}

function addOwner(
  shared: Map<string, Owners>,
  crowded: Set<string>,
  name: string,
  identity: string,
  key: TaskKey,
): void {
  const owners = shared.get(name) ?? noOwners;
  const held = owners.find((owner) => owner.identity === identity);
  const keys = withKey(held?.keys, key);
  if (held?.keys === keys) return;
  const changed = [...owners.filter((owner) => owner !== held), { identity, keys }];
  shared.set(name, changed);
  if (changed.length > 1) crowded.add(name);
}

function removeOwner(
  shared: Map<string, Owners>,
  crowded: Set<string>,
  name: string,
  identity: string,
  key: TaskKey,
): void {
  const owners = shared.get(name) ?? [];
  const held = owners.find((owner) => owner.identity === identity);
  if (held === undefined) return;
  const keys = withoutKey(held.keys, key);
  const others = owners.filter((owner) => owner !== held);
  const changed = keys === undefined ? others : [...others, { identity, keys }];
  if (changed.length === 0) shared.delete(name);
  else shared.set(name, changed);
  if (changed.length <= 1) crowded.delete(name);
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

function collisionOf(name: string, owners: Owners | undefined, tasks: Keys | undefined): Diagnostic[] {
  const named =
    owners === undefined || owners.length < 2
      ? [...listOf(tasks)]
      : owners.flatMap(({ keys }) => [...listOf(keys)].sort().slice(0, 1));
  const sorted = named.sort();
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
