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
  return {
    from: first.from,
    to: second.to,
    tasks: joinChanges(first.tasks, second.tasks),
    apps: joinChanges(first.apps, second.apps),
    agents: joinChanges(first.agents, second.agents),
    frameworks: joinChanges(first.frameworks, second.frameworks),
    masters: joinChange(first.masters, second.masters),
    verdicts: joinChanges(first.verdicts, second.verdicts),
    allocations: joinChanges(first.allocations, second.allocations),
  };
}

function joinChanges<K, R>(first: Changes<K, R>, second: Changes<K, R>): Changes<K, R> {
  if (first.size === 0) return second;
  if (second.size === 0) return first;
  const joined = new Map(first);
  for (const [key, change] of second) {
    const earlier = joined.get(key);
    const before = earlier === undefined ? change.before : earlier.before;
    if (sameRecord(before, change.after)) joined.delete(key);
    else joined.set(key, { before, after: change.after });
  }
  return joined;
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
