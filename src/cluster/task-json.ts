// A task as the admin API shows it: field names and order are a contract (`GET /v1/tasks`).

import { isCurrent, type Task, type TaskPort, type TaskState } from './task.ts';

export interface TaskPortJson {
  readonly name: string | null;
  readonly protocol: string;
  readonly scope: 'host' | 'container';
  readonly vips: readonly string[];
  /** Absent where the port has none. */
  readonly hostPort?: number;
  readonly containerPort?: number;
}

export interface TaskJson {
  readonly framework: string;
  readonly frameworkId: string;
  readonly taskId: string;
  readonly taskName: string;
  readonly discoveryName: string | null;
  readonly agentIp: string | null;
  readonly state: TaskState;
  readonly mesosHealthy: boolean | null;
  readonly hasMesosHealthCheck: boolean;
  readonly taskIps: readonly string[];
  /** Names of the networks that gave the addresses, each once. */
  readonly networks: readonly string[];
  readonly ports: readonly TaskPortJson[];
}

export function taskJson(task: Task): TaskJson {
  const networks = task.addresses.map((address) => address.network).filter((network) => network !== null);
  return {
    framework: task.framework,
    frameworkId: task.frameworkId,
    taskId: task.id,
    taskName: task.name,
    discoveryName: task.discoveryName,
    agentIp: task.agentIp,
    state: task.state,
    mesosHealthy: task.healthy,
    hasMesosHealthCheck: task.hasHealthCheck,
    taskIps: task.addresses.map((address) => address.ip),
    networks: [...new Set(networks)],
    ports: task.ports.map(portJson),
  };
}

function portJson(port: TaskPort): TaskPortJson {
  return {
    name: port.name,
    protocol: port.protocol,
    scope: port.scope,
    vips: port.vips,
    ...(port.hostPort === null ? {} : { hostPort: port.hostPort }),
    ...(port.containerPort === null ? {} : { containerPort: port.containerPort }),
  };
}

/** Tasks for the admin API: sorted by framework id and task id, current ones only unless `all`. */
export function tasksJson(tasks: Iterable<Task>, all = false): readonly TaskJson[] {
  return [...tasks]
    .filter((task) => all || isCurrent(task.state))
    .sort((a, b) => compare(a.frameworkId, b.frameworkId) || compare(a.id, b.id))
    .map(taskJson);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
