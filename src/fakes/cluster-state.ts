// The model's books: what runs on the agents, and what the leading master knows of it. Only this file emits events.
import type { FakeClock } from './clock.ts';
import type { MasterView, SourceEvent } from './master-source.ts';
import type { Agent, AgentInfo, Executor, Framework, MesosEvent, Task, TaskStatus } from './mesos-shapes.ts';
import { isTerminal } from './mesos-shapes.ts';
import type { AddressPlan, Placement } from './placement.ts';
import type { RandomIds } from './random-ids.ts';
import { sumResources } from './resource-sums.ts';
import type { ExecutorFacts } from './status-update.ts';
import { withStatus } from './status-update.ts';
import type { ServeKind } from './task-spec.ts';
import type { Workload } from './workload.ts';

// listed: the master shows it; recovered: known from the registry alone; lost: gone from the list; removed: for good.
type AgentStanding = 'listed' | 'recovered' | 'lost' | 'removed';

export interface AgentRecord {
  agent: Agent;
  readonly ip: string;
  standing: AgentStanding;
}

interface FrameworkRecord {
  framework: Framework;
  // Whether the leading master knows it.
  known: boolean;
  completed: boolean;
}

// active, unreachable and completed are the master's lists; forgotten is none of them.
type TaskPlace = 'active' | 'unreachable' | 'completed' | 'forgotten';

export interface TaskRecord {
  // As the master holds it.
  task: Task;
  // As the agent holds it: what the master made up itself is not in there.
  onAgent: Task;
  place: TaskPlace;
  readonly placement: Placement;
  readonly facts: ExecutorFacts;
  readonly killGraceMs: number;
  readonly serve: readonly ServeKind[];
  // Updates its scheduler has not acknowledged; only the first has reached the master.
  waiting: TaskStatus[];
  workload: Workload | undefined;
  stopChecks: (() => void) | undefined;
  // Whether its end was asked for.
  stopping: boolean;
  released: boolean;
}

const FIRST_WITH_HEALTH_EVENTS = 7;
const HEALTH_REASON = 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED';
const MAX_COMPLETED = 1000;

export class ClusterState {
  readonly clock: FakeClock;
  readonly ids: RandomIds;
  readonly plan: AddressPlan;
  readonly agents = new Map<string, AgentRecord>();
  readonly frameworks = new Map<string, FrameworkRecord>();
  readonly tasks = new Map<string, TaskRecord>();
  // All that ever ran on an agent, in the order of their launches: an agent that comes or goes looks at its own alone.
  readonly #tasksByAgent = new Map<string, TaskRecord[]>();
  readonly executors = new Map<string, Executor>();
  masterId: string;
  readonly firstMasterId: string;
  #agentCount = 0;
  #frameworkCount = 0;
  #lastTimestamp = 0;
  readonly #listeners = new Set<(event: SourceEvent) => void>();

  constructor(clock: FakeClock, ids: RandomIds, plan: AddressPlan) {
    this.clock = clock;
    this.ids = ids;
    this.plan = plan;
    this.masterId = ids.uuid();
    this.firstMasterId = this.masterId;
  }

  nextAgentId(): string {
    return `${this.firstMasterId}-S${String(this.#agentCount++)}`;
  }

  nextFrameworkId(): string {
    return `${this.firstMasterId}-${String(this.#frameworkCount++).padStart(4, '0')}`;
  }

  // Seconds, and never twice the same: the greatest timestamp decides which status counts.
  timestamp(): number {
    this.#lastTimestamp = Math.max(this.clock.now() / 1000, this.#lastTimestamp + 0.00001);
    return this.#lastTimestamp;
  }

