// State of a merge: the sources' tables, and the merged ones that follow from them, brought up to date by what was touched.

import {
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
import { noMasters } from '../cluster/index.ts';
import { inferApp, inferredKey } from './infer-apps.ts';
import { coverageOf, firstOf, joinApp, joinMasters, joinTask, otherKeyOf, type Coverage } from './join.ts';
import { foldInto, SourceTables, untouched } from './merge-tables.ts';
import { recordsPerStep, type Steps } from './slices.ts';

export class MergeState {
  readonly #sources: readonly SourceTables[];
  readonly #mayInfer: boolean;
  readonly #infersAll: boolean;
  readonly #tasks = new Map<TaskKey, Task>();
  readonly #agents = new Map<AgentId, Agent>();
  readonly #frameworks = new Map<FrameworkId, Framework>();
  readonly #apps = new Map<AppKey, App>();
  readonly #tasksOfInferred = new Map<AppKey, Set<TaskKey>>();
  #masters: Masters = noMasters;
  #coverage: Coverage = coverageOf([]);
  #touched = untouched();
  #infers = false;
  #events: ClusterEvent[] = [];

  constructor(sources: number, infer: boolean | 'all') {
    this.#sources = Array.from({ length: sources }, () => new SourceTables());
    this.#mayInfer = infer !== false;
    this.#infersAll = infer === 'all';
  }

  isSynced(source: number): boolean {
    return this.#sources[source]?.synced === true;
  }

  /** Folds what a source says; nothing is told until `settle`. To be done before anything else is. */
  *fold(source: number, events: readonly ClusterEvent[]): Steps {
    const tables = this.#sources[source];
    if (tables === undefined) throw new RangeError(`no source ${source}`);
    for (const event of events) yield* foldInto(tables, event, this.#touched);
  }

  /** Brings the merged tables up to date; `take` tells what changed. To be done before anything else is. */
  *settle(): Steps {
    const touched = this.#touched;
    this.#touched = untouched();
    for (const id of touched.agents)
      this.#put(
        'agent',
        this.#agents,
        id,
        firstOf(this.#sources, (one) => one.agents, id),
      );
    const { tasks } = touched;
    const former = this.#coverage;
    if (touched.awaited.size > 0) yield* this.#touchTasksOn(touched.awaited, tasks);
    if (touched.frameworks.size > 0) this.#settleFrameworks(touched.frameworks, tasks, touched.apps);
    if (touched.apps.size > 0 || touched.frameworks.size > 0) this.#settleInference(tasks);
    for (const key of touched.apps) this.#settleApp(key);
    yield* this.#settleTasks(tasks, former);
    if (touched.masters) this.#settleMasters();
  }

  /** What changed since the last call. */
  take(): readonly ClusterEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** All there is: nothing of it is told by `take`. */
  picture(): Picture {
    this.#events = [];
    return {
      tasks: [...this.#tasks.values()],
      agents: [...this.#agents.values()],
      frameworks: [...this.#frameworks.values()],
      apps: [...this.#apps.values()],
      masters: this.#masters,
    };
  }

  /** A framework that comes, goes or changes its name decides who speaks for the tasks of Marathons. */
  #settleFrameworks(ids: ReadonlySet<FrameworkId>, tasks: Set<TaskKey>, apps: Set<AppKey>): void {
    const former = this.#coverage;
    this.#coverage = coverageOf(this.#sources);
    for (const id of ids) this.#put('framework', this.#frameworks, id, this.#coverage.byId.get(id));
    const moved = [...ids].some((id) => this.#coverage.byId.get(id)?.name !== former.byId.get(id)?.name);
    const renamed = [...ids].some((id) => {
      const name = this.#coverage.byId.get(id)?.name ?? former.byId.get(id)?.name ?? '';
      return this.#coverage.byName.get(name)?.id !== former.byName.get(name)?.id;
    });
    if (!moved && !renamed) return;
    for (const source of this.#sources) {
      for (const task of source.tasks.values()) {
        if (task.appKey !== null) tasks.add(task.key);
      }
      for (const app of source.apps.values()) if (app.frameworkId === null) apps.add(app.key);
    }
  }

  /** Where Mesos begins to speak for an agent, or has to begin anew, the word of a Marathon counts less, or more. */
  *#touchTasksOn(agents: ReadonlySet<AgentId>, tasks: Set<TaskKey>): Steps {
    let seen = 0;
    for (const source of this.#sources) {
      for (const task of source.tasks.values()) {
        if (task.appKey !== null && agents.has(task.agentId)) tasks.add(task.key);
        if (++seen % recordsPerStep === 0) yield;
      }
    }
  }

  /** The first real app ends all inference, the last one that goes begins it again. */
  #settleInference(tasks: Set<TaskKey>): void {
    const infers = this.#mayInfer && this.#sources.every((source) => source.apps.size === 0);
    if (infers === this.#infers) return;
    this.#infers = infers;
    for (const key of this.#tasks.keys()) tasks.add(key);
  }

  #settleApp(key: AppKey): void {
    const real = joinApp(key, this.#sources, this.#coverage);
    const made = real === undefined && this.#infers ? this.#inferred(key) : undefined;
    this.#put('app', this.#apps, key, real ?? made);
  }

  #inferred(key: AppKey): App | undefined {
    const tasks = [...(this.#tasksOfInferred.get(key) ?? [])]
      .map((task) => this.#tasks.get(task))
      .filter((task) => task !== undefined);
    return inferApp(key, tasks);
  }

  *#settleTasks(touched: ReadonlySet<TaskKey>, former: Coverage): Steps {
    const coverages = former === this.#coverage ? [former] : [former, this.#coverage];
    const others = new Set<TaskKey>();
    let seen = 0;
    for (const key of touched) {
      for (const coverage of coverages) {
        const other = otherKeyOf(key, coverage);
        if (other !== null) others.add(other);
      }
      if (++seen % recordsPerStep === 0) yield;
    }
    const apps = new Set<AppKey>();
    for (const key of others.size === 0 ? touched : touched.union(others)) {
      if (++seen % recordsPerStep === 0) yield;
      const joined = joinTask(key, this.#sources, this.#coverage);
      const task = joined === undefined ? undefined : this.#withInferredApp(joined);
      for (const app of this.#indexInferred(key, this.#tasks.get(key), task)) apps.add(app);
      this.#put('task', this.#tasks, key, task);
    }
    for (const app of apps) {
      this.#settleApp(app);
      if (++seen % recordsPerStep === 0) yield;
    }
  }

  #withInferredApp(task: Task): Task {
    const key = this.#infers && task.appKey === null ? inferredKey(task, this.#infersAll) : null;
    return key === null ? task : Object.freeze({ ...task, appKey: key });
  }

  /** Keeps the index of the tasks of inferred apps; returns the apps to be looked at again. */
  #indexInferred(key: TaskKey, before: Task | undefined, after: Task | undefined): AppKey[] {
    const former = before?.appKey ?? null;
    const current = this.#infers ? (after?.appKey ?? null) : null;
    const apps: AppKey[] = [];
    if (former !== null && this.#tasksOfInferred.get(former)?.delete(key) === true) {
      if (this.#tasksOfInferred.get(former)?.size === 0) this.#tasksOfInferred.delete(former);
      apps.push(former);
    }
    if (current === null) return apps;
    const tasks = this.#tasksOfInferred.get(current);
    if (tasks === undefined) this.#tasksOfInferred.set(current, new Set([key]));
    else tasks.add(key);
    return [...apps, current];
  }

  #settleMasters(): void {
    const masters = joinMasters(this.#sources);
    if (sameRecord(masters, this.#masters)) return;
    this.#masters = masters;
    this.#events.push({ type: 'masters', masters });
  }

  #put(type: 'task', records: Map<TaskKey, Task>, key: TaskKey, record: Task | undefined): void;
  #put(type: 'agent', records: Map<AgentId, Agent>, key: AgentId, record: Agent | undefined): void;
  #put(type: 'framework', records: Map<FrameworkId, Framework>, key: FrameworkId, record: Framework | undefined): void;
  #put(type: 'app', records: Map<AppKey, App>, key: AppKey, record: App | undefined): void;
  #put(type: string, records: Map<string, unknown>, key: string, record: unknown): void {
    const before = records.get(key);
    if (sameRecord(before, record)) return;
    if (record === undefined) records.delete(key);
    else records.set(key, record);
    this.#events.push(eventOf(type, key, record ?? null));
  }
}

function eventOf(type: string, key: string, record: unknown): ClusterEvent {
  if (type === 'task') return { type, key: key as TaskKey, task: record as Task | null };
  const named = type === 'app' ? { type, key } : { type, id: key };
  return { ...named, [type]: record } as ClusterEvent;
}
