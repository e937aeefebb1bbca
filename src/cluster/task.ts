// A task: one running (or starting, or ending) piece of work with its addresses, ports and labels. This record is held 50,000 times:
// a field is added only where a view reads it.

import type { AgentId, AppKey, FrameworkId, TaskId, TaskKey } from './ids.ts';
import type { Labels } from './labels.ts';

export type TaskState =
  | 'TASK_STAGING'
  | 'TASK_STARTING'
  | 'TASK_RUNNING'
  | 'TASK_KILLING'
  | 'TASK_FINISHED'
  | 'TASK_FAILED'
  | 'TASK_KILLED'
  | 'TASK_ERROR'
  | 'TASK_LOST'
  | 'TASK_DROPPED'
  | 'TASK_GONE'
  | 'TASK_GONE_BY_OPERATOR'
  | 'TASK_UNREACHABLE'
  | 'TASK_UNKNOWN';

/** host: the agent's own stack. bridge: node-local address behind host ports. container: an address of its own that others can reach. */
export type NetworkMode = 'host' | 'bridge' | 'container';

export interface TaskAddress {
  readonly ip: string;
  /** The CNI or Docker network that gave the address; null where Mesos names none. */
  readonly network: string | null;
}

export interface TaskPort {
  readonly name: string | null;
  /** Lower case: `tcp`, `udp`, or whatever else was written (then no view uses it). */
  readonly protocol: string;
  /** host: reached as agent address and host port. container: reached as task address and container port. */
  readonly scope: 'host' | 'container';
  readonly hostPort: number | null;
  readonly containerPort: number | null;
  readonly network: string | null;
  /** Values of the port's `VIP…`/`vip…` labels in their order, unparsed. */
  readonly vips: readonly string[];
  readonly labels: Labels;
}

export interface PortMapping {
  readonly protocol: string;
  readonly hostPort: number;
  readonly containerPort: number;
}

export interface Task {
  readonly key: TaskKey;
  readonly frameworkId: FrameworkId;
  /** Name of the framework, `''` while only its id is known. */
  readonly framework: string;
  readonly id: TaskId;
  readonly name: string;
  readonly discoveryName: string | null;
  readonly agentId: AgentId;
  /** Address of the agent; null until the agent is known. Views leave out what they cannot place. */
  readonly agentIp: string | null;
  readonly agentIps: readonly string[];
  /** Host name of the agent, of a task whose source has no address of it. Absent: it has, or the agent is known on its own. */
  readonly agentHost?: string;
  readonly zone: string | null;
  readonly state: TaskState;
  /** Mesos's own verdict on a running task; null: no result (yet). */
  readonly healthy: boolean | null;
  readonly hasHealthCheck: boolean;
  /** From the newest TASK_RUNNING status: Docker's other statuses carry the agent's address (specs/orchestrator.md §0.8). */
  readonly addresses: readonly TaskAddress[];
  readonly networkMode: NetworkMode;
  readonly containerizer: 'docker' | 'mesos' | null;
  readonly ports: readonly TaskPort[];
  readonly mappings: readonly PortMapping[];
  /** Host ports reserved for the task, in order: Marathon's order where Marathon knows the task, else the resource ranges expanded. */
  readonly hostPorts: readonly number[];
  readonly labels: Labels;
  /** Labels of the newest TASK_RUNNING status; Mesos-DNS reads task addresses from two of them (specs/dns.md §2.3). */
  readonly statusLabels: Labels;
  /** Set where the task belongs to an explicit executor: the containers of a pod share one. */
  readonly executorId: string | null;
  /** How long the task may take to end after a kill, in milliseconds; null: unknown. */
  readonly graceMs: number | null;
  /** Time of the newest TASK_RUNNING status, epoch milliseconds; null before. */
  readonly runningSince: number | null;
  readonly appKey: AppKey | null;
  /** Version of the app definition that the task was started from; null without Marathon. */
  readonly appVersion: string | null;
  /** Marathon's health results taken together; null: no check or no result yet. */
  readonly appHealth: 'alive' | 'failing' | null;
  /** True where `appHealth` is failing and one of several results is alive all the same; absent otherwise. */
  readonly anyAlive?: boolean;
  /** Marathon's readiness checks; null: none apply. */
  readonly ready: boolean | null;
}

const terminalStates: ReadonlySet<TaskState> = new Set([
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
]);

const currentStates: ReadonlySet<TaskState> = new Set([
  'TASK_STAGING',
  'TASK_STARTING',
  'TASK_RUNNING',
  'TASK_KILLING',
]);

export const isTerminal = (state: TaskState): boolean => terminalStates.has(state);

/** Staging, starting, running or killing: what a list of current tasks shows. */
export const isCurrent = (state: TaskState): boolean => currentStates.has(state);

/** Running or killing: the task has, or just had, an address that serves. */
export const isServing = (task: Task): boolean => task.state === 'TASK_RUNNING' || task.state === 'TASK_KILLING';
