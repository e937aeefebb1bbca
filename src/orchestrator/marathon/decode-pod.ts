// Pods of Marathon as apps and tasks: `/v2/pods::status` (specs/orchestrator.md §3.1). Containers of an instance share its addresses. Pure.

import {
  appKey,
  isIPv4,
  isIPv6,
  type App,
  type AppPort,
  type NetworkMode,
  type Task,
  type TaskAddress,
} from '../../cluster/index.ts';
import { listOf, numberOf, objectOf, portOf, textOf, type JsonObject } from '../json.ts';
import { marathonLabels, protocolOf, type Marathon } from './decode-app.ts';
import { makeTask, marathonState, nameOf } from './decode-task.ts';

export interface Pod {
  readonly app: App;
  readonly tasks: readonly Task[];
}

/** A pod with the tasks of its instances; null without id. */
export function decodePod(value: unknown, marathon: Marathon): Pod | null {
  const raw = objectOf(value);
  const spec = objectOf(raw['spec']);
  const id = textOf(raw['id']) ?? textOf(spec['id']);
  if (id === null || id === '') return null;
  const networkMode = podMode(spec);
  const endpoints = endpointsOf(spec, networkMode);
  const app: App = Object.freeze({
    key: appKey(marathon.name, id),
    marathon: marathon.name,
    frameworkId: marathon.frameworkId,
    id,
    labels: marathonLabels(spec['labels']),
    networkMode,
    ports: Object.freeze(endpoints.map(({ port }) => port)),
    healthChecks: Object.freeze([]),
    hasReadinessChecks: false,
    instances: numberOf(objectOf(spec['scaling'])['instances']) ?? 0,
    version: textOf(spec['version']),
    deploying: false,
    inferred: false,
  });
  const tasks = listOf(raw['instances']).flatMap((instance) =>
    instanceTasks(objectOf(instance), { app, endpoints, marathon }),
  );
  return { app, tasks };
}

function podMode(spec: JsonObject): NetworkMode {
  const modes = listOf(spec['networks']).map((network) => objectOf(network)['mode']);
  if (modes.includes('container')) return 'container';
  return modes.includes('container/bridge') ? 'bridge' : 'host';
}

interface Endpoint {
  /** Name of the container. */
  readonly container: string | null;
  readonly port: AppPort;
}

/** Endpoints of all containers in their order; a host port's place counts those that have one. */
function endpointsOf(spec: JsonObject, mode: NetworkMode): Endpoint[] {
  let hostPorts = 0;
  const endpoints = listOf(spec['containers']).flatMap((container) =>
    listOf(objectOf(container)['endpoints']).map((endpoint) => ({ container, endpoint: objectOf(endpoint) })),
  );
  return endpoints.map(({ container, endpoint }, index) => ({
    container: textOf(objectOf(container)['name']),
    port: Object.freeze({
      index,
      name: textOf(endpoint['name']),
      protocol: protocolOf(endpoint['protocol']),
      servicePort: null,
      containerPort: mode === 'host' ? null : portOf(endpoint['containerPort']),
      hostPortIndex: mode === 'host' || numberOf(endpoint['hostPort']) !== null ? hostPorts++ : null,
      labels: marathonLabels(endpoint['labels']),
    }),
  }));
}

interface PodFacts {
  readonly app: App;
  readonly endpoints: readonly Endpoint[];
  readonly marathon: Marathon;
}

function instanceTasks(instance: JsonObject, { app, endpoints, marathon }: PodFacts): Task[] {
  const addresses = listOf(instance['networks']).map(objectOf).flatMap(networkAddresses);
  const containers = listOf(instance['containers']).map(objectOf);
  const hostPorts = containers
    .flatMap((container) => listOf(container['endpoints']))
    .map((endpoint) => portOf(objectOf(endpoint)['allocatedHostPort']))
    .filter((port) => port !== null);
  const tasks: Task[] = [];
  for (const container of containers) {
    const id = textOf(container['containerId']);
    const containerName = textOf(container['name']);
    const state = marathonState(container);
    if (id === null || state === null) continue;
    const parts = { id, app, marathon, state, addresses, hostPorts, host: textOf(instance['agentHostname']) };
    tasks.push(
      makeTask({
        ...parts,
        name: containerName ?? nameOf(app.id),
        ports: endpoints.filter((one) => one.container === containerName).map(({ port }) => port),
        agent: textOf(instance['agentId']) ?? '',
        zone: textOf(instance['agentZone']),
        startedAt: state === 'TASK_RUNNING' ? textOf(container['statusSince']) : null,
        version: versionOf(instance),
        appHealth: podHealth(container),
        ready: null,
        graceMs: null,
        containerizer: 'mesos',
        executorId: textOf(instance['id']),
      }),
    );
  }
  return tasks;
}

function networkAddresses(network: JsonObject): TaskAddress[] {
  const name = textOf(network['name']);
  return listOf(network['addresses'])
    .filter((ip): ip is string => typeof ip === 'string' && (isIPv4(ip) || isIPv6(ip)))
    .map((ip) => Object.freeze({ ip: ip.toLowerCase(), network: name }));
}

/** Endpoints say `healthy` where a check is about them; the container's conditions say it too. */
function podHealth(container: JsonObject): Task['appHealth'] {
  const said = listOf(container['endpoints'])
    .map((endpoint) => objectOf(endpoint)['healthy'])
    .filter((healthy) => typeof healthy === 'boolean');
  if (said.length === 0) return null;
  return said.every((healthy) => healthy) ? 'alive' : 'failing';
}

/** `/v2/pods/groupware/pxc::versions/2024-08-31T17:26:40.000Z` names the version that runs. */
function versionOf(instance: JsonObject): string | null {
  const reference = textOf(instance['specReference']) ?? '';
  const at = reference.indexOf('::versions/');
  return at < 0 ? null : reference.slice(at + '::versions/'.length);
}
