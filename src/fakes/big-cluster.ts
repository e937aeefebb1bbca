// A made-up big cluster that is never held: tasks and agents are generated, the same each time, while they are written.
import type { BigShape, Changes } from './big-shapes.ts';
import { BIG_ID, START_MS, bigAgent, bigFramework, bigTask, factsOf } from './big-shapes.ts';
import { createTaskTexts } from './big-texts.ts';
import type { MasterSource, MasterView, SourceEvent, WrittenList } from './master-source.ts';
import type { MesosEvent, Task } from './mesos-shapes.ts';
import { withStatus } from './status-update.ts';

export interface BigClusterOptions {
  readonly agents: number;
  readonly tasks: number;
  readonly frameworks?: number;
  // Tasks of one app, so that names and VIPs repeat as they do in a real cluster.
  readonly tasksPerApp?: number;
  // Octets of a label that nobody reads, on each task, as packages bring it.
  readonly paddingBytes?: number;
}

export interface BigCluster extends MasterSource {
  // Health flips of the next `count` tasks in turn, as events.
  flip(count: number): void;
  // Kills the next `count` tasks in turn and starts others in their place: four events each.
  replaceTasks(count: number): void;
}

export function createBigCluster(options: BigClusterOptions): BigCluster {
  const shape: BigShape = { frameworks: 5, tasksPerApp: 10, paddingBytes: 0, ...options };
  const listeners = new Set<(event: SourceEvent) => void>();
  const generation = new Map<number, number>();
  const sick = new Set<number>();
  let cursor = 0;
  let clock = START_MS / 1000;
  const texts = createTaskTexts();
  const lengthAt = (slot: number): number => texts.lengthOf(factsOf(shape, slot, { generation, sick }));
  // Kept up to date by each change: who subscribes is told the length of the whole before its first byte.
  let taskBytes = Math.max(0, shape.tasks - 1);
  for (let slot = 0; slot < shape.tasks; slot++) taskBytes += lengthAt(slot);
  const changing = (slot: number, change: () => void): void => {
    taskBytes -= lengthAt(slot);
    change();
    taskBytes += lengthAt(slot);
  };
  const agents = written(shape.agents, bigAgent);
  const taskAt = (slot: number): Task => bigTask(factsOf(shape, slot, { generation, sick }));
  const emit = (event: MesosEvent): void => {
    for (const listener of [...listeners]) listener({ event });
  };
  const nextSlots = (count: number): readonly number[] => Array.from({ length: count }, () => cursor++ % shape.tasks);
  const updated = (task: Task): MesosEvent => {
    const status = task.statuses?.at(-1);
    if (status === undefined) throw new Error('A generated task has a status');
    clock += 0.001;
    const stamped = { ...status, timestamp: clock };
    return {
      type: 'TASK_UPDATED',
      task_updated: { framework_id: task.framework_id, status: stamped, state: task.state },
    };
  };
  // As they are now, whatever changes while they are written.
  const tasksNow = (): WrittenList<Task> => {
    const changes: Changes = { generation: new Map(generation), sick: new Set(sick) };
    return {
      ...generated(shape.tasks, (slot) => bigTask(factsOf(shape, slot, changes))),
      texts: () => generated(shape.tasks, (slot) => texts.textOf(factsOf(shape, slot, changes))),
      bytes: taskBytes,
    };
  };
  return {
    masterId: BIG_ID,
    clusterName: 'big',
    view: () => ({ ...bigView(shape), agents, tasks: tasksNow() }),
    onEvent(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    flip(count) {
      for (const slot of nextSlots(count)) {
        changing(slot, () => void (sick.delete(slot) || sick.add(slot)));
        emit(updated(taskAt(slot)));
      }
    },
    replaceTasks(count) {
      for (const slot of nextSlots(count)) {
        const old = taskAt(slot);
        emit(updated(withStatus(old, { ...lastStatus(old), state: 'TASK_KILLING' })));
        emit(updated(withStatus(old, { ...lastStatus(old), state: 'TASK_KILLED' })));
        changing(slot, () => {
          generation.set(slot, (generation.get(slot) ?? 0) + 1);
          sick.delete(slot);
        });
        const fresh = taskAt(slot);
        const { statuses: _none, ...staging } = fresh;
        emit({ type: 'TASK_ADDED', task_added: { task: { ...staging, state: 'TASK_STAGING' } } });
        emit(updated(fresh));
      }
    },
  };
}

function lastStatus(task: Task): NonNullable<Task['statuses']>[number] {
  const status = task.statuses?.at(-1);
  if (status === undefined) throw new Error('A generated task has a status');
  return status;
}

// An iterable that starts over each time it is read.
function generated<Item>(count: number, make: (index: number) => Item): Iterable<Item> {
  return {
    *[Symbol.iterator]() {
      for (let index = 0; index < count; index++) yield make(index);
    },
  };
}

function written<Item>(count: number, make: (index: number) => Item): WrittenList<Item> {
  const texts = (): Iterable<string> => generated(count, (index) => JSON.stringify(make(index)));
  let bytes = Math.max(0, count - 1);
  for (const text of texts()) bytes += Buffer.byteLength(text);
  return { ...generated(count, make), texts, bytes };
}

function bigView(shape: BigShape): MasterView {
  return {
    tasks: [],
    unreachableTasks: [],
    completedTasks: [],
    executors: [],
    frameworks: generated(shape.frameworks, bigFramework),
    completedFrameworks: [],
    agents: [],
    recoveredAgents: [],
  };
}
