// Makes task statuses as executors and the master make them, and applies them to a task as the master does.
import type { ContainerStatus, NetworkInfo, Task, TaskState, TaskStatus } from './mesos-shapes.ts';
import { isTerminal } from './mesos-shapes.ts';
import type { ContainerAddress, Placement } from './placement.ts';
import { portMappings } from './task-shape.ts';

export interface ExecutorFacts {
  readonly containerId: string;
  readonly parentId?: string;
  readonly executorPid: number;
}

export interface StatusFields {
  readonly healthy?: boolean;
  readonly reason?: string;
  readonly message?: string;
  readonly data?: string;
}

function addressList(address: ContainerAddress): NonNullable<NetworkInfo['ip_addresses']> {
  return [
    ...(address.ipv4 === undefined ? [] : [{ protocol: 'IPv4' as const, ip_address: address.ipv4 }]),
    ...(address.ipv6 === undefined ? [] : [{ protocol: 'IPv6' as const, ip_address: address.ipv6 }]),
  ];
}

function agentNetwork(placement: Placement): readonly NetworkInfo[] {
  return [
    { ip_addresses: [{ protocol: placement.agentIp.includes(':') ? 'IPv6' : 'IPv4', ip_address: placement.agentIp }] },
  ];
}

function containerNetworks(placement: Placement, ucr: boolean): readonly NetworkInfo[] {
  const mappings = ucr ? portMappings(placement.ports) : [];
  return placement.addresses.map((address, index) => ({
    ip_addresses: addressList(address),
    ...(address.network === undefined ? {} : { name: address.network }),
    ...(ucr ? { labels: {} } : {}),
    ...(mappings.length === 0 || index > 0 ? {} : { port_mappings: mappings }),
  }));
}

// Docker's executor knows the container's address only while it runs; before and after it names the agent's.
function networksAt(state: TaskState, placement: Placement, isPod: boolean): readonly NetworkInfo[] | undefined {
  const docker = placement.mode === 'docker-bridge' || placement.mode === 'docker-user';
  if (docker) return state === 'TASK_RUNNING' ? containerNetworks(placement, false) : agentNetwork(placement);
  if (isTerminal(state)) return undefined;
  if (isPod && state === 'TASK_STARTING') return undefined;
  return placement.mode === 'host' ? agentNetwork(placement) : containerNetworks(placement, true);
}

function containerStatus(state: TaskState, placement: Placement, facts: ExecutorFacts): ContainerStatus | undefined {
  const docker = placement.mode === 'docker-bridge' || placement.mode === 'docker-user';
  if (!docker && isTerminal(state)) return undefined;
  const isPod = facts.parentId !== undefined;
  const networks = networksAt(state, placement, isPod);
  return {
    container_id: {
      value: facts.containerId,
      ...(facts.parentId === undefined ? {} : { parent: { value: facts.parentId } }),
    },
    ...(networks === undefined ? {} : { network_infos: networks }),
    ...(docker || (isPod && state === 'TASK_STARTING') ? {} : { executor_pid: facts.executorPid }),
  };
}

export function executorStatus(
  task: Task,
  state: TaskState,
  placement: Placement,
  facts: ExecutorFacts,
  fields: StatusFields & { readonly timestamp: number; readonly uuid: string },
): TaskStatus {
  const container = containerStatus(state, placement, facts);
  return {
    task_id: task.task_id,
    state,
    ...(fields.message === undefined ? {} : { message: fields.message }),
    source: 'SOURCE_EXECUTOR',
    ...(fields.reason === undefined ? {} : { reason: fields.reason }),
    ...(fields.data === undefined ? {} : { data: fields.data }),
    agent_id: task.agent_id,
    executor_id: task.executor_id ?? task.task_id,
    timestamp: fields.timestamp,
    uuid: fields.uuid,
    ...(fields.healthy === undefined ? {} : { healthy: fields.healthy }),
    ...(container === undefined ? {} : { container_status: container }),
  };
}

export function masterStatus(
  task: Task,
  state: TaskState,
  fields: {
    readonly reason: string;
    readonly message: string;
    readonly timestamp: number;
    readonly unreachable: boolean;
  },
): TaskStatus {
  return {
    task_id: task.task_id,
    state,
    message: fields.message,
    source: 'SOURCE_MASTER',
    reason: fields.reason,
    agent_id: task.agent_id,
    ...(task.executor_id === undefined ? {} : { executor_id: task.executor_id }),
    timestamp: fields.timestamp,
    ...(fields.unreachable ? { unreachable_time: { nanoseconds: Math.floor(fields.timestamp) * 1e9 } } : {}),
  };
}

// One status per run of equal states; `data` is not stored; a terminal state is never left.
export function withStatus(task: Task, status: TaskStatus): Task {
  const { data: _dropped, ...stored } = status;
  const before = task.statuses ?? [];
  const kept = before.at(-1)?.state === status.state ? before.slice(0, -1) : before;
  const state = isTerminal(task.state) ? task.state : status.state;
  const acknowledged =
    status.uuid === undefined ? {} : { status_update_state: status.state, status_update_uuid: status.uuid };
  return { ...task, state, statuses: [...kept, stored], ...acknowledged };
}

// What Docker's executor puts in `data` of TASK_RUNNING: its inspect output, in base64.
export function dockerInspect(containerId: string, addresses: readonly ContainerAddress[]): string {
  const networks = addresses.map(({ network, ipv4 }) => [network ?? 'bridge', { IPAddress: ipv4 ?? '' }]);
  const inspect = {
    Id: containerId.replaceAll('-', ''),
    State: { Status: 'running', Running: true },
    Name: `/mesos-${containerId}`,
    NetworkSettings: { IPAddress: '', Networks: Object.fromEntries(networks) as Record<string, unknown> },
  };
  return Buffer.from(JSON.stringify([inspect])).toString('base64');
}
