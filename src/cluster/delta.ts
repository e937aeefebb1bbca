// A delta: which records an event touched, with what they were and what they are. It costs as much as the change; changes that cancel
// out vanish. Shape (labels, ports, names) is told from liveness (came, went, got sick), because only shape recompiles a route or a zone.

import type { Agent } from './agent.ts';
import type { App } from './app.ts';
import type { Verdict } from './backend.ts';
import { sameRecord } from './equality.ts';
import type { Framework } from './framework.ts';
import type { AgentId, AppKey, BackendKey, FrameworkId, TaskKey } from './ids.ts';
import type { Masters } from './masters.ts';
import type { Task } from './task.ts';
import type { Allocation } from './vip.ts';

export interface Change<R> {
  readonly before: R | undefined;
  readonly after: R | undefined;
}

export type Changes<K, R> = ReadonlyMap<K, Change<R>>;

export interface Delta {
  /** Versions before and after. */
  readonly from: number;
  readonly to: number;
  readonly tasks: Changes<TaskKey, Task>;
  readonly apps: Changes<AppKey, App>;
  readonly agents: Changes<AgentId, Agent>;
  readonly frameworks: Changes<FrameworkId, Framework>;
  readonly masters: Change<Masters> | null;
  readonly verdicts: Changes<BackendKey, Verdict>;
  readonly allocations: Changes<string, Allocation>;
}

export function isEmptyDelta(delta: Delta): boolean {
  return (
    delta.masters === null &&
    delta.tasks.size +
      delta.apps.size +
      delta.agents.size +
      delta.frameworks.size +
      delta.verdicts.size +
      delta.allocations.size ===
      0
  );
}

/** Two deltas in a row as one; `second` must start where `first` ended. */
export function joinDeltas(first: Delta, second: Delta): Delta {
  const sum = new DeltaSum();
  sum.add(first);
  sum.add(second);
  return sum.take() ?? first;
}

type Writable<T> = T extends Changes<infer K, infer R> ? Map<K, Change<R>> : T;
type OpenChanges = { -readonly [K in keyof Delta]: Writable<Delta[K]> };

/** Deltas in a row as one, each added at the cost of its own size: joined pair by pair, those of a burst would cost their square. */
export class DeltaSum {
  /** The only one so far: its maps are its owner's. */
  #single: Delta | null = null;
  #open: OpenChanges | null = null;

  /** `delta` must start where the last one ended. */
  add(delta: Delta): void {
    if (this.#single === null && this.#open === null) {
      this.#single = delta;
      return;
    }
    const open = (this.#open ??= opened(this.#single as Delta));
    this.#single = null;
    open.to = delta.to;
    addChanges(open.tasks, delta.tasks);
    addChanges(open.apps, delta.apps);
    addChanges(open.agents, delta.agents);
    addChanges(open.frameworks, delta.frameworks);
    open.masters = joinChange(open.masters, delta.masters);
    addChanges(open.verdicts, delta.verdicts);
    addChanges(open.allocations, delta.allocations);
  }

  /** What was added since the last call; null: nothing. */
  take(): Delta | null {
    const delta = this.#open ?? this.#single;
    this.#open = null;
    this.#single = null;
    return delta;
  }
}

function opened(delta: Delta): OpenChanges {
  return {
    ...delta,
    tasks: new Map(delta.tasks),
    apps: new Map(delta.apps),
    agents: new Map(delta.agents),
    frameworks: new Map(delta.frameworks),
    verdicts: new Map(delta.verdicts),
    allocations: new Map(delta.allocations),
  };
}

function addChanges<K, R>(sum: Map<K, Change<R>>, changes: Changes<K, R>): void {
  for (const [key, change] of changes) {
    const earlier = sum.get(key);
    if (earlier === undefined) sum.set(key, change);
    else if (sameRecord(earlier.before, change.after)) sum.delete(key);
    else sum.set(key, { before: earlier.before, after: change.after });
  }
}

function joinChange<R>(first: Change<R> | null, second: Change<R> | null): Change<R> | null {
  if (first === null || second === null) return second ?? first;
  return sameRecord(first.before, second.after) ? null : { before: first.before, after: second.after };
}

/** Fields of a task that decide names, ports and labels; all others are liveness. */
const shapeFields = [
  'framework',
  'name',
  'discoveryName',
  'networkMode',
  'containerizer',
  'ports',
  'mappings',
  'labels',
  'executorId',
  'appKey',
] as const satisfies readonly (keyof Task)[];

/** Whether a task's change is one of shape; coming and going is liveness. */
export function isShapeChange(change: Change<Task>): boolean {
  const { before, after } = change;
  if (before === undefined || after === undefined) return false;
  return shapeFields.some((field) => !sameRecord(before[field], after[field]));
}
