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

interface PortAddress {
  readonly ip: string;
  readonly port: number;
}

/**
 * Addresses at which others reach one discovery port of a task. A task on the agent's own stack is reached at its own addresses, which are
 * the agent's unless the framework knew better (specs/l4lb.md §1.6). Else a port with a host port is reached at the agent, whatever names
 * it, and one without at every task address (§1.8); which host port belongs to a container port is said by the mappings. Port 0 is none.
 */
export function addressesOfPort(task: Task, port: TaskPort): readonly PortAddress[] {
  const isUnscoped = task.networkMode === 'host' && port.labels['network-scope'] === undefined;
  if (isUnscoped && isPort(port.hostPort) && task.addresses.length > 0) return atPort(task.addresses, port.hostPort);
  const hostPort = port.scope === 'host' ? port.hostPort : mappedPort(task, port);
  if (isPort(hostPort) && task.agentIp !== null) return [{ ip: task.agentIp, port: hostPort }];
  if (port.scope === 'host' || !isPort(port.containerPort)) return [];
  const addresses =
    port.network === null ? task.addresses : task.addresses.filter((address) => address.network === port.network);
  return atPort(addresses.length === 0 ? task.addresses : addresses, port.containerPort);
}

const isPort = (number: number | null): number is number => number !== null && number > 0;

const atPort = (addresses: readonly { readonly ip: string }[], port: number): readonly PortAddress[] =>
  addresses.map(({ ip }) => ({ ip, port }));

/** The host port that stands for a container port; null: none. */
function mappedPort({ mappings }: Task, { protocol, containerPort }: TaskPort): number | null {
  const mapping = mappings.find((one) => one.protocol === protocol && one.containerPort === containerPort);
  return mapping?.hostPort ?? null;
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