  onEvent(listener: (event: SourceEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  // Servers that are being opened: closing waits for them, since nobody could end one that opens afterwards.
  readonly opening = new Set<Promise<unknown>>();
  #silent = false;

  get isSilent(): boolean {
    return this.#silent;
  }

  silence(): void {
    this.#silent = true;
    this.#listeners.clear();
  }

  emit(event: MesosEvent, since?: number): void {
    const told = { event, ...(since === undefined ? {} : { since }) };
    for (const listener of [...this.#listeners]) listener(told);
  }

  agent(id: string): AgentRecord {
    const record = this.agents.get(id);
    if (record === undefined) throw new Error(`No agent ${id}`);
    return record;
  }

  framework(id: string): FrameworkRecord {
    const record = this.frameworks.get(id);
    if (record === undefined) throw new Error(`No framework ${id}`);
    return record;
  }

  task(id: string): TaskRecord {
    const record = this.tasks.get(id);
    if (record === undefined) throw new Error(`No task ${id}`);
    return record;
  }

  keep(record: TaskRecord): void {
    this.tasks.set(record.task.task_id.value, record);
    const agent = record.task.agent_id.value;
    const own = this.#tasksByAgent.get(agent);
    if (own === undefined) this.#tasksByAgent.set(agent, [record]);
    else own.push(record);
  }

  tasksOn(agentId: string): readonly TaskRecord[] {
    return this.#tasksByAgent.get(agentId) ?? [];
  }

  hasCapability(record: TaskRecord, type: string): boolean {
    const framework = this.frameworks.get(record.task.framework_id.value);
    return framework?.framework.framework_info.capabilities.some((capability) => capability.type === type) === true;
  }

  // An executor's update: reaches the agent always, the master when it knows the agent, and is held back behind an
  // unacknowledged one when the scheduler is away.
  deliver(record: TaskRecord, status: TaskStatus): void {
    record.onAgent = withStatus(record.onAgent, status);
    if (record.place !== 'active') return;
    if (!this.#isConnected(record)) {
      record.waiting.push(status);
      if (record.waiting.length > 1) {
        // The master hears of the newest state, with the status it already has: no event (§0, fact 5).
        record.task = { ...record.task, state: status.state };
        return;
      }
    }
    this.#apply(record, status);
  }

  // The scheduler is back: what was held back is told in order.
  flush(record: TaskRecord): void {
    const [, ...rest] = record.waiting;
    record.waiting = [];
    for (const status of rest) this.#apply(record, status);
    this.#completeIfDone(record);
  }

  // A status that the master makes up; the agent does not learn of it.
  decree(record: TaskRecord, status: TaskStatus, place: TaskPlace): void {
    record.task = withStatus(record.task, status);
    record.place = place;
    this.#tell(record, status);
  }

  view(): MasterView {
    const records = [...this.tasks.values()];
    const tasks = records.filter(({ place }) => place === 'active').map(({ task }) => task);
    const listed = [...this.agents.values()].filter(({ standing }) => standing === 'listed');
    const known = [...this.frameworks.values()].filter((record) => record.known);
    const completed = records.filter(({ place }) => place === 'completed').slice(-MAX_COMPLETED);
    return {
      tasks,
      unreachableTasks: records.filter(({ place }) => place === 'unreachable').map(({ task }) => task),
      completedTasks: completed.map(({ task }) => task),
      executors: this.#knownExecutors(tasks),
      frameworks: sumResources(
        known.filter((record) => !record.completed).map(({ framework }) => framework),
        tasks,
        frameworkOf,
      ),
      completedFrameworks: known.filter((record) => record.completed).map(({ framework }) => framework),
      agents: sumResources(
        listed.map(({ agent }) => agent),
        tasks,
        agentOf,
      ),
      recoveredAgents: this.#recovered(),
    };
  }

  #recovered(): readonly AgentInfo[] {
    return [...this.agents.values()]
      .filter(({ standing }) => standing === 'recovered')
      .map(({ agent }) => agent.agent_info);
  }

  #knownExecutors(tasks: readonly Task[]): readonly Executor[] {
    const ids = new Set(tasks.flatMap((task) => (task.executor_id === undefined ? [] : [task.executor_id.value])));
    return [...this.executors].flatMap(([id, executor]) => (ids.has(id) ? [executor] : []));
  }

  #isConnected(record: TaskRecord): boolean {
    return this.frameworks.get(record.task.framework_id.value)?.framework.connected !== false;
  }

  #apply(record: TaskRecord, status: TaskStatus): void {
    const sameState = record.task.statuses?.at(-1)?.state === status.state;
    record.task = withStatus(record.task, status);
    if (!sameState) this.#tell(record, status);
    else if (status.reason === HEALTH_REASON) this.#tell(record, status, FIRST_WITH_HEALTH_EVENTS);
    this.#completeIfDone(record);
  }

  #completeIfDone(record: TaskRecord): void {
    if (isTerminal(record.task.state) && record.waiting.length === 0) record.place = 'completed';
  }

  #tell(record: TaskRecord, status: TaskStatus, since?: number): void {
    const updated = { framework_id: record.task.framework_id, status, state: record.task.state };
    this.emit({ type: 'TASK_UPDATED', task_updated: updated }, since);
  }
}

function agentOf(item: Agent | Task): string {
  return 'agent_info' in item ? item.agent_info.id.value : item.agent_id.value;
}

function frameworkOf(item: Framework | Task): string {
  return 'framework_info' in item ? item.framework_info.id.value : item.framework_id.value;
}
