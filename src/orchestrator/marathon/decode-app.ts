// Apps of Marathon as core records: both forms of networking, the one up to 1.4 and the one since 1.5 (specs/orchestrator.md §3.2). Pure.

import {
  appKey,
  noLabels,
  type App,
  type AppHealthCheck,
  type AppPort,
  type FrameworkId,
  type Labels,
  type NetworkMode,
} from '../../cluster/index.ts';
import { listOf, numberOf, objectOf, portOf, textOf, type JsonObject } from '../json.ts';

/** Which Marathon speaks. */
export interface Marathon {
  /** The framework it runs as. */
  readonly name: string;
  /** Null where only its name is known. */
  readonly frameworkId: FrameworkId | null;
}

/** Labels as Marathon writes them: a plain object. */
export function marathonLabels(value: unknown): Labels {
  const entries = Object.entries(objectOf(value)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return entries.length === 0 ? noLabels : Object.freeze(Object.fromEntries(entries));
}

/** An app of `/v2/apps`; null without id. */
export function decodeApp(value: unknown, marathon: Marathon): App | null {
  const raw = objectOf(value);
  const id = textOf(raw['id']);
  if (id === null || id === '') return null;
  const path = id.startsWith('/') ? id : `/${id}`;
  const networkMode = networkModeOf(raw);
  return Object.freeze({
    key: appKey(marathon.name, path),
    marathon: marathon.name,
    frameworkId: marathon.frameworkId,
    id: path,
    labels: marathonLabels(raw['labels']),
    networkMode,
    ports: Object.freeze(portsOf(raw, networkMode)),
    healthChecks: Object.freeze(listOf(raw['healthChecks']).map(decodeHealthCheck)),
    hasReadinessChecks: listOf(raw['readinessChecks']).length > 0,
    instances: numberOf(raw['instances']) ?? 0,
    ...lastScaling(raw),
    ...constraintsOf(raw),
    version: textOf(raw['version']),
    deploying: listOf(raw['deployments']).length > 0,
    inferred: false,
  });
}

/** `versionInfo.lastScalingAt`, by which a blue/green deployment that goes back is told. */
function lastScaling(raw: JsonObject): { readonly lastScalingAt?: number } {
  const time = Date.parse(textOf(objectOf(raw['versionInfo'])['lastScalingAt']) ?? '');
  return Number.isNaN(time) ? {} : { lastScalingAt: time };
}

function constraintsOf(raw: JsonObject): { readonly constraints?: readonly string[] } {
  const constraints = listOf(raw['constraints']).map((parts) => listOf(parts).map(String).join(':'));
  return constraints.length === 0 ? {} : { constraints: Object.freeze(constraints) };
}

/** As Marathons call it to Mesos's own containers, unless they are told otherwise. */
const bridgeOfMesos = 'mesos-bridge';

/** Name of the one network that the app's tasks are on; null for none or several. */
export function networkNameOf(value: unknown): string | null {
  const raw = objectOf(value);
  const networks = listOf(raw['networks']).map(objectOf);
  const names = networks.map((network) => textOf(network['name'])).filter((name) => name !== null);
  if (names.length > 0) return names.length === 1 ? (names[0] ?? null) : null;
  const isOfMesos = objectOf(raw['container'])['type'] === 'MESOS';
  if (isOfMesos && networks.length === 1 && networks[0]?.['mode'] === 'container/bridge') return bridgeOfMesos;
  return textOf(objectOf(raw['ipAddress'])['networkName']);
}

function networkModeOf(raw: JsonObject): NetworkMode {
  const modes = listOf(raw['networks']).map((network) => textOf(objectOf(network)['mode']) ?? 'container');
  if (modes.length > 0) {
    if (modes.includes('container')) return 'container';
    return modes.includes('container/bridge') ? 'bridge' : 'host';
  }
  const docker = textOf(objectOf(objectOf(raw['container'])['docker'])['network']);
  if (docker === 'BRIDGE') return 'bridge';
  if (docker === 'USER' || isObject(raw['ipAddress'])) return 'container';
  return 'host';
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

function portsOf(raw: JsonObject, mode: NetworkMode): AppPort[] {
  if (mode === 'host') return definedPorts(raw);
  const container = objectOf(raw['container']);
  const mappings = listOf(container['portMappings'] ?? objectOf(container['docker'])['portMappings']);
  if (mappings.length > 0) return mappedPorts(mappings, mode);
  const discovered = discoveredPorts(raw);
  return discovered.length > 0 ? discovered : definedPorts(raw);
}

/** Host networking: `portDefinitions`, or `ports` of old. Their number is the service port; the host's comes with each task. */
function definedPorts(raw: JsonObject): AppPort[] {
  const definitions = listOf(raw['portDefinitions']);
  if (definitions.length === 0) {
    return listOf(raw['ports']).map((port, index) =>
      freezePort({ index, servicePort: portOf(port), hostPortIndex: index }, {}),
    );
  }
  return definitions
    .map(objectOf)
    .map((port, index) => freezePort({ index, servicePort: portOf(port['port']), hostPortIndex: index }, port));
}

/** A task's `ports` count only the mappings that have a host port; on a bridge all do (specs/orchestrator.md §3.1). */
function mappedPorts(mappings: readonly unknown[], mode: NetworkMode): AppPort[] {
  let hostPorts = 0;
  return mappings.map(objectOf).map((mapping, index) => {
    const hasHostPort = mode === 'bridge' || numberOf(mapping['hostPort']) !== null;
    const numbers = {
      index,
      servicePort: portOf(mapping['servicePort']),
      containerPort: numberOf(mapping['containerPort']),
      hostPortIndex: hasHostPort ? hostPorts++ : null,
    };
    return freezePort(numbers, mapping);
  });
}

/** IP per task before 1.5: ports only under `ipAddress.discovery`. */
function discoveredPorts(raw: JsonObject): AppPort[] {
  const ports = listOf(objectOf(objectOf(raw['ipAddress'])['discovery'])['ports']).map(objectOf);
  return ports.map((port, index) => freezePort({ index, containerPort: portOf(port['number']) }, port));
}

type PortNumbers = Pick<AppPort, 'index'> & Partial<Pick<AppPort, 'servicePort' | 'containerPort' | 'hostPortIndex'>>;

function freezePort(numbers: PortNumbers, raw: JsonObject): AppPort {
  return Object.freeze({
    index: numbers.index,
    name: textOf(raw['name']),
    protocol: protocolOf(raw['protocol']),
    servicePort: numbers.servicePort ?? null,
    containerPort: numbers.containerPort ?? null,
    hostPortIndex: numbers.hostPortIndex ?? null,
    labels: marathonLabels(raw['labels']),
  });
}

/** `tcp`, `udp` or `tcp,udp`, from a text in any order or from a pod's list. */
export function protocolOf(value: unknown): string {
  const parts = (Array.isArray(value) ? value.map(String) : (textOf(value) ?? 'tcp').split(',')).map((part) =>
    part.trim().toLowerCase(),
  );
  return [...new Set(parts)].sort().join(',');
}

function decodeHealthCheck(value: unknown): AppHealthCheck {
  const raw = objectOf(value);
  return Object.freeze({
    protocol: textOf(raw['protocol']) ?? 'HTTP',
    path: textOf(raw['path']),
    portIndex: numberOf(raw['portIndex']),
    port: portOf(raw['port']),
    intervalMs: (numberOf(raw['intervalSeconds']) ?? 60) * 1000,
    timeoutMs: (numberOf(raw['timeoutSeconds']) ?? 20) * 1000,
    maxConsecutiveFailures: numberOf(raw['maxConsecutiveFailures']) ?? 3,
  });
}
