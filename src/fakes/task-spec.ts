// What a launch asks for, before addresses and ports are known, and its networking forms.
export type NetworkMode = 'host' | 'docker-bridge' | 'docker-user' | 'ucr-overlay' | 'ucr-bridge';

export interface NetworkSpec {
  readonly mode: NetworkMode;
  // Name of the container network; needed by docker-user and ucr-overlay.
  readonly name?: string;
  // Further container networks the task joins.
  readonly more?: readonly string[];
}

export interface PortSpec {
  readonly name?: string;
  // 'tcp', 'udp', or both with a comma, which makes two discovery entries.
  readonly protocol?: string;
  readonly containerPort?: number;
  // 0 picks one; null has none. Left out: picked in host and bridge modes, none on overlays.
  readonly hostPort?: number | null;
  readonly labels?: Readonly<Record<string, string>>;
  // What the task's server speaks there; left out: http, or tcp where the health check is tcp.
  readonly serve?: ServeKind;
}

export type ServeKind = 'http' | 'tcp' | 'none';

export interface HealthCheckSpec {
  readonly type: 'HTTP' | 'TCP' | 'COMMAND';
  readonly portIndex?: number;
  readonly path?: string;
  readonly delaySeconds?: number;
  readonly intervalSeconds?: number;
  readonly timeoutSeconds?: number;
  readonly gracePeriodSeconds?: number;
  readonly consecutiveFailures?: number;
}

export interface ResourceSpec {
  readonly cpus?: number;
  readonly mem?: number;
  readonly disk?: number;
}

export interface ContainerSpec {
  readonly name: string;
  readonly ports?: readonly PortSpec[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly image?: string;
  readonly healthCheck?: HealthCheckSpec;
  readonly resources?: ResourceSpec;
}

export interface TaskSpec extends ContainerSpec {
  readonly framework: string;
  readonly taskId?: string;
  // discovery.name; left out: the task's name.
  readonly discoveryName?: string;
  readonly network?: NetworkSpec;
  readonly killGraceSeconds?: number;
  readonly agent?: string;
  readonly role?: string;
  readonly user?: string;
  readonly ipv6?: boolean;
  // Fixed container addresses in place of allocated ones.
  readonly addresses?: { readonly ipv4?: string; readonly ipv6?: string };
  readonly withoutDiscovery?: boolean;
}

export interface PodSpec {
  readonly framework: string;
  readonly discoveryName: string;
  // '<safe id>.instance-<uuid>'; containers add '.<name>.1'.
  readonly instanceId?: string;
  readonly network?: NetworkSpec;
  readonly containers: readonly ContainerSpec[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly killGraceSeconds?: number;
  readonly agent?: string;
  readonly role?: string;
  readonly ipv6?: boolean;
}

export function wantsHostPort(mode: NetworkMode, port: PortSpec): boolean {
  if (mode === 'host') return true;
  if (port.hostPort === null) return false;
  if (port.hostPort === undefined) return mode === 'docker-bridge' || mode === 'ucr-bridge';
  return true;
}

export function networkNames(network: NetworkSpec): readonly string[] {
  if (network.mode === 'host' || network.mode === 'docker-bridge') return [];
  if (network.mode === 'ucr-bridge') return ['mesos-bridge'];
  return [network.name ?? 'dcos', ...(network.more ?? [])];
}

export function protocolsOf(port: PortSpec): readonly string[] {
  return (port.protocol ?? 'tcp').split(',').map((protocol) => protocol.trim());
}
