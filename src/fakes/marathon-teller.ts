// Tells what happens to a Marathon's instances as its events.
import type { FakeCluster } from './cluster.ts';
import type { EventHub } from './marathon-events.ts';
import type { Instance, RunRecord } from './marathon-records.ts';
import type { Task, TaskStatus } from './mesos-shapes.ts';

const CONDITIONS: Readonly<Record<string, string>> = {
  TASK_STAGING: 'Staging',
  TASK_STARTING: 'Starting',
  TASK_RUNNING: 'Running',
  TASK_KILLING: 'Killing',
  TASK_KILLED: 'Killed',
  TASK_FINISHED: 'Finished',
  TASK_FAILED: 'Failed',
  TASK_ERROR: 'Error',
  TASK_LOST: 'Unreachable',
  TASK_UNREACHABLE: 'Unreachable',
  TASK_DROPPED: 'Dropped',
  TASK_GONE: 'Gone',
  TASK_GONE_BY_OPERATOR: 'Gone',
};

export function conditionOf(state: string): string {
  return CONDITIONS[state] ?? 'Unknown';
}

export class MarathonTeller {
  readonly #cluster: FakeCluster;
  readonly #hub: EventHub;

  constructor(cluster: FakeCluster, hub: EventHub) {
    this.#cluster = cluster;
    this.#hub = hub;
  }

  status(record: RunRecord, instance: Instance, task: Task, status: TaskStatus): void {
    const seen = apiState(status);
    this.#hub.emit('status_update_event', {
      slaveId: status.agent_id.value,
      taskId: status.task_id.value,
      taskStatus: seen,
      message: status.message ?? '',
      appId: record.id,
      host: this.hostOf(task),
      ipAddresses: ipAddressesOf(status),
      ports: hostPortsOf(task),
      version: instance.version,
    });
    const condition = conditionOf(seen);
    if (condition !== instance.condition) this.changed(record, instance, condition);
  }

  changed(record: RunRecord, instance: Instance, condition: string): void {
    instance.condition = condition;
    const task = this.#cluster.task(instance.taskIds[0] ?? '');
    this.#hub.emit('instance_changed_event', {
      instanceId: instance.id,
      condition,
      runSpecId: record.id,
      agentId: task?.agent_id.value,
      host: task === undefined ? undefined : this.hostOf(task),
      runSpecVersion: instance.version,
    });
  }

  hostOf(task: Task): string {
    const agent = this.#cluster.agent(task.agent_id.value);
    return agent?.agent_info.hostname ?? this.#cluster.placement(task.task_id.value).agentIp;
  }

  healthChanged(record: RunRecord, instance: Instance, healthy: boolean): void {
    if (instance.healthy === healthy) return;
    instance.healthy = healthy;
    this.#hub.emit('instance_health_changed_event', {
      instanceId: instance.id,
      runSpecId: record.id,
      healthy,
      runSpecVersion: instance.version,
    });
  }

  unhealthyKill(record: RunRecord, instance: Instance, reason: string | undefined): void {
    const [taskId = ''] = instance.taskIds;
    const task = this.#cluster.task(taskId);
    const at = task === undefined ? {} : { host: this.hostOf(task), slaveId: task.agent_id.value };
    const ids = { appId: record.id, taskId, instanceId: instance.id, version: instance.version };
    this.#hub.emit('unhealthy_instance_kill_event', { ...ids, reason: reason ?? '', ...at });
  }

  unknownEnded(task: Task, status: TaskStatus): void {
    const runSpecId = `/${task.discovery?.name.split('.').reverse().join('/') ?? task.name}`;
    const condition = conditionOf(status.state);
    this.#hub.emit('unknown_instance_terminated_event', { instanceId: task.task_id.value, runSpecId, condition });
  }
}

export function isAgentLoss({ state, reason }: TaskStatus): boolean {
  return state === 'TASK_LOST' && reason === 'REASON_AGENT_REMOVED';
}

// Marathon shows a task lost with its agent as unreachable.
export function apiState(status: TaskStatus): string {
  return isAgentLoss(status) ? 'TASK_UNREACHABLE' : status.state;
}

export function ipAddressesOf(
  status: TaskStatus | undefined,
): readonly { readonly ipAddress: string; readonly protocol: string }[] {
  const infos = status?.container_status?.network_infos ?? [];
  return infos.flatMap((info) =>
    (info.ip_addresses ?? []).flatMap(({ ip_address, protocol }) =>
      ip_address === undefined ? [] : [{ ipAddress: ip_address, protocol }],
    ),
  );
}

// Host ports alone, in the order of the mappings that have one.
export function hostPortsOf(task: Task): readonly number[] {
  const ranges = task.resources.find(({ name }) => name === 'ports')?.ranges?.range ?? [];
  return ranges.map(({ begin }) => begin);
}
