// Tasks as Marathon knows them: which app and version, its health results and readiness, and the order of host ports. Where no Mesos
// source tells of them they are all there is, so ports and addresses are filled in from the app. Pure.

import {
  agentId,
  frameworkId,
  isIPv4,
  isIPv6,
  isVipKey,
  noLabels,
  taskId,
  taskKey,
  type App,
  type AppPort,
  type FrameworkId,
  type PortMapping,
  type Task,
  type TaskAddress,
  type TaskPort,
  type TaskState,
} from '../../cluster/index.ts';
import { flagOf, listOf, numberOf, objectOf, portOf, textOf, type JsonObject } from '../json.ts';
import { networkNameOf, type Marathon } from './decode-app.ts';

/** Stands in for the id of a framework of which only the name is known; merging by name replaces it. */
export const namedFramework = (name: string): FrameworkId => frameworkId(name);

const states: ReadonlySet<string> = new Set<TaskState>([
  'TASK_STAGING',
  'TASK_STARTING',
  'TASK_RUNNING',
  'TASK_KILLING',
  'TASK_UNREACHABLE',
  'TASK_LOST',
  'TASK_UNKNOWN',
]);

/** State of a task that is still about, by name; null: it has ended. Marathons of old say none: then the times tell. */
export function marathonState(raw: JsonObject): TaskState | null {
  const state = textOf(raw['state']) ?? textOf(raw['status']);
  if (state === null)
    return textOf(raw['startedAt']) === null && textOf(raw['stagedAt']) !== null ? 'TASK_STAGING' : 'TASK_RUNNING';
  return states.has(state) ? (state as TaskState) : null;
}

/** A task of `apps[].tasks[]`; null without its ids or when it has ended. `definition`: the app's own JSON. */
export function decodeAppTask(value: unknown, app: App, definition: unknown, marathon: Marathon): Task | null {
  const raw = objectOf(value);
  const id = textOf(raw['id']);
  const state = marathonState(raw);
  if (id === null || id === '' || state === null) return null;
  const network = networkNameOf(definition);
  const addresses = listOf(raw['ipAddresses'])
    .map((item) => textOf(objectOf(item)['ipAddress']))
    .filter((ip) => ip !== null && isIp(ip))
    .map((ip): TaskAddress => Object.freeze({ ip: String(ip).toLowerCase(), network }));
  return makeTask({
    id,
    app,
    marathon,
    state,
    addresses,
    name: nameOf(app.id),
    hostPorts: listOf(raw['ports'])
      .map(portOf)
      .filter((port) => port !== null),
    agent: textOf(raw['slaveId']) ?? '',
    host: textOf(raw['host']),
    zone: textOf(raw['zone']),
    startedAt: textOf(raw['startedAt']),
    version: textOf(raw['version']),
    appHealth: healthOf(listOf(raw['healthCheckResults'])),
    anyAlive: listOf(raw['healthCheckResults']).some((result) => objectOf(result)['alive'] === true),
    ready: readinessOf(id, textOf(raw['version']), app, listOf(objectOf(definition)['readinessCheckResults'])),
    graceMs: graceOf(definition),
    containerizer: containerizerOf(definition),
    executorId: null,
  });
}

export interface TaskParts {
  readonly id: string;
  readonly app: App;
  readonly marathon: Marathon;
  readonly state: TaskState;
  readonly addresses: readonly TaskAddress[];
  readonly name: string;
  readonly hostPorts: readonly number[];
  /** Of the app's ports those that the task has; default: all. */
  readonly ports?: readonly AppPort[];
  readonly agent: string;
  readonly host: string | null;
  readonly zone: string | null;
  /** ISO 8601. */
  readonly startedAt: string | null;
  readonly version: string | null;
  readonly appHealth: Task['appHealth'];
  readonly anyAlive?: boolean;
  readonly ready: boolean | null;
  readonly graceMs: number | null;
  readonly containerizer: Task['containerizer'];
  readonly executorId: string | null;
}

