// A backend: an address that can take traffic. One opinion on a task's address and fitness, for DNS, VIPs and routes alike.

import { backendKey, type BackendKey, type TaskKey } from './ids.ts';
import type { App, AppPort } from './app.ts';
import { isServing, type Task, type TaskPort } from './task.ts';

export interface Backend {
  readonly key: BackendKey;
  readonly ip: string;
  readonly port: number;
  /** The task behind it; null for a static address of the configuration. */
  readonly task: TaskKey | null;
  /** Share of new traffic; 0: none (draining or unhealthy), existing connections go on. */
  readonly weight: number;
  readonly state: 'up' | 'draining' | 'down';
  readonly zone: string | null;
  /** Down for no other reason than a check that fails: where too many are, balancers may doubt the checks. Absent: not so. */
  readonly failing?: true;
}

/** The backends of one route or VIP, ordered by key so that equal sets print and hash alike in every process. */
export interface BackendSet {
  readonly id: string;
  readonly backends: readonly Backend[];
}

/** What an active or passive check found out about an address; `drained` is an operator's word. */
export type Verdict = 'passing' | 'failing' | 'drained';

/**
 * Whether a task should get new traffic (`up`), only keep what it has (`draining`: being killed or drained), or none (`down`: not
 * serving, not ready, or unhealthy by Mesos, by Marathon or by our own check; defined but not yet passed checks count as not healthy).
 */
export function fitness(task: Task, verdict: Verdict | undefined): Backend['state'] {
  if (!isServing(task)) return 'down';
  if (task.state === 'TASK_KILLING' || verdict === 'drained') return 'draining';
  if (task.healthy === false || task.appHealth === 'failing' || task.ready === false || verdict === 'failing')
    return 'down';
  return task.hasHealthCheck && task.healthy === null ? 'down' : 'up';
}

/** Addresses of one discovery port of a task: agent and host port, or every task address and the container port (specs/l4lb.md §1.8). */
export function addressesOfPort(task: Task, port: TaskPort): readonly { readonly ip: string; readonly port: number }[] {
  if (port.scope === 'host') {
    return task.agentIp === null || port.hostPort === null ? [] : [{ ip: task.agentIp, port: port.hostPort }];
  }
  const number = port.containerPort;
  if (number === null) return [];
  const addresses =
    port.network === null ? task.addresses : task.addresses.filter((address) => address.network === port.network);
  const usable = addresses.length === 0 ? task.addresses : addresses;
  return usable.map((address) => ({ ip: address.ip, port: number }));
}

/** Address of one port of an app on one of its tasks (specs/orchestrator.md §6); null while the task has none. */
export function addressOfAppPort(
  app: App,
  port: AppPort,
  task: Task,
): { readonly ip: string; readonly port: number } | null {
  if (app.networkMode === 'container' && port.containerPort !== null && port.containerPort !== 0) {
    const address = task.addresses[0];
    return address === undefined ? null : { ip: address.ip, port: port.containerPort };
  }
  const number =
    port.hostPortIndex === null ? undefined : (task.hostPorts[port.hostPortIndex] ?? definedPort(app, port, task));
  return number === undefined || task.agentIp === null ? null : { ip: task.agentIp, port: number };
}

/** A task on its agent's own stack that was given no ports listens on those that its app defines (specs/l7.md §1.3). */
const definedPort = (app: App, port: AppPort, task: Task): number | undefined =>
  app.networkMode === 'host' && task.hostPorts.length === 0 ? (port.servicePort ?? undefined) : undefined;

export function makeBackend(
  address: { readonly ip: string; readonly port: number },
  task: Task,
  state: Backend['state'],
): Backend {
  return Object.freeze({
    key: backendKey(address.ip, address.port),
    ip: address.ip,
    port: address.port,
    task: task.key,
    weight: state === 'up' ? 1 : 0,
    state,
    zone: task.zone,
    ...(state === 'down' && failsChecks(task) ? { failing: true as const } : {}),
  });
}

/** Of a task that is down: it runs, is ready, and has been checked. */
function failsChecks(task: Task): boolean {
  if (task.state !== 'TASK_RUNNING' || task.ready === false) return false;
  return !(task.hasHealthCheck && task.healthy === null && task.appHealth !== 'failing');
}
