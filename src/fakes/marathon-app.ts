// Marathon's app definition: what may be posted in any version's form, and the one form the fake keeps.
export interface AppPort {
  readonly port?: number;
  readonly containerPort?: number;
  readonly hostPort?: number | null;
  readonly servicePort?: number;
  readonly protocol?: string;
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface AppCheck {
  // HTTP, HTTPS, TCP are run by Marathon; MESOS_HTTP, MESOS_TCP and COMMAND by Mesos.
  readonly protocol?: string;
  readonly path?: string;
  readonly portIndex?: number;
  readonly port?: number;
  readonly intervalSeconds?: number;
  readonly timeoutSeconds?: number;
  readonly gracePeriodSeconds?: number;
  readonly delaySeconds?: number;
  readonly maxConsecutiveFailures?: number;
}

interface AppContainer {
  readonly type?: string;
  readonly docker?: {
    readonly image?: string;
    readonly network?: string;
    readonly portMappings?: readonly AppPort[];
    readonly [more: string]: unknown;
  };
  readonly volumes?: readonly unknown[];
  readonly portMappings?: readonly AppPort[];
}

export interface AppNetwork {
  readonly mode: string;
  readonly name?: string;
}

// As posted; anything not named here is kept and answered as it came.
export interface AppDefinition {
  readonly id?: string;
  readonly cmd?: string | null;
  readonly instances?: number;
  readonly cpus?: number;
  readonly mem?: number;
  readonly disk?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, unknown>>;
  readonly networks?: readonly AppNetwork[];
  readonly container?: AppContainer | null;
  readonly portDefinitions?: readonly AppPort[];
  readonly ports?: readonly number[];
  readonly ipAddress?: {
    readonly networkName?: string;
    readonly discovery?: { readonly ports?: readonly (AppPort & { readonly number: number })[] };
  } | null;
  readonly requirePorts?: boolean;
  readonly healthChecks?: readonly AppCheck[];
  readonly readinessChecks?: readonly {
    readonly name?: string;
    readonly path?: string;
    readonly portName?: string;
    readonly intervalSeconds?: number;
    readonly timeoutSeconds?: number;
  }[];
  readonly taskKillGracePeriodSeconds?: number;
  readonly upgradeStrategy?: { readonly minimumHealthCapacity: number; readonly maximumOverCapacity: number };
  readonly unreachableStrategy?:
    'disabled' | { readonly inactiveAfterSeconds: number; readonly expungeAfterSeconds: number };
  readonly user?: string;
  readonly [more: string]: unknown;
}

export interface App extends AppDefinition {
  readonly id: string;
  readonly instances: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly networks: readonly AppNetwork[];
  readonly version: string;
  readonly versionInfo: { readonly lastConfigChangeAt: string; readonly lastScalingAt: string };
}

interface AppDefaults {
  readonly role: string;
  // Hands out service ports for those that ask for 0 or nothing.
  nextServicePort(): number;
}

export function absoluteId(id: string): string {
  return `/${id.replace(/^\/+|\/+$/g, '')}`;
}

// '/groupware/nginx' is 'nginx.groupware' in Mesos and 'groupware_nginx' in task ids.
export function mesosName(id: string): string {
  return id.slice(1).split('/').reverse().join('.');
}

export function safeId(id: string): string {
  return id.slice(1).replaceAll('/', '_');
}

interface Problem {
  readonly path: string;
  readonly errors: readonly string[];
}

const ID_PART = /^(([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])\.)*([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])$/;

export function problemsOf(posted: AppDefinition): readonly Problem[] {
  const problems: Problem[] = [];
  const id = posted.id ?? '';
  if (
    id === '' ||
    !absoluteId(id)
      .slice(1)
      .split('/')
      .every((part) => ID_PART.test(part))
  ) {
    problems.push({ path: '/id', errors: ['must fully match regular expression of a path of lower-case names'] });
  }
  if (posted.instances !== undefined && !(posted.instances >= 0))
    problems.push({ path: '/instances', errors: ['must not be negative'] });
  if (posted.networks?.some(({ mode, name }) => mode === 'container' && name === undefined) === true) {
    problems.push({ path: '/networks', errors: ['a container network needs a name'] });
  }
  return problems;
}

function networksOf(posted: AppDefinition): readonly AppNetwork[] {
  if (posted.networks !== undefined && posted.networks.length > 0) return posted.networks;
  const old = posted.container?.docker?.network;
  const name = posted.ipAddress?.networkName;
  if (old === 'BRIDGE') return [{ mode: 'container/bridge' }];
  if (old === 'USER' || (posted.ipAddress ?? null) !== null)
    return [{ mode: 'container', ...(name === undefined ? {} : { name }) }];
  return [{ mode: 'host' }];
}

function mappingsOf(posted: AppDefinition): readonly AppPort[] {
  const mappings = posted.container?.portMappings ?? posted.container?.docker?.portMappings;
  if (mappings !== undefined) return mappings;
  return (posted.ipAddress?.discovery?.ports ?? []).map(({ number, ...port }) => ({
    ...port,
    containerPort: number,
    hostPort: null,
  }));
}

function keptMapping(port: AppPort, bridged: boolean, defaults: AppDefaults): AppPort {
  const { hostPort = bridged ? 0 : null, servicePort = 0, ...rest } = port;
  return {
    ...rest,
    containerPort: port.containerPort ?? 0,
    ...(hostPort === null ? {} : { hostPort }),
    labels: port.labels ?? {},
    protocol: port.protocol ?? 'tcp',
    servicePort: servicePort === 0 ? defaults.nextServicePort() : servicePort,
  };
}

function keptDefinition(port: AppPort, defaults: AppDefaults): AppPort {
  const wanted = port.port ?? 0;
  return {
    ...port,
    labels: port.labels ?? {},
    port: wanted === 0 ? defaults.nextServicePort() : wanted,
    protocol: port.protocol ?? 'tcp',
  };
}

function hostPortsOf(posted: AppDefinition): readonly AppPort[] {
  if (posted.portDefinitions !== undefined) return posted.portDefinitions;
  return (posted.ports ?? [0]).map((port, index) => ({ port, name: index === 0 ? 'default' : `port${String(index)}` }));
}

function containerOf(
  posted: AppDefinition,
  networks: readonly AppNetwork[],
  defaults: AppDefaults,
): { container?: AppContainer } {
  const host = networks.every(({ mode }) => mode === 'host');
  if ((posted.container ?? null) === null && host) return {};
  const { network: _mode, portMappings: _old, ...docker } = posted.container?.docker ?? {};
  const bridged = networks.some(({ mode }) => mode === 'container/bridge');
  const image =
    posted.container?.docker === undefined
      ? {}
      : { docker: { forcePullImage: false, parameters: [], privileged: false, ...docker } };
  return {
    container: {
      type: posted.container?.type ?? 'MESOS',
      ...image,
      volumes: posted.container?.volumes ?? [],
      ...(host ? {} : { portMappings: mappingsOf(posted).map((port) => keptMapping(port, bridged, defaults)) }),
    },
  };
}

// The kept form: 1.5's networks and port mappings, every default written out.
export function normalizeApp(posted: AppDefinition, version: string, defaults: AppDefaults): App {
  const { container: _container, ipAddress: _address, ports: _ports, portDefinitions: _definitions, ...rest } = posted;
  const networks = networksOf(posted);
  const host = networks.every(({ mode }) => mode === 'host');
  return {
    acceptedResourceRoles: ['*'],
    backoffFactor: 1.15,
    backoffSeconds: 1,
    cpus: 1,
    disk: 0,
    executor: '',
    gpus: 0,
    killSelection: 'YOUNGEST_FIRST',
    maxLaunchDelaySeconds: 300,
    mem: 128,
    requirePorts: false,
    role: defaults.role,
    unreachableStrategy: { inactiveAfterSeconds: 0, expungeAfterSeconds: 0 },
    upgradeStrategy: { maximumOverCapacity: 1, minimumHealthCapacity: 1 },
    ...rest,
    ...containerOf(posted, networks, defaults),
    ...(host ? { portDefinitions: hostPortsOf(posted).map((port) => keptDefinition(port, defaults)) } : {}),
    id: absoluteId(posted.id ?? ''),
    instances: posted.instances ?? 1,
    labels: posted.labels ?? {},
    networks,
    version,
    versionInfo: { lastConfigChangeAt: version, lastScalingAt: version },
  };
}

// How Marathon up to 1.4 answered: networking inside docker and ipAddress.
export function oldForm(app: App): Record<string, unknown> {
  const { networks, container, ...rest } = app;
  const [network] = networks;
  if (network === undefined || network.mode === 'host') {
    if (container?.docker === undefined) return { ...rest, ...(container === undefined ? {} : { container }) };
    return { ...rest, container: { ...container, docker: { ...container.docker, network: 'HOST' } } };
  }
  const { portMappings = [], ...shell } = container ?? {};
  const ipAddress = { networkName: network.name, labels: {}, discovery: { ports: [] as unknown[] } };
  if (container?.docker === undefined || container.type === 'MESOS') {
    ipAddress.discovery.ports = portMappings.map(({ containerPort, name, protocol, labels }) => ({
      number: containerPort,
      name,
      protocol,
      labels,
    }));
    return { ...rest, container: shell, ipAddress };
  }
  const docker = { ...container.docker, network: network.mode === 'container' ? 'USER' : 'BRIDGE', portMappings };
  return { ...rest, container: { ...shell, docker }, ...(network.mode === 'container' ? { ipAddress } : {}) };
}

export function servicePortsOf(app: App): readonly number[] {
  const mappings = app.container?.portMappings?.map(({ servicePort }) => servicePort ?? 0);
  return mappings ?? app.portDefinitions?.map(({ port }) => port ?? 0) ?? [];
}
