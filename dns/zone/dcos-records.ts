// Records of one task in dcos-net's zone of tasks, and the VIP names it asks for (specs/dns.md §6.2, §6.5).

import { addressesOfPort, isServing, parseVipLabel, type Allocation, type Task } from '../../src/cluster/index.ts';
import { dcosBase } from '../naming.ts';
import { isName } from '../wire/index.ts';
import { dcosZones } from '../zones.ts';
import { addressRrs, type Contribution } from './contribution.ts';
import type { ZoneSettings } from './options.ts';
import { pointers } from './reverse-records.ts';

/** `agentip`, `containerip` and `autoip` of a running task. */
export function dcosTaskRecords(task: Task, settings: ZoneSettings): readonly Contribution[] {
  if (task.state !== 'TASK_RUNNING') return [];
  const base = dcosBase(nameOf(task), task.framework);
  if (base === '' || !isName(`${base}.containerip.${dcosZones.dcos}`)) return [];
  const agent = task.agentIp === null ? [] : [task.agentIp];
  const container = task.addresses.map(({ ip }) => ip);
  const auto = container.length === 0 || isReachedThroughAgent(task) ? agent : container;
  return [
    ...under(base, 'agentip', agent, settings),
    ...under(base, 'containerip', container, settings),
    ...under(base, 'autoip', auto, settings),
  ];
}

const nameOf = (task: Task): string =>
  task.discoveryName === null || task.discoveryName === '' ? task.name : task.discoveryName;

/** One port behind a host port is enough. */
function isReachedThroughAgent(task: Task): boolean {
  return task.mappings.some(({ hostPort }) => hostPort > 0) || task.ports.some(({ hostPort }) => (hostPort ?? 0) > 0);
}

function under(base: string, kind: string, ips: readonly string[], settings: ZoneSettings): Contribution[] {
  const name = `${base}.${kind}.${dcosZones.dcos}`;
  return addressRrs(ips, settings.dcosTtl).map((rr) => ({ name, rr }));
}

/** Families of the backends that a task is for a VIP: a VIP has an address of each family that one of its backends has. */
export interface VipFamilies {
  readonly ip4: boolean;
  readonly ip6: boolean;
}

/** VIPs (`web.marathon`) that a serving task has labels for, each once. */
export function vipNames(task: Task): ReadonlyMap<string, VipFamilies> {
  const names = new Map<string, VipFamilies>();
  if (!isServing(task) || task.framework === '') return names;
  for (const port of task.ports) {
    if (port.vips.length === 0 || (port.protocol !== 'tcp' && port.protocol !== 'udp')) continue;
    const ips = addressesOfPort(task, port).map(({ ip }) => ip);
    for (const text of port.vips) {
      const label = parseVipLabel(text, task.framework);
      if (!('kind' in label) || label.kind !== 'named') continue;
      const { ip4 = false, ip6 = false } = names.get(label.name) ?? {};
      names.set(label.name, {
        ip4: ip4 || ips.some((ip) => !ip.includes(':')),
        ip6: ip6 || ips.some((ip) => ip.includes(':')),
      });
    }
  }
  return names;
}

/** Records of a VIP's name by the addresses that it was given, of the families of its backends. */
export function vipRecords(
  name: string,
  { ip4, ip6 }: Allocation,
  families: VipFamilies,
  settings: ZoneSettings,
): readonly Contribution[] {
  const owner = `${name}.${dcosZones.l4lb}`;
  if (!isName(owner)) return [];
  const ips = [...(families.ip4 && ip4 !== null ? [ip4] : []), ...(families.ip6 && ip6 !== null ? [ip6] : [])];
  const addresses = addressRrs(ips, settings.dcosTtl).map((rr) => ({ name: owner, rr }));
  return [...addresses, ...pointers(ips, owner, settings.dcosTtl)];
}
