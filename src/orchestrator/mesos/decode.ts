// Tasks of Mesos as core records: v1 or v0 JSON in, a frozen Task out. Pure: agent, framework and executor come from the caller.

import {
  agentId,
  frameworkId,
  noLabels,
  taskId,
  taskKey,
  TaskSharing,
  type Agent,
  type Framework,
  type Task,
  type TaskState,
} from '../../cluster/index.ts';
import { numberOf, objectOf, textOf } from '../json.ts';
import type { Executor } from './decode-cluster.ts';
import { decodePorts, portsWithMappings } from './decode-ports.ts';
import { newestOf, noAddresses, noStatus, stateOf, type StatusFacts } from './decode-status.ts';
import { idOf, intern, labelsOf, reservedPorts } from './fields.ts';
import { decodeNetworks } from './networks.ts';

/** A task that still lacks what agent, framework and executor tell of it. */
export type TaskDraft = { -readonly [K in keyof Task]: Task[K] };

const sharing = new TaskSharing();
const noIps: readonly string[] = Object.freeze([]);
const nanosPerMs = 1e6;

/** Of a task that is being killed and of whose running nothing is told. */
const killingAddresses = (state: TaskState, statuses: unknown): StatusFacts['addresses'] =>
  state === 'TASK_KILLING' ? (newestOf(statuses, state)?.addresses ?? null) : null;

/**
 * A task of GET_STATE, SUBSCRIBED, TASK_ADDED or `/state`. Null without its ids: then it is to be counted and passed over.
 * `state` is the task's own, which may be newer than that of its last status (specs/orchestrator.md §0.4).
 */
export function decodeTask(value: unknown): TaskDraft | null {
  const raw = objectOf(value);
  const id = idOf(raw['task_id']) ?? idOf(raw['id']);
  const framework = idOf(raw['framework_id']);
  const agent = idOf(raw['agent_id']) ?? idOf(raw['slave_id']);
  if (id === null || framework === null || agent === null) return null;
  const state = stateOf(raw['state']);
  const running = newestOf(raw['statuses'], 'TASK_RUNNING') ?? noStatus;
  const own = decodeNetworks(raw['container']);
  const mappings = own.mappings.length > 0 ? own.mappings : running.mappings;
  const mode = own.mode ?? running.mode ?? 'host';
  const name = textOf(raw['name']) ?? '';
  const discoveryName = discoveryNameOf(raw['discovery']);
  const like = sharing.last(discoveryName ?? name);
  const labels = labelsOf(raw['labels'], like?.labels);
  const hostPorts = reservedPorts(raw['resources']);
  const frameworkKey = frameworkId(framework === like?.frameworkId ? like.frameworkId : intern(framework));
  const draft: TaskDraft = {
    key: taskKey(frameworkKey, taskId(id)),
    frameworkId: frameworkKey,
    framework: '',
    id: taskId(id),
    name,
    discoveryName,
    agentId: agentId(intern(agent)),
    agentIp: null,
    agentIps: noIps,
    zone: null,
    state,
    healthy: state === 'TASK_RUNNING' ? running.healthy : null,
    hasHealthCheck: typeof raw['health_check'] === 'object' && raw['health_check'] !== null,
    addresses: running.addresses ?? killingAddresses(state, raw['statuses']) ?? noAddresses,
    networkMode: mode,
    containerizer: containerizerOf(raw['container']),
    ports: decodePorts(raw['discovery'], { mode, mappings, hostPorts, labels }, like?.ports),
    mappings,
    hostPorts,
    labels,
    statusLabels: running.labels,
    executorId: idOf(raw['executor_id']),
    graceMs: graceOf(raw['kill_policy']),
    runningSince: running === noStatus ? null : running.at,
    appKey: null,
    appVersion: null,
    appHealth: null,
    ready: null,
  };
  sharing.share(draft);
  return draft;
}

function discoveryNameOf(discovery: unknown): string | null {
  const name = textOf(objectOf(discovery)['name']);
  return name === '' ? null : name;
}

function containerizerOf(container: unknown): Task['containerizer'] {
  if (container === undefined || container === null) return null;
  return objectOf(container)['type'] === 'DOCKER' ? 'docker' : 'mesos';
}

function graceOf(policy: unknown): number | null {
  const nanos = numberOf(objectOf(objectOf(policy)['grace_period'])['nanoseconds']);
  return nanos === null ? null : Math.round(nanos / nanosPerMs);
}

export interface Surroundings {
  readonly agent: Agent | undefined;
  readonly framework: Framework | undefined;
  readonly executor: Executor | undefined;
  /** The same task as known before: its agent's address stays true while the agent is away. */
  readonly former: Task | undefined;
}

/** Finishes a draft: a frozen Task with what its surroundings tell. The draft must not be used afterwards. */
export function placeTask(draft: TaskDraft, around: Surroundings): Task {
  const { agent, framework, executor, former } = around;
  const sameAgent = former?.agentId === draft.agentId ? former : undefined;
  draft.agentIp = agent === undefined ? (sameAgent?.agentIp ?? null) : agent.ip;
  draft.agentIps = agent === undefined ? (sameAgent?.agentIps ?? noIps) : agent.ips;
  draft.zone = agent === undefined ? (sameAgent?.zone ?? null) : agent.zone;
  draft.framework = framework?.name ?? former?.framework ?? '';
  if (executor !== undefined) addExecutor(draft, executor);
  return Object.freeze(draft);
}

/** Containers of a pod share the network and the labels of their executor; a task's own label wins. */
function addExecutor(draft: TaskDraft, executor: Executor): void {
  if (executor.labels !== noLabels) draft.labels = Object.freeze({ ...executor.labels, ...draft.labels });
  if (draft.networkMode === 'host' && executor.networks.mode !== null) draft.networkMode = executor.networks.mode;
  if (draft.mappings.length > 0 || executor.networks.mappings.length === 0) return;
  draft.mappings = executor.networks.mappings;
  draft.ports = portsWithMappings(draft.ports, draft.mappings);
}

/** The same task on an agent whose record came or changed. */
export function taskOnAgent(task: Task, agent: Agent): Task {
  return Object.freeze({ ...task, agentIp: agent.ip, agentIps: agent.ips, zone: agent.zone });
}

/**
 * The task after a TASK_UPDATED. `state` is the event's outer one and wins over that of the status. A status that is not TASK_RUNNING
 * leaves addresses alone.
 */
export function updatedTask(task: Task, state: TaskState, status: StatusFacts): Task {
  const next: TaskDraft = { ...task, state };
  if (status.state === 'TASK_RUNNING') addRunning(next, status);
  if (state !== 'TASK_RUNNING') next.healthy = null;
  return Object.freeze(next);
}

function addRunning(next: TaskDraft, status: StatusFacts): void {
  next.healthy = status.healthy;
  next.statusLabels = status.labels;
  next.runningSince = status.at;
  if (status.addresses === null) return;
  next.addresses = status.addresses;
  if (next.executorId === null && next.containerizer !== null) return;
  if (next.mappings.length === 0) next.mappings = status.mappings;
  if (next.networkMode === 'host') next.networkMode = status.mode ?? 'host';
  next.ports = portsWithMappings(next.ports, next.mappings);
}
