// Tables: what is known of one Mesos cluster, and every change of it as a core event. Knows records, not where they come from.

import {
  sameRecord,
  type Agent,
  type AgentId,
  type ClusterEvent,
  type Framework,
  type FrameworkId,
  type Picture,
  type Task,
  type TaskKey,
} from '../../cluster/index.ts';
import { withoutApp } from '../seeded.ts';
import type { Slices } from '../slices.ts';
import { executorKey, type Executor } from './decode-cluster.ts';
import { placeTask, taskOnAgent, type TaskDraft } from './decode.ts';

export class MesosTables {
  readonly #tasks = new Map<TaskKey, Task>();
  readonly #agents = new Map<AgentId, Agent>();
  readonly #frameworks = new Map<FrameworkId, Framework>();
  readonly #tasksOfAgent = new Map<AgentId, Set<TaskKey>>();
  #executors = new Map<string, Executor>();
  #events: ClusterEvent[] = [];

  get tasks(): ReadonlyMap<TaskKey, Task> {
    return this.#tasks;
  }

  get agents(): ReadonlyMap<AgentId, Agent> {
    return this.#agents;
  }

  get frameworks(): ReadonlyMap<FrameworkId, Framework> {
    return this.#frameworks;
  }

  get executors(): ReadonlyMap<string, Executor> {
    return this.#executors;
  }

  /**
   * What was known before a restart, told to nobody. Of a merged picture only the tasks are taken whose framework it lists, and without
   * what Marathon said of them.
   */
  async seed(picture: Picture, slices: Slices): Promise<void> {
    for (const agent of picture.agents) this.putAgent(agent);
    for (const framework of picture.frameworks) this.putFramework(framework);
    for (const task of picture.tasks) {
      if (this.#frameworks.has(task.frameworkId)) this.putTask(withoutApp(task));
      if (slices.late()) await slices.breathe();
    }
    this.#events = [];
  }

  tasksOfAgent(id: AgentId): readonly TaskKey[] {
    return [...(this.#tasksOfAgent.get(id) ?? [])];
  }

  /** The changes since the last call. */
  take(): readonly ClusterEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  replaceExecutors(executors: ReadonlyMap<string, Executor>): void {
    this.#executors = new Map(executors);
  }

  place(draft: TaskDraft): Task {
    const executor =
      draft.executorId === null
        ? undefined
        : this.#executors.get(executorKey(draft.frameworkId, draft.agentId, draft.executorId));
    return placeTask(draft, {
      agent: this.#agents.get(draft.agentId),
      framework: this.#frameworks.get(draft.frameworkId),
      executor,
      former: this.#tasks.get(draft.key),
    });
  }

  putTask(task: Task): void {
    const former = this.#tasks.get(task.key);
    if (sameRecord(former, task)) return;
    if (former !== undefined && former.agentId !== task.agentId) this.#unindex(former);
    this.#tasks.set(task.key, task);
    const siblings = this.#tasksOfAgent.get(task.agentId);
    if (siblings === undefined) this.#tasksOfAgent.set(task.agentId, new Set([task.key]));
    else siblings.add(task.key);
    this.#events.push({ type: 'task', key: task.key, task });
  }

  dropTask(key: TaskKey): void {
    const task = this.#tasks.get(key);
    if (task === undefined) return;
    this.#tasks.delete(key);
    this.#unindex(task);
    this.#events.push({ type: 'task', key, task: null });
  }

  /** Puts the agent, and gives its address to the tasks that waited for it. */
  putAgent(agent: Agent): void {
    if (sameRecord(this.#agents.get(agent.id), agent)) return;
    this.#agents.set(agent.id, agent);
    this.#events.push({ type: 'agent', id: agent.id, agent });
    for (const key of this.#tasksOfAgent.get(agent.id) ?? []) {
      const task = this.#tasks.get(key);
      if (task !== undefined) this.putTask(taskOnAgent(task, agent));
    }
  }

  /** Drops the agent; its tasks keep the address that it had. */
  dropAgent(id: AgentId): void {
    if (this.#agents.delete(id)) this.#events.push({ type: 'agent', id, agent: null });
  }

  /** Puts the framework, and gives its name to the tasks that waited for it. */
  putFramework(framework: Framework): void {
    const former = this.#frameworks.get(framework.id);
    if (sameRecord(former, framework)) return;
    this.#frameworks.set(framework.id, framework);
    this.#events.push({ type: 'framework', id: framework.id, framework });
    if (former?.name === framework.name) return;
    for (const task of this.tasksOfFramework(framework.id)) {
      this.putTask(Object.freeze({ ...task, framework: framework.name }));
    }
  }

  /** Drops the framework; its tasks are a matter of their own. */
  dropFramework(id: FrameworkId): void {
    if (this.#frameworks.delete(id)) this.#events.push({ type: 'framework', id, framework: null });
  }

  /** Frameworks come and go seldom: a walk costs less than an index of 50,000 entries. */
  tasksOfFramework(id: FrameworkId): readonly Task[] {
    return [...this.#tasks.values()].filter((task) => task.frameworkId === id);
  }

  #unindex(task: Task): void {
    const siblings = this.#tasksOfAgent.get(task.agentId);
    if (siblings?.delete(task.key) === true && siblings.size === 0) this.#tasksOfAgent.delete(task.agentId);
  }
}
