// State of one Mesos cluster: folds the stream's events and whole pictures into the tables by the merge rules of
// specs/orchestrator.md §1.7 and §1.8, and says what changed as core events. No I/O.

import {
  agentId,
  frameworkId,
  isCurrent,
  isTerminal,
  taskId,
  taskKey,
  type AgentId,
  type ClusterEvent,
  type FrameworkId,
  type TaskKey,
} from '../../cluster/index.ts';
import type { LogFields } from '../../runtime/index.ts';
import { objectOf, textOf } from '../json.ts';
import type { Slices } from '../slices.ts';
import { decodeAgent, decodeFramework, executorKey } from './decode-cluster.ts';
import { decodeStatus, stateOf, type StatusFacts } from './decode-status.ts';
import { decodeTask, updatedTask } from './decode.ts';
import { idOf } from './fields.ts';
import { judge, type Judgement } from './guard.ts';
import type { MesosPicture } from './picture.ts';
import { MesosTables } from './tables.ts';

export interface StateOptions {
  /** Something of the stream or of a picture that could not be read. */
  readonly onSkipped: (reason: string) => void;
  /** Something that whoever runs the cluster should know; `key` tells repetitions apart. */
  readonly onNotice: (key: string, fields: LogFields, message: string) => void;
}

/** Why a reading of the whole state is due soon; null: only the periodic one is. */
export type RereadWish = 'executors' | 'recovered' | 'doubt' | null;

/** Tasks of frameworks unknown to the master follow AGENT_ADDED, so absence counts only this long after it (§5.3). */
const settleMs = 10_000;
const confirmMs = 30_000;
const mostAside = 4096;

export class MesosState {
  readonly #tables = new MesosTables();
  readonly #options: StateOptions;
  /** Updates of tasks that are not known yet: kept until TASK_ADDED or the next picture. */
  readonly #aside = new Map<TaskKey, { readonly state: unknown; readonly status: StatusFacts }>();
  /** Tasks that the new master does not know, held until their agent is back. */
  readonly #held = new Set<TaskKey>();
  /** Agents that came back while tasks of theirs are held, with the time from which absence counts. */
  readonly #settling = new Map<AgentId, number>();
  #recovered: ReadonlySet<AgentId> = new Set();
  /**
   * Whether the stream told of any framework or task: without the right to see them, which a stream has for its whole life or not at all,
   * that an agent is back says nothing of its tasks.
   */
  #tellsOfTasks = false;
  #doubtedAt: number | null = null;
  #wantsExecutors = false;
  /** Keys that the stream spoke of while a reading is under way: for those the stream is newer. */
  #touched: Set<string> | null = null;

  constructor(options: StateOptions) {
    this.#options = options;
  }

  get tables(): MesosTables {
    return this.#tables;
  }

