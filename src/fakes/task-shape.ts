// Writes a launch as Mesos's Task: container, discovery, health check and resources for each networking form.
import type {
  ContainerInfo,
  Discovery,
  DiscoveryPort,
  Executor,
  HealthCheck,
  Label,
  Labels,
  NetworkInfo,
  PortMapping,
  Resource,
  Task,
} from './mesos-shapes.ts';
import type { PlacedPort, Placement } from './placement.ts';
import type { ContainerSpec, HealthCheckSpec, PodSpec, ResourceSpec, TaskSpec } from './task-spec.ts';
import { networkNames, protocolsOf } from './task-spec.ts';

function labelsOf(record: Readonly<Record<string, string>> | undefined): Labels {
  const labels = Object.entries(record ?? {}).map(([key, value]): Label => ({ key, value }));
  return labels.length === 0 ? {} : { labels };
}

function scalar(name: string, value: number, role: string): Resource {
  return { name, type: 'SCALAR', scalar: { value }, allocation_info: { role } };
}

function resourcesOf(spec: ResourceSpec, hostPorts: readonly number[], role: string): readonly Resource[] {
  const resources = [scalar('cpus', spec.cpus ?? 0.1, role), scalar('mem', spec.mem ?? 128, role)];
  if (spec.disk !== undefined) resources.push(scalar('disk', spec.disk, role));
  if (hostPorts.length === 0) return resources;
  const range = [...new Set(hostPorts)].map((port) => ({ begin: port, end: port }));
  return [...resources, { name: 'ports', type: 'RANGES', ranges: { range }, allocation_info: { role } }];
}

function scopeLabels(placed: PlacedPort, mode: string, network: string | undefined): readonly Label[] {
  if (mode === 'host') return [];
  if (placed.hostPort !== undefined) return [{ key: 'network-scope', value: 'host' }];
  const scope = [{ key: 'network-scope', value: 'container' }];
  return network === undefined ? scope : [...scope, { key: 'network-name', value: network }];
}

function discoveryPorts(placed: PlacedPort, mode: string, networks: readonly string[]): readonly DiscoveryPort[] {
  const perNetwork = placed.hostPort === undefined && networks.length > 0 ? networks : [networks[0]];
  return perNetwork.flatMap((network) =>
    protocolsOf(placed.spec).map((protocol): DiscoveryPort => {
      const labels = [...(labelsOf(placed.spec.labels).labels ?? []), ...scopeLabels(placed, mode, network)];
      return {
        number: placed.hostPort ?? placed.containerPort,
        ...(placed.spec.name === undefined ? {} : { name: placed.spec.name }),
        protocol,
        ...(labels.length === 0 ? {} : { labels: { labels } }),
      };
    }),
  );
}

function discoveryOf(
  name: string,
  placement: Placement,
  networks: readonly string[],
  ports = placement.ports,
): Discovery {
  const all = ports.flatMap((placed) => discoveryPorts(placed, placement.mode, networks));
  return { visibility: 'FRAMEWORK', name, ports: all.length === 0 ? {} : { ports: all } };
}

export function portMappings(ports: readonly PlacedPort[]): readonly PortMapping[] {
  return ports.flatMap(({ spec, hostPort, containerPort }) =>
    hostPort === undefined
      ? []
      : protocolsOf(spec).map((protocol) => ({ host_port: hostPort, container_port: containerPort, protocol })),
  );
}

function dockerContainer(
  spec: TaskSpec,
  taskId: string,
  placement: Placement,
  networks: readonly string[],
): ContainerInfo {
  const mappings = portMappings(placement.ports);
  return {
    type: 'DOCKER',
    docker: {
      image: spec.image ?? 'registry.example/app:1',
      network: placement.mode === 'docker-bridge' ? 'BRIDGE' : 'USER',
      ...(mappings.length === 0 ? {} : { port_mappings: mappings }),
      privileged: false,
      parameters: [{ key: 'label', value: `MESOS_TASK_ID=${taskId}` }],
      force_pull_image: false,
    },
    ...(networks.length === 0 ? {} : { network_infos: networks.map((name) => ({ name })) }),
  };
}

function ucrNetworks(placement: Placement, networks: readonly string[]): readonly NetworkInfo[] {
  const mappings = portMappings(placement.ports);
  return networks.map((name, index) => ({
    ip_addresses: [
      { protocol: 'IPv4' as const },
      ...(placement.addresses[index]?.ipv6 === undefined ? [] : [{ protocol: 'IPv6' as const }]),
    ],
    name,
    labels: {},
    ...(mappings.length === 0 || index > 0 ? {} : { port_mappings: mappings }),
  }));
}

function mesosImage(image: string | undefined): NonNullable<ContainerInfo['mesos']> {
  return { image: { type: 'DOCKER', docker: { name: image ?? 'registry.example/app:1' }, cached: true } };
}

