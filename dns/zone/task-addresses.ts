// Addresses of a task for its names, by the configured sources and selection (specs/dns.md §2.3).

import type { Task } from '../../src/cluster/index.ts';
import { canonicalAddress } from '../wire/index.ts';
import type { IpSource, ZoneSettings } from './options.ts';

/** Every address of the task's agent, the one of its pid first. */
export function agentAddresses(task: Task): readonly string[] {
  return task.agentIps.length > 0 || task.agentIp === null ? task.agentIps : [task.agentIp];
}

const labelOfSource: Readonly<Partial<Record<IpSource, string>>> = {
  docker: 'Docker.NetworkSettings.IPAddress',
  mesos: 'MesosContainerizer.NetworkSettings.IPAddress',
};

function addressesOf(task: Task, source: IpSource): readonly string[] {
  if (source === 'host') return agentAddresses(task);
  if (source === 'netinfo') return task.addresses.map(({ ip }) => ip);
  const text = task.statusLabels[labelOfSource[source] ?? ''];
  return text === undefined ? [] : [text];
}

/** What is no address is passed over. */
export function taskAddresses(task: Task, settings: ZoneSettings): readonly string[] {
  if (settings.ipSelection === 'first-per-family') return firstPerFamily(task, settings);
  for (const source of settings.ipSources) {
    const ips = addressesOf(task, source).flatMap((text) => canonicalAddress(text) ?? []);
    if (ips.length > 0) return ips;
  }
  return [];
}

function firstPerFamily(task: Task, { ipSources }: ZoneSettings): readonly string[] {
  let ip4: string | undefined;
  let ip6: string | undefined;
  for (const source of ipSources) {
    for (const text of addressesOf(task, source)) {
      const ip = canonicalAddress(text);
      if (ip === null) continue;
      if (ip.includes(':')) ip6 ??= ip;
      else ip4 ??= ip;
    }
  }
  return [ip4, ip6].filter((ip) => ip !== undefined);
}