  get wish(): RereadWish {
    if (this.#doubtedAt !== null) return 'doubt';
    if (this.#wantsExecutors || this.#aside.size > 0) return 'executors';
    return this.#recovered.size > 0 || this.#held.size > 0 ? 'recovered' : null;
  }

  /** Folds one event of the stream (not SUBSCRIBED); an unknown type changes nothing. `now`: monotonic milliseconds. */
  apply(value: unknown, now: number): readonly ClusterEvent[] {
    const event = objectOf(value);
    switch (event['type']) {
      case 'TASK_ADDED':
        this.#taskAdded(objectOf(event['task_added'])['task']);
        break;
      case 'TASK_UPDATED':
        this.#taskUpdated(event['task_updated']);
        break;
      case 'AGENT_ADDED':
        this.#agentAdded(objectOf(event['agent_added'])['agent'], now);
        break;
      case 'AGENT_REMOVED':
        this.#agentRemoved(objectOf(event['agent_removed'])['agent_id']);
        break;
      case 'FRAMEWORK_ADDED':
        this.#framework(objectOf(event['framework_added'])['framework']);
        break;
      case 'FRAMEWORK_UPDATED':
        this.#framework(objectOf(event['framework_updated'])['framework']);
        break;
      case 'FRAMEWORK_REMOVED':
        this.#frameworkRemoved(objectOf(event['framework_removed'])['framework_info']);
        break;
    }
    return this.#tables.take();
  }

  /** Lets go of held tasks whose agent has been back long enough. */
  tick(now: number): readonly ClusterEvent[] {
    if (!this.#tellsOfTasks) return [];
    for (const [agent, due] of this.#settling) {
      if (due > now) continue;
      this.#settling.delete(agent);
      for (const key of this.#tables.tasksOfAgent(agent)) if (this.#held.delete(key)) this.#tables.dropTask(key);
    }
    return this.#tables.take();
  }

  /** Monotonic time at which `tick` has something to do; null: nothing waits. */
  get nextTick(): number | null {
    return this.#settling.size === 0 || !this.#tellsOfTasks ? null : Math.min(...this.#settling.values());
  }

  /** A reading of the whole state was asked for; what the stream says from now on wins over it. */
  beginReread(): void {
    this.#touched = new Set();
  }

  /** The reading failed. */
  cancelReread(): void {
    this.#touched = null;
  }

  /**
   * Folds a whole picture: what SUBSCRIBED brought, or a reading (§5.3 says what of the absent goes). Lets the loop turn by `slices`;
   * nothing else may be folded meanwhile.
   */
  async load(picture: MesosPicture, now: number, slices: Slices): Promise<readonly ClusterEvent[]> {
    const isReading = this.#touched !== null;
    const touched = this.#touched ?? new Set<string>();
    this.#touched = null;
    const judgement = this.#judged(picture, isReading && this.#tellsOfTasks, now);
    this.#recovered = picture.recovered;
    // Another master waits for an agent that was back already: its absence counts anew.
    for (const agent of [...this.#settling.keys()]) if (picture.recovered.has(agent)) this.#settling.delete(agent);
    if (!isReading) this.#tellsOfTasks = picture.frameworks.size > 0 || picture.tasks.size > 0;
    // What was said of a task during the reading is newer than it: it waits for the next one.
    for (const key of [...this.#aside.keys()]) if (!touched.has(key)) this.#aside.delete(key);
    this.#wantsExecutors = false;
    this.#tables.replaceExecutors(picture.executors);
    this.#loadFrameworks(picture, touched);
    // A picture that is doubted says of no agent that its tasks are to follow.
    await this.#loadAgents(picture, touched, judgement.kind === 'doubt' ? null : now, slices);
    this.#loadAbsentAgents(picture, touched, judgement);
    await this.#loadTasks(picture, touched, slices);
    this.#loadAbsentTasks(picture, touched, judgement, now);
    this.#loadAbsentFrameworks(picture, touched, judgement);
    return this.#tables.take();
  }

  async #loadTasks(picture: MesosPicture, touched: ReadonlySet<string>, slices: Slices): Promise<void> {
    for (const draft of picture.tasks.values()) {
      const frameworkWent = touched.has(draft.frameworkId) && !this.#tables.frameworks.has(draft.frameworkId);
      if (touched.has(draft.key) || frameworkWent) continue;
      this.#held.delete(draft.key);
      this.#tables.putTask(this.#tables.place(draft));
      if (slices.late()) await slices.breathe();
    }
  }

  #judged(picture: MesosPicture, told: boolean, now: number): Judgement {
    const known = { tasks: this.#tables.tasks.size, agents: this.#tables.agents.size, told };
    const judgement = judge(picture, known);
    if (judgement.kind !== 'doubt') {
      this.#doubtedAt = null;
      return judgement;
    }
    this.#doubtedAt ??= now;
    if (judgement.confirmable && now - this.#doubtedAt >= confirmMs) {
      this.#doubtedAt = null;
      return { kind: 'believe' };
    }
    this.#options.onNotice(
      judgement.reason,
      { tasks: picture.tasks.size, before: known.tasks },
      `Nothing is removed: ${judgement.reason}`,
    );
    return judgement;
  }

  #loadFrameworks(picture: MesosPicture, touched: ReadonlySet<string>): void {
    for (const framework of picture.frameworks.values()) {
      if (!touched.has(framework.id)) this.#tables.putFramework(framework);
    }
  }

  async #loadAgents(
    picture: MesosPicture,
    touched: ReadonlySet<string>,
    now: number | null,
    slices: Slices,
  ): Promise<void> {
    for (const agent of picture.agents.values()) {
      if (!touched.has(agent.id)) this.#putAgent(agent, now);
      if (slices.late()) await slices.breathe();
    }
  }

  #loadAbsentAgents(picture: MesosPicture, touched: ReadonlySet<string>, judgement: Judgement): void {
    if (judgement.kind === 'doubt') return;
    for (const id of [...this.#tables.agents.keys()]) {
      if (!picture.agents.has(id) && !picture.recovered.has(id) && !touched.has(id)) this.#tables.dropAgent(id);
    }
  }

  #loadAbsentTasks(picture: MesosPicture, touched: ReadonlySet<string>, judgement: Judgement, now: number): void {
    if (judgement.kind === 'doubt') return;
    for (const [key, task] of [...this.#tables.tasks]) {
      if (picture.tasks.has(key) || touched.has(key)) continue;
      const comesBack = picture.recovered.has(task.agentId);
      const cameBack = picture.agents.has(task.agentId);
      if (judgement.kind === 'believe' || !(comesBack || cameBack)) {
        this.#held.delete(key);
        this.#tables.dropTask(key);
        continue;
      }
      this.#held.add(key);
      if (cameBack && !this.#settling.has(task.agentId)) this.#settling.set(task.agentId, now + settleMs);
    }
    if (judgement.kind === 'believe') this.#settling.clear();
  }

  /** While agents are awaited, schedulers are too. */
  #loadAbsentFrameworks(picture: MesosPicture, touched: ReadonlySet<string>, judgement: Judgement): void {
    if (judgement.kind !== 'believe') return;
    for (const id of [...this.#tables.frameworks.keys()]) {
      if (!picture.frameworks.has(id) && !touched.has(id)) this.#tables.dropFramework(id);
    }
  }

  #taskAdded(value: unknown): void {
    const draft = decodeTask(value);
    if (draft === null) return this.#options.onSkipped('task');
    this.#tellsOfTasks = true;
    const aside = this.#aside.get(draft.key);
    this.#aside.delete(draft.key);
    this.#held.delete(draft.key);
    this.#touched?.add(draft.key);
    if (isTerminal(draft.state)) return this.#tables.dropTask(draft.key);
    if (draft.executorId !== null) {
      const key = executorKey(draft.frameworkId, draft.agentId, draft.executorId);
      if (!this.#tables.executors.has(key)) this.#wantsExecutors = true;
    }
    const task = this.#tables.place(draft);
    const isNewer = aside !== undefined && aside.status.at > (task.runningSince ?? 0);
    this.#tables.putTask(isNewer ? updatedTask(task, stateOf(aside.state), aside.status) : task);
  }

  #taskUpdated(value: unknown): void {
    const raw = objectOf(value);
    const status = objectOf(raw['status']);
    const framework = idOf(raw['framework_id']);
    const id = idOf(status['task_id']);
    if (framework === null || id === null) return this.#options.onSkipped('task');
    const key = taskKey(frameworkId(framework), taskId(id));
    const facts = decodeStatus(status);
    const outer = raw['state'] ?? status['state'];
    const state = stateOf(outer);
    this.#touched?.add(key);
    this.#held.delete(key);
    if (isTerminal(state)) {
      this.#aside.delete(key);
      this.#noteLostAgent(key, facts);
      return this.#tables.dropTask(key);
    }
    const task = this.#tables.tasks.get(key);
    if (task === undefined) return this.#keepAside(key, outer, facts);
    this.#tables.putTask(updatedTask(task, state, facts));
    this.#noteLostAgent(key, facts);
  }

  #keepAside(key: TaskKey, state: unknown, status: StatusFacts): void {
    if (this.#aside.size < mostAside || this.#aside.has(key)) this.#aside.set(key, { state, status });
    else this.#options.onSkipped('aside');
  }

  /** A lost agent goes without a word: once the master has given up all of its tasks, it is not active any more (§1.9). */
  #noteLostAgent(key: TaskKey, status: StatusFacts): void {
    const task = this.#tables.tasks.get(key);
    const agent = task === undefined ? undefined : this.#tables.agents.get(task.agentId);
    if (!status.agentGone || task === undefined || agent === undefined || !agent.active) return;
    const others = this.#tables.tasksOfAgent(agent.id).filter((other) => other !== key);
    if (others.some((other) => isCurrent(this.#tables.tasks.get(other)?.state ?? 'TASK_LOST'))) return;
    this.#tables.putAgent(Object.freeze({ ...agent, active: false }));
  }

  #agentAdded(value: unknown, now: number): void {
    const agent = decodeAgent(value);
    if (agent === null) return this.#options.onSkipped('agent');
    this.#touched?.add(agent.id);
    const recovered = new Set(this.#recovered);
    if (recovered.delete(agent.id)) this.#recovered = recovered;
    this.#putAgent(agent, now);
  }

  /** `now`: when it came back; null: nothing follows from its being there. */
  #putAgent(agent: NonNullable<ReturnType<typeof decodeAgent>>, now: number | null): void {
    if (agent.ip === null) {
      const fields = { agent: agent.id, hostname: agent.hostname };
      this.#options.onNotice(
        `address ${agent.id}`,
        fields,
        'Agent has no IP address in its pid: its tasks cannot be reached until its host name is found',
      );
    }
    this.#tables.putAgent(agent);
    if (now === null) return;
    const awaited = this.#tables.tasksOfAgent(agent.id).some((key) => this.#held.has(key));
    if (awaited && !this.#settling.has(agent.id)) this.#settling.set(agent.id, now + settleMs);
  }

  /** Its tasks were set TASK_LOST before, one by one. */
  #agentRemoved(value: unknown): void {
    const text = idOf(value);
    if (text === null) return this.#options.onSkipped('agent');
    const id = agentId(text);
    this.#touched?.add(id);
    for (const key of this.#tables.tasksOfAgent(id)) if (this.#held.delete(key)) this.#tables.dropTask(key);
    this.#tables.dropAgent(id);
  }

  #framework(value: unknown): void {
    const framework = decodeFramework(value);
    if (framework === null) return this.#options.onSkipped('framework');
    this.#tellsOfTasks = true;
    this.#touched?.add(framework.id);
    this.#tables.putFramework(framework);
  }

  #frameworkRemoved(value: unknown): void {
    const text = idOf(objectOf(value)['id']) ?? textOf(value);
    if (text === null) return this.#options.onSkipped('framework');
    const id: FrameworkId = frameworkId(text);
    this.#touched?.add(id);
    for (const task of this.#tables.tasksOfFramework(id)) this.#tables.dropTask(task.key);
    this.#tables.dropFramework(id);
  }
}
