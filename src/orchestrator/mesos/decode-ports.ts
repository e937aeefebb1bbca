// Ports of a task: `discovery.ports`, joined with the container's mappings and the old `vip_PORT<n>` task labels
// (specs/orchestrator.md §3.2, specs/l4lb.md §1.1, §1.6).

import {
  isVipKey,
  noLabels,
  type Labels,
  type NetworkMode,
  type PortMapping,
  type TaskPort,
} from '../../cluster/index.ts';
import { listOf, objectOf, portOf, textOf } from '../json.ts';
import { intern, labelsOf } from './fields.ts';

const noVips: readonly string[] = Object.freeze([]);
const noTaskPorts: readonly TaskPort[] = Object.freeze([]);

export interface PortContext {
  readonly mode: NetworkMode;
  readonly mappings: readonly PortMapping[];
  readonly hostPorts: readonly number[];
  readonly labels: Labels;
}

/** `like`: those of another task of the same name, whose labels are taken where they say the same. */
export function decodePorts(
  discovery: unknown,
  context: PortContext,
  like: readonly TaskPort[] = noTaskPorts,
): readonly TaskPort[] {
  const ports: TaskPort[] = [];
  for (const item of listOf(objectOf(objectOf(discovery)['ports'])['ports'])) {
    const port = decodePort(item, context, like[ports.length]);
    if (port !== null) ports.push(port);
  }
  addLegacyVips(ports, context);
  return ports.length === 0 ? noTaskPorts : Object.freeze(ports.map((port) => Object.freeze(port)));
}

/** Number 0 is a container port that Marathon could not name: nobody can use it. */
function decodePort(value: unknown, context: PortContext, like: TaskPort | undefined): TaskPort | null {
  const raw = objectOf(value);
  const number = portOf(raw['number']);
  if (number === null) return null;
  const labels = labelsOf(raw['labels'], like?.labels);
  const protocol = (textOf(raw['protocol']) ?? '').toLowerCase();
  const network = labels['network-name'];
  const name = textOf(raw['name']);
  const scope = labels['network-scope'];
  const mapping =
    scope === 'container' ? undefined : mappingOf(number, protocol, context.mappings, scope === undefined);
  const isHost = scope === undefined ? context.mode === 'host' || mapping !== undefined : scope === 'host';
  return {
    name: name === null || name === '' ? null : intern(name),
    protocol: intern(protocol),
    scope: isHost ? 'host' : 'container',
    hostPort: isHost ? (mapping?.hostPort ?? number) : null,
    containerPort: isHost ? (mapping?.containerPort ?? null) : number,
    network: network === undefined || network === '' ? null : intern(network),
    vips: vipsOf(labels),
    labels,
  };
}

function vipsOf(labels: Labels): readonly string[] {
  const vips: string[] = [];
  for (const key in labels) if (isVipKey(key)) vips.push(labels[key] ?? '');
  return vips.length === 0 ? noVips : Object.freeze(vips);
}

/**
 * The mapping that a number means: by its host port; without a scope label also by its container port, since such a framework means the
 * host port where there is one.
 */
function mappingOf(
  number: number,
  protocol: string,
  mappings: readonly PortMapping[],
  alsoByContainerPort: boolean,
): PortMapping | undefined {
  const alike = mappings.filter((one) => one.protocol === protocol);
  const byHostPort = alike.find((one) => one.hostPort === number);
  return byHostPort ?? (alsoByContainerPort ? alike.find((one) => one.containerPort === number) : undefined);
}

const letterV = 0x76;

/** `vip_PORT0=tcp://name:80`: the VIP of the task's first reserved port. An index beyond them is passed over (F09). */
function addLegacyVips(ports: TaskPort[], context: PortContext): void {
  for (const key in context.labels) {
    if ((key.charCodeAt(0) | 0x20) !== letterV) continue;
    const index = /^vip_port(\d{1,4})$/i.exec(key)?.[1];
    const vip = /^(tcp|udp):\/\/(.+)$/.exec(context.labels[key] ?? '');
    if (index === undefined || vip === null) continue;
    const hostPort = context.hostPorts[Number(index)];
    const [, protocol = '', value = ''] = vip;
    if (hostPort === undefined) continue;
    const known = ports.findIndex((port) => port.hostPort === hostPort && port.protocol === protocol);
    const port = ports[known];
    if (port !== undefined) ports[known] = { ...port, vips: Object.freeze([...port.vips, value]) };
    else ports.push(legacyPort(protocol, hostPort, value, context.mappings));
  }
}

function legacyPort(protocol: string, hostPort: number, vip: string, mappings: readonly PortMapping[]): TaskPort {
  const mapping = mappings.find((one) => one.hostPort === hostPort && one.protocol === protocol);
  const containerPort = mapping?.containerPort ?? null;
  return {
    name: null,
    protocol,
    scope: 'host',
    hostPort,
    containerPort,
    network: null,
    vips: Object.freeze([vip]),
    labels: noLabels,
  };
}

/** Fills in container ports that only late mappings can tell: those of a pod come with its first TASK_RUNNING. */
export function portsWithMappings(ports: readonly TaskPort[], mappings: readonly PortMapping[]): readonly TaskPort[] {
  if (mappings.length === 0 || !ports.some((port) => port.scope === 'host' && port.containerPort === null))
    return ports;
  return Object.freeze(
    ports.map((port) => {
      if (port.scope !== 'host' || port.containerPort !== null) return port;
      const mapping = mappings.find((one) => one.hostPort === port.hostPort && one.protocol === port.protocol);
      return mapping === undefined ? port : Object.freeze({ ...port, containerPort: mapping.containerPort });
    }),
  );
}
