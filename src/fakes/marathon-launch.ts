// Turns Marathon's definitions into the Mesos launches that a real Marathon would make of them.
import type { App, AppCheck, AppPort } from './marathon-app.ts';
import { mesosName, safeId } from './marathon-app.ts';
import type { Pod, PodContainer, PodEndpoint } from './marathon-pod.ts';
import type {
  ContainerSpec,
  HealthCheckSpec,
  NetworkMode,
  NetworkSpec,
  PodSpec,
  PortSpec,
  ServeKind,
  TaskSpec,
} from './task-spec.ts';

export type IdStyle = 'instance' | 'legacy';

interface LaunchIds {
  readonly instanceId: string;
  readonly taskId: string;
}

export function launchIds(appId: string, uuid: string, style: IdStyle): LaunchIds {
  const safe = safeId(appId);
  if (style === 'legacy') return { instanceId: `${safe}.marathon-${uuid}`, taskId: `${safe}.${uuid}` };
  return { instanceId: `${safe}.instance-${uuid}`, taskId: `${safe}.instance-${uuid}._app.1` };
}

const TCP_NAMES = new Set(['tcp', 'db', 'sql', 'mysql', 'postgres', 'postgresql', 'redis', 'oracle', 'amqp', 'ldap']);

function networkOf(app: App): NetworkSpec {
  const docker = app.container?.type === 'DOCKER';
  const [first, ...more] = app.networks;
  if (first === undefined || first.mode === 'host') return { mode: 'host' };
  if (first.mode === 'container/bridge') return { mode: docker ? 'docker-bridge' : 'ucr-bridge' };
  const mode: NetworkMode = docker ? 'docker-user' : 'ucr-overlay';
  const names = more.flatMap(({ name }) => (name === undefined ? [] : [name]));
  return {
    mode,
    ...(first.name === undefined ? {} : { name: first.name }),
    ...(names.length === 0 ? {} : { more: names }),
  };
}

function isMesosCheck({ protocol }: AppCheck): boolean {
  return protocol === 'COMMAND' || protocol?.startsWith('MESOS_') === true;
}

export function marathonChecks(app: App): readonly AppCheck[] {
  return (app.healthChecks ?? []).filter((check) => !isMesosCheck(check));
}

export function mesosChecks(app: App): readonly AppCheck[] {
  return (app.healthChecks ?? []).filter(isMesosCheck);
}

function checkSpec(check: AppCheck): HealthCheckSpec {
  const type = check.protocol === 'COMMAND' ? 'COMMAND' : check.protocol === 'MESOS_TCP' ? 'TCP' : 'HTTP';
  return {
    type,
    portIndex: check.portIndex ?? 0,
    ...(check.path === undefined ? {} : { path: check.path }),
    ...(check.delaySeconds === undefined ? {} : { delaySeconds: check.delaySeconds }),
    intervalSeconds: check.intervalSeconds ?? 60,
    timeoutSeconds: check.timeoutSeconds ?? 20,
    gracePeriodSeconds: check.gracePeriodSeconds ?? 300,
    consecutiveFailures: check.maxConsecutiveFailures ?? 3,
  };
}

// What the task's fake server speaks: env FAKE_SERVE, a TCP health check, or the port's name decides.
function serveOf(app: App, port: AppPort, index: number): ServeKind {
  const wanted = app.env?.['FAKE_SERVE'];
  if (wanted === 'http' || wanted === 'tcp' || wanted === 'none') return wanted;
  const tcpChecked = app.healthChecks?.some(
    ({ protocol, portIndex }) => protocol?.endsWith('TCP') === true && (portIndex ?? 0) === index,
  );
  return tcpChecked === true || TCP_NAMES.has(port.name ?? '') ? 'tcp' : 'http';
}

function portsOf(app: App): readonly PortSpec[] {
  const mappings = app.container?.portMappings;
  const ports = mappings ?? app.portDefinitions ?? [];
  return ports.map((port, index): PortSpec => {
    const hostPort =
      mappings === undefined ? (app.requirePorts === true ? (port.port ?? 0) : 0) : (port.hostPort ?? null);
    return {
      ...(port.name === undefined ? {} : { name: port.name }),
      protocol: port.protocol ?? 'tcp',
      ...(port.containerPort === undefined ? {} : { containerPort: port.containerPort }),
      hostPort,
      labels: port.labels ?? {},
      serve: serveOf(app, port, index),
    };
  });
}

export function appTask(app: App, framework: string, taskId: string, role: string): TaskSpec {
  const [check] = mesosChecks(app);
  const image = app.container?.docker?.image;
  return {
    framework,
    name: mesosName(app.id),
    taskId,
    network: networkOf(app),
    ports: portsOf(app),
    labels: app.labels,
    ...(image === undefined ? {} : { image }),
    ...(check === undefined ? {} : { healthCheck: checkSpec(check) }),
    ...(app.taskKillGracePeriodSeconds === undefined ? {} : { killGraceSeconds: app.taskKillGracePeriodSeconds }),
    resources: {
      cpus: app.cpus ?? 1,
      mem: app.mem ?? 128,
      ...(app.disk === undefined || app.disk === 0 ? {} : { disk: app.disk }),
    },
    role,
    ...(app.user === undefined ? {} : { user: app.user }),
  };
}

function endpointPort(endpoint: PodEndpoint): PortSpec {
  return {
    name: endpoint.name,
    containerPort: endpoint.containerPort ?? 0,
    hostPort: endpoint.hostPort ?? null,
    protocol: (endpoint.protocol ?? ['tcp']).join(','),
    labels: endpoint.labels ?? {},
    serve: TCP_NAMES.has(endpoint.name) ? 'tcp' : 'http',
  };
}

function podCheck(container: PodContainer): HealthCheckSpec | undefined {
  const check = container.healthCheck;
  const named = check?.http?.endpoint ?? check?.tcp?.endpoint;
  if (check === undefined || named === undefined) return undefined;
  const portIndex = Math.max(
    0,
    (container.endpoints ?? []).findIndex(({ name }) => name === named),
  );
  return {
    type: check.http === undefined ? 'TCP' : 'HTTP',
    portIndex,
    ...(check.http?.path === undefined ? {} : { path: check.http.path }),
    intervalSeconds: check.intervalSeconds ?? 60,
    timeoutSeconds: check.timeoutSeconds ?? 20,
    consecutiveFailures: check.maxConsecutiveFailures ?? 3,
  };
}

function podContainer(container: PodContainer): ContainerSpec {
  const check = podCheck(container);
  return {
    name: container.name,
    ports: (container.endpoints ?? []).map(endpointPort),
    ...(container.labels === undefined ? {} : { labels: container.labels }),
    ...(container.image?.id === undefined ? {} : { image: container.image.id }),
    ...(check === undefined ? {} : { healthCheck: check }),
    resources: container.resources ?? {},
  };
}

export function podLaunch(pod: Pod, framework: string, instanceId: string, role: string): PodSpec {
  const [network] = pod.networks;
  const mode: NetworkMode =
    network?.mode === 'host' ? 'host' : network?.mode === 'container/bridge' ? 'ucr-bridge' : 'ucr-overlay';
  return {
    framework,
    discoveryName: mesosName(pod.id),
    instanceId,
    network: { mode, ...(network?.name === undefined ? {} : { name: network.name }) },
    containers: pod.containers.map(podContainer),
    labels: pod.labels ?? {},
    role,
  };
}