function containerOf(spec: TaskSpec, taskId: string, placement: Placement): ContainerInfo | undefined {
  const networks = networkNames(spec.network ?? { mode: 'host' });
  if (placement.mode === 'docker-bridge' || placement.mode === 'docker-user') {
    return dockerContainer(spec, taskId, placement, networks);
  }
  if (placement.mode === 'host')
    return spec.image === undefined ? undefined : { type: 'MESOS', mesos: mesosImage(spec.image) };
  return { type: 'MESOS', mesos: mesosImage(spec.image), network_infos: ucrNetworks(placement, networks) };
}

function healthCheckOf(spec: HealthCheckSpec, ports: readonly PlacedPort[], mode: string): HealthCheck {
  const placed = ports[spec.portIndex ?? 0];
  const port = (mode === 'host' ? placed?.hostPort : placed?.containerPort) ?? 0;
  const times = {
    delay_seconds: spec.delaySeconds ?? 15,
    interval_seconds: spec.intervalSeconds ?? 10,
    timeout_seconds: spec.timeoutSeconds ?? 5,
    consecutive_failures: spec.consecutiveFailures ?? 3,
    grace_period_seconds: spec.gracePeriodSeconds ?? 60,
  };
  if (spec.type === 'COMMAND') return { ...times, type: 'COMMAND', command: { shell: true, value: 'true' } };
  if (spec.type === 'TCP') return { ...times, type: 'TCP', tcp: { protocol: 'IPv4', port } };
  return { ...times, type: 'HTTP', http: { protocol: 'IPv4', scheme: 'http', port, path: spec.path ?? '/' } };
}

function hostPortsOf(ports: readonly PlacedPort[]): readonly number[] {
  return ports.flatMap(({ hostPort }) => (hostPort === undefined ? [] : [hostPort]));
}

function withLabels(spec: ContainerSpec): { labels?: Labels } {
  const labels = labelsOf(spec.labels);
  return labels.labels === undefined ? {} : { labels };
}

function killPolicy(seconds: number | undefined): Pick<Task, 'kill_policy'> {
  return seconds === undefined ? {} : { kill_policy: { grace_period: { nanoseconds: seconds * 1e9 } } };
}

export function taskOf(spec: TaskSpec, taskId: string, placement: Placement): Task {
  const networks = networkNames(spec.network ?? { mode: 'host' });
  const container = containerOf(spec, taskId, placement);
  return {
    name: spec.name,
    task_id: { value: taskId },
    framework_id: { value: spec.framework },
    agent_id: { value: placement.agentId },
    state: 'TASK_STAGING',
    resources: resourcesOf(spec.resources ?? {}, hostPortsOf(placement.ports), spec.role ?? '*'),
    ...withLabels(spec),
    ...(spec.withoutDiscovery === true
      ? {}
      : { discovery: discoveryOf(spec.discoveryName ?? spec.name, placement, networks) }),
    ...(container === undefined ? {} : { container }),
    ...(spec.healthCheck === undefined
      ? {}
      : { health_check: healthCheckOf(spec.healthCheck, placement.ports, placement.mode) }),
    ...killPolicy(spec.killGraceSeconds),
    ...(spec.user === undefined ? {} : { user: spec.user }),
  };
}

// A pod's container: no network in the task, the ports belong to the executor.
export function podTaskOf(pod: PodSpec, container: ContainerSpec, ids: PodTaskIds, placement: Placement): Task {
  const networks = networkNames(pod.network ?? { mode: 'ucr-overlay' });
  const own = placement.ports.filter(({ spec }) => container.ports?.includes(spec) === true);
  const check = container.healthCheck;
  return {
    name: container.name,
    task_id: { value: ids.taskId },
    framework_id: { value: pod.framework },
    executor_id: { value: ids.executorId },
    agent_id: { value: placement.agentId },
    state: 'TASK_STAGING',
    resources: resourcesOf({ disk: 0, ...container.resources }, [], pod.role ?? '*'),
    ...withLabels(container),
    discovery: discoveryOf(pod.discoveryName, placement, networks, own),
    container: { type: 'MESOS', mesos: mesosImage(container.image) },
    ...(check === undefined ? {} : { health_check: healthCheckOf(check, own, placement.mode) }),
    ...killPolicy(pod.killGraceSeconds),
  };
}

interface PodTaskIds {
  readonly taskId: string;
  readonly executorId: string;
}

export function executorOf(pod: PodSpec, executorId: string, placement: Placement): Executor {
  const names = networkNames(pod.network ?? { mode: 'ucr-overlay' });
  const mappings = portMappings(placement.ports);
  const infos = names.map((name) => ({
    name,
    labels: {},
    ...(mappings.length === 0 ? {} : { port_mappings: mappings }),
  }));
  const labels = labelsOf(pod.labels);
  return {
    executor_info: {
      type: 'DEFAULT',
      executor_id: { value: executorId },
      framework_id: { value: pod.framework },
      ...(infos.length === 0 ? {} : { container: { type: 'MESOS', network_infos: infos } }),
      resources: resourcesOf({ cpus: 0.1, mem: 32, disk: 10 }, hostPortsOf(placement.ports), pod.role ?? '*'),
      ...(labels.labels === undefined ? {} : { labels }),
    },
    agent_id: { value: placement.agentId },
  };
}