export function makeTask(parts: TaskParts): Task {
  const { app, marathon } = parts;
  const ports = parts.ports ?? app.ports;
  const framework = marathon.frameworkId ?? namedFramework(marathon.name);
  const agentIp = parts.host !== null && isIp(parts.host) ? parts.host.toLowerCase() : null;
  const startedAt = Date.parse(parts.startedAt ?? '');
  return Object.freeze({
    key: taskKey(framework, taskId(parts.id)),
    frameworkId: framework,
    framework: marathon.name,
    id: taskId(parts.id),
    name: parts.name,
    discoveryName: nameOf(app.id),
    agentId: agentId(parts.agent),
    agentIp,
    agentIps: Object.freeze(agentIp === null ? [] : [agentIp]),
    ...(agentIp === null && parts.host !== null ? { agentHost: parts.host.toLowerCase() } : {}),
    zone: parts.zone,
    state: parts.state,
    healthy: null,
    hasHealthCheck: false,
    addresses: Object.freeze(parts.addresses),
    networkMode: app.networkMode,
    containerizer: parts.containerizer,
    ports: Object.freeze(ports.flatMap((port) => taskPorts(port, app, parts.hostPorts))),
    mappings: Object.freeze(ports.flatMap((port) => mappingsOf(port, parts.hostPorts))),
    hostPorts: Object.freeze(parts.hostPorts),
    labels: app.labels,
    statusLabels: noLabels,
    executorId: parts.executorId,
    graceMs: parts.graceMs,
    runningSince: Number.isNaN(startedAt) ? null : startedAt,
    appKey: app.key,
    appVersion: parts.version,
    appHealth: parts.appHealth,
    ...(parts.appHealth === 'failing' && parts.anyAlive === true ? { anyAlive: true } : {}),
    ready: parts.ready,
  });
}

/** As Marathon itself would announce the port to Mesos: one entry for each protocol (specs/orchestrator.md §3.2). */
function taskPorts(port: AppPort, app: App, hostPorts: readonly number[]): TaskPort[] {
  const hostPort = port.hostPortIndex === null ? null : (hostPorts[port.hostPortIndex] ?? null);
  const containerPort = port.containerPort === 0 ? null : port.containerPort;
  if (hostPort === null && (containerPort === null || app.networkMode === 'host')) return [];
  const vips = Object.keys(port.labels)
    .filter(isVipKey)
    .map((key) => port.labels[key] ?? '');
  return port.protocol.split(',').map((protocol) =>
    Object.freeze({
      name: port.name,
      protocol,
      scope: hostPort === null ? 'container' : 'host',
      hostPort,
      containerPort: app.networkMode === 'host' ? null : containerPort,
      network: null,
      vips: Object.freeze(vips),
      labels: port.labels,
    }),
  );
}

function mappingsOf(port: AppPort, hostPorts: readonly number[]): PortMapping[] {
  const hostPort = port.hostPortIndex === null ? undefined : hostPorts[port.hostPortIndex];
  const containerPort = port.containerPort;
  if (hostPort === undefined || containerPort === null || containerPort === 0) return [];
  return port.protocol.split(',').map((protocol) => Object.freeze({ protocol, hostPort, containerPort }));
}

/** Missing results are no bad results; of those that are there all must be alive (specs/orchestrator.md §3.1). */
function healthOf(results: readonly unknown[]): Task['appHealth'] {
  const alive = results.map((result) => flagOf(objectOf(result)['alive'])).filter((one) => one !== null);
  if (alive.length === 0) return null;
  return alive.every((one) => one) ? 'alive' : 'failing';
}

/** While the app deploys the task's version, a readiness check without a result has not passed (specs/orchestrator.md §3.1). */
function readinessOf(id: string, version: string | null, app: App, results: readonly unknown[]): boolean | null {
  if (!app.hasReadinessChecks || !app.deploying || version !== app.version) return null;
  const own = results.map(objectOf).filter((result) => result['taskId'] === id);
  return own.length > 0 && own.every((result) => result['ready'] === true);
}

function graceOf(definition: unknown): number | null {
  const seconds = numberOf(objectOf(definition)['taskKillGracePeriodSeconds']);
  return seconds === null ? null : seconds * 1000;
}

function containerizerOf(definition: unknown): Task['containerizer'] {
  const type = objectOf(objectOf(definition)['container'])['type'];
  if (type === 'DOCKER') return 'docker';
  return type === 'MESOS' ? 'mesos' : null;
}

/** The name that Marathon gives to Mesos: the path reversed, `/groupware/nginx` as `nginx.groupware`. */
export const nameOf = (appId: string): string =>
  appId
    .split('/')
    .filter((part) => part !== '')
    .reverse()
    .join('.');

const isIp = (text: string): boolean => isIPv4(text) || isIPv6(text);
