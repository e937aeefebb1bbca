// A recording as a master's source: bytes go out as they were recorded, one record at a time; snapshots follow by folding.
import { readFileSync } from 'node:fs';
import type { MasterSource, MasterView, SourceEvent } from './master-source.ts';
import type { Agent, AgentInfo, Executor, Framework, FrameworkInfo, Id, MesosEvent, Task } from './mesos-shapes.ts';
import { isTerminal } from './mesos-shapes.ts';
import { encodeRecord, recordBody, splitRecords } from './recordio.ts';
import { withStatus } from './status-update.ts';

export type Recording =
  | { readonly recordio: Uint8Array }
  | { readonly file: string }
  | { readonly snapshot: unknown; readonly events: readonly unknown[] };

export interface Replay extends MasterSource {
  // Records that have not been sent yet; the snapshot counts as sent from the start.
  readonly remaining: number;
  // Sends the next records to every subscriber. A later subscriber gets the snapshot and all that was sent, at once.
  next(count?: number): void;
  all(): void;
}

interface Subscribed {
  readonly type: 'SUBSCRIBED';
  readonly subscribed: {
    readonly get_state?: {
      readonly get_tasks?: { tasks?: Task[]; unreachable_tasks?: Task[]; completed_tasks?: Task[] };
      readonly get_executors?: { executors?: Executor[] };
      readonly get_frameworks?: { frameworks?: Framework[]; completed_frameworks?: Framework[] };
      readonly get_agents?: { agents?: Agent[]; recovered_agents?: AgentInfo[] };
    };
  };
}

export function createReplay(recording: Recording): Replay {
  const records = recordsOf(recording);
  const first = records[0];
  if (first === undefined) throw new Error('A recording needs its SUBSCRIBED record');
  const folded = new FoldedState(JSON.parse(recordBody(first).toString()) as Subscribed);
  const listeners = new Set<(event: SourceEvent) => void>();
  let sent = 1;
  const next = (count = 1): void => {
    for (const record of records.slice(sent, sent + count)) {
      sent++;
      folded.fold(JSON.parse(recordBody(record).toString()) as MesosEvent);
      for (const listener of [...listeners]) listener({ raw: record });
    }
  };
  return {
    masterId: 'replay',
    clusterName: 'replay',
    view: () => folded.view(),
    recorded: () => records.slice(0, sent),
    onEvent(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    get remaining() {
      return records.length - sent;
    },
    next,
    all() {
      next(records.length);
    },
  };
}

function recordsOf(recording: Recording): readonly Buffer[] {
  if ('recordio' in recording) return splitRecords(recording.recordio);
  if ('file' in recording) return splitRecords(readFileSync(recording.file));
  return [recording.snapshot, ...recording.events].map((event) => encodeRecord(JSON.stringify(event)));
}

function keyOf(framework: Id, task: Id): string {
  return `${framework.value}/${task.value}`;
}

function keyed(tasks: readonly Task[] | undefined): Map<string, Task> {
  return new Map((tasks ?? []).map((task) => [keyOf(task.framework_id, task.task_id), task]));
}

// What a master would hold after the same events. Executors stay those of the snapshot: no event carries them.
class FoldedState {
  readonly #active: Map<string, Task>;
  readonly #unreachable: Map<string, Task>;
  readonly #completed: Map<string, Task>;
  readonly #executors: readonly Executor[];
  readonly #frameworks: Map<string, Framework>;
  readonly #completedFrameworks: (Framework | { readonly framework_info: FrameworkInfo })[];
  readonly #agents: Map<string, Agent>;
  readonly #recovered: Map<string, AgentInfo>;

  constructor({ subscribed: { get_state: state = {} } }: Subscribed) {
    this.#active = keyed(state.get_tasks?.tasks);
    this.#unreachable = keyed(state.get_tasks?.unreachable_tasks);
    this.#completed = keyed(state.get_tasks?.completed_tasks);
    this.#executors = state.get_executors?.executors ?? [];
    this.#frameworks = new Map(
      (state.get_frameworks?.frameworks ?? []).map((each) => [each.framework_info.id.value, each]),
    );
    this.#completedFrameworks = [...(state.get_frameworks?.completed_frameworks ?? [])];
    this.#agents = new Map((state.get_agents?.agents ?? []).map((each) => [each.agent_info.id.value, each]));
    this.#recovered = new Map((state.get_agents?.recovered_agents ?? []).map((info) => [info.id.value, info]));
  }

  fold(event: MesosEvent): void {
    switch (event.type) {
      case 'TASK_ADDED':
        this.#place(event.task_added.task);
        return;
      case 'TASK_UPDATED': {
        const { framework_id, status, state } = event.task_updated;
        const before = this.#find(keyOf(framework_id, status.task_id));
        if (before !== undefined) this.#place({ ...withStatus(before, status), state });
        return;
      }
      case 'AGENT_ADDED':
        this.#agents.set(event.agent_added.agent.agent_info.id.value, event.agent_added.agent);
        this.#recovered.delete(event.agent_added.agent.agent_info.id.value);
        return;
      case 'AGENT_REMOVED':
        this.#agents.delete(event.agent_removed.agent_id.value);
        return;
      case 'FRAMEWORK_ADDED':
        this.#frameworks.set(event.framework_added.framework.framework_info.id.value, event.framework_added.framework);
        return;
      case 'FRAMEWORK_UPDATED':
        this.#frameworks.set(
          event.framework_updated.framework.framework_info.id.value,
          event.framework_updated.framework,
        );
        return;
      case 'FRAMEWORK_REMOVED': {
        const info = event.framework_removed.framework_info;
        this.#completedFrameworks.push(this.#frameworks.get(info.id.value) ?? { framework_info: info });
        this.#frameworks.delete(info.id.value);
        return;
      }
      case 'HEARTBEAT':
        return;
    }
  }

  view(): MasterView {
    return {
      tasks: [...this.#active.values()],
      unreachableTasks: [...this.#unreachable.values()],
      completedTasks: [...this.#completed.values()],
      executors: this.#executors,
      frameworks: [...this.#frameworks.values()],
      completedFrameworks: this.#completedFrameworks as Framework[],
      agents: this.#listedAgents(),
      recoveredAgents: [...this.#recovered.values()],
    };
  }

  // An agent goes in silence with its tasks: every one unreachable and none active means it has left the list.
  #listedAgents(): readonly Agent[] {
    const alive = new Set([...this.#active.values()].map((task) => task.agent_id.value));
    const lost = new Set([...this.#unreachable.values()].map((task) => task.agent_id.value));
    return [...this.#agents.values()].filter(({ agent_info: { id } }) => alive.has(id.value) || !lost.has(id.value));
  }

  #find(key: string): Task | undefined {
    return this.#active.get(key) ?? this.#unreachable.get(key) ?? this.#completed.get(key);
  }

  #place(task: Task): void {
    const key = keyOf(task.framework_id, task.task_id);
    for (const list of [this.#active, this.#unreachable, this.#completed]) list.delete(key);
    if (task.state === 'TASK_UNREACHABLE') this.#unreachable.set(key, task);
    else if (isTerminal(task.state)) this.#completed.set(key, task);
    else this.#active.set(key, task);
  }
}
