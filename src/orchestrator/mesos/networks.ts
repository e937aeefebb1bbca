// How a container is on the network, read from `container` of a task or an executor (specs/orchestrator.md §6, specs/l4lb.md §1.6).

import type { NetworkMode, PortMapping } from '../../cluster/index.ts';
import { listOf, objectOf, portOf, textOf } from '../json.ts';

export interface Networks {
  /** Null where the container says nothing of it: then the host's stack is used, or that of the executor. */
  readonly mode: NetworkMode | null;
  readonly mappings: readonly PortMapping[];
}

export const noMappings: readonly PortMapping[] = Object.freeze([]);
const noNetworks: Networks = Object.freeze({ mode: null, mappings: noMappings });

/** Mesos's own bridge, under the name that DC/OS and Marathon give it. */
const bridgeName = 'mesos-bridge';

/** Mode and mappings of a `container`. Docker's default network is HOST. */
export function decodeNetworks(container: unknown): Networks {
  if (container === undefined || container === null) return noNetworks;
  const raw = objectOf(container);
  const infos = listOf(raw['network_infos']);
  if (raw['type'] !== 'DOCKER') return { mode: modeOfInfos(infos), mappings: mappingsOfInfos(infos) };
  const docker = objectOf(raw['docker']);
  return { mode: dockerMode(textOf(docker['network']), infos), mappings: mappingsOf(docker['port_mappings']) };
}

function dockerMode(network: string | null, infos: readonly unknown[]): NetworkMode {
  if (network === 'BRIDGE') return 'bridge';
  if (network === 'USER') return 'container';
  return network === null && modeOfInfos(infos) !== null ? 'container' : 'host';
}

/** A named network that is not the bridge gives an address of its own; several networks are one if any does. */
export function modeOfInfos(infos: readonly unknown[]): NetworkMode | null {
  const names = infos.map((info) => textOf(objectOf(info)['name'])).filter((name) => name !== null && name !== '');
  if (names.length === 0) return null;
  return names.every((name) => name === bridgeName) ? 'bridge' : 'container';
}

export function mappingsOfInfos(infos: readonly unknown[]): readonly PortMapping[] {
  const mappings = infos.flatMap((info) => mappingsOf(objectOf(info)['port_mappings']));
  return mappings.length === 0 ? noMappings : Object.freeze(mappings);
}

function mappingsOf(value: unknown): readonly PortMapping[] {
  const mappings: PortMapping[] = [];
  for (const item of listOf(value)) {
    const raw = objectOf(item);
    const hostPort = portOf(raw['host_port']);
    const containerPort = portOf(raw['container_port']);
    if (hostPort === null || containerPort === null) continue;
    const protocol = (textOf(raw['protocol']) ?? 'tcp').toLowerCase();
    mappings.push(Object.freeze({ protocol, hostPort, containerPort }));
  }
  return mappings.length === 0 ? noMappings : Object.freeze(mappings);
}
