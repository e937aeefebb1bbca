// The cluster model that every fake stands on: what happens in it is told to masters and Marathons in Mesos's own order.
import { createAgentLife } from './agent-life.ts';
import type { AgentLife } from './agent-life.ts';
import type { FakeClock } from './clock.ts';
import { systemClock } from './clock.ts';
import { ClusterState } from './cluster-state.ts';
import type { MasterSource } from './master-source.ts';
import type { Agent, Framework, Task } from './mesos-shapes.ts';
import { createAddressPlan } from './placement.ts';
import type { Placement } from './placement.ts';
import type { RandomIds } from './random-ids.ts';
import { randomIds } from './random-ids.ts';
import type { TaskLife } from './task-life.ts';
import { createTaskLife } from './task-life.ts';
import type { Workload, WorkloadMode } from './workload.ts';

export interface FakeClusterOptions {
  readonly seed?: number;
  readonly clock?: FakeClock;
  // none: tasks are entries alone. inline, process: each is a real server on loopback addresses.
  readonly workloads?: WorkloadMode;
  // First three octets of the agents' addresses.
  readonly agentNet?: string;
  readonly clusterName?: string;
  // How long a task's requests in flight may take after its grace.
  readonly stopLimitMs?: number;
}

export interface TaskAddress {
  readonly host: string;
  readonly port: number;
}

export interface FakeCluster extends MasterSource, TaskLife, AgentLife {
  readonly clock: FakeClock;
  readonly ids: RandomIds;
  readonly workloads: WorkloadMode;
  failover(): void;
  // Every task the master holds as active.
  tasks(): readonly Task[];
  task(taskId: string): Task | undefined;
  // As its agent holds it: what really is, whatever the master knows.
  taskOnAgent(taskId: string): Task | undefined;
  agents(): readonly Agent[];
  // One that the master lists.
  agent(agentId: string): Agent | undefined;
  frameworks(): readonly Framework[];
  // Whether the master waits for agents that the registry names.
  awaitsAgents(): boolean;
  placement(taskId: string): Placement;
  workload(taskId: string): Workload | undefined;
  // Where to dial a task's port, by name or index: on the agent where it has a host port, else in the container.
  address(taskId: string, port?: string | number): TaskAddress;
  // Ends every task's servers.
  close(): Promise<void>;
}

const DEFAULT_STOP_LIMIT_MS = 5000;

export function createFakeCluster(options: FakeClusterOptions = {}): FakeCluster {
  const workloads = options.workloads ?? 'none';
  const plan = createAddressPlan({
    real: workloads !== 'none',
    ...(options.agentNet === undefined ? {} : { agentNet: options.agentNet }),
  });
  const state = new ClusterState(options.clock ?? systemClock(), randomIds(options.seed ?? 1), plan);
  const life = createTaskLife(state, { workloads, stopLimitMs: options.stopLimitMs ?? DEFAULT_STOP_LIMIT_MS });
  return {
    ...life,
    ...createAgentLife(state),
    clock: state.clock,
    ids: state.ids,
    workloads,
    get masterId() {
      return state.masterId;
    },
    clusterName: options.clusterName ?? 'fake',
    view: () => state.view(),
    onEvent: (listener) => state.onEvent(listener),
    tasks: () => [...state.tasks.values()].filter(({ place }) => place === 'active').map(({ task }) => task),
    task: (taskId) => state.tasks.get(taskId)?.task,
    taskOnAgent: (taskId) => state.tasks.get(taskId)?.onAgent,
    agents: () => [...state.agents.values()].filter(({ standing }) => standing === 'listed').map(({ agent }) => agent),
    agent(agentId) {
      const record = state.agents.get(agentId);
      return record?.standing === 'listed' ? record.agent : undefined;
    },
    frameworks: () =>
      [...state.frameworks.values()]
        .filter(({ known, completed }) => known && !completed)
        .map(({ framework }) => framework),
    awaitsAgents: () => state.agents.values().some(({ standing }) => standing === 'recovered'),
    placement: (taskId) => state.task(taskId).placement,
    workload: (taskId) => state.tasks.get(taskId)?.workload,
    address: (taskId, port = 0) => addressOf(state, taskId, port),
    async close() {
      state.silence();
      await Promise.allSettled(state.opening);
      const running = [...state.tasks.values()].filter((record) => record.workload !== undefined);
      for (const record of running) {
        record.stopChecks?.();
        record.workload?.kill();
      }
      await Promise.all(running.map((record) => record.workload?.exited));
      plan.close();
    },
  };
}

function addressOf(state: ClusterState, taskId: string, port: string | number): TaskAddress {
  const record = state.task(taskId);
  const { ports, agentIp, addresses } = record.placement;
  const placed = typeof port === 'number' ? ports[port] : ports.find(({ spec }) => spec.name === port);
  if (placed === undefined) throw new Error(`Task ${taskId} has no port ${String(port)}`);
  if (placed.hostPort !== undefined) return { host: agentIp, port: placed.hostPort };
  const host = addresses[0]?.ipv4 ?? addresses[0]?.ipv6;
  if (host === undefined) throw new Error(`Task ${taskId} has no address`);
  return { host, port: placed.containerPort };
}
