// Records of one task in dcos-net's zone of tasks, and the VIP names it asks for (specs/dns.md §6.2, §6.5).

import { isServing, parseVipLabel, type Allocation, type Task } from '../../src/cluster/index.ts';
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

/** Names of VIPs (`web.marathon`) that a serving task has labels for; each once. */
export function vipNames(task: Task): readonly string[] {
  if (!isServing(task) || task.framework === '') return [];
  const names = task.ports.flatMap(({ vips }) =>
    vips.flatMap((text) => {
      const label = parseVipLabel(text, task.framework);
      return 'kind' in label && label.kind === 'named' ? [label.name] : [];
    }),
  );
  return [...new Set(names)];
}

/** Records of a VIP's name by the address that it was given. */
export function vipRecords(name: string, allocation: Allocation, settings: ZoneSettings): readonly Contribution[] {
  const owner = `${name}.${dcosZones.l4lb}`;
  if (!isName(owner)) return [];
  const ips = [allocation.ip4, allocation.ip6].filter((ip) => ip !== null);
  const addresses = addressRrs(ips, settings.dcosTtl).map((rr) => ({ name: owner, rr }));
  return [...addresses, ...pointers(ips, owner, settings.dcosTtl)];
}
