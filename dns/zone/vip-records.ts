// Names of VIPs (specs/dns.md §6.5): which ones a task asks for, and their records.

import { addressesOfPort, isServing, parseVipLabel, type Allocation, type Task } from '../../src/cluster/index.ts';
import { isName } from '../wire/index.ts';
import { dcosZones } from '../zones.ts';
import { addressLines, under, type Contributions } from './contribution.ts';
import type { Memo } from './memo.ts';
import type { ZoneSettings } from './options.ts';
import { pointers } from './reverse-records.ts';

/** Families of the backends that a task is for a VIP: a VIP has an address of each family that one of its backends has. */
export interface VipFamilies {
  readonly ip4: boolean;
  readonly ip6: boolean;
}

const noVips: ReadonlyMap<string, VipFamilies> = new Map();

/** VIPs (`web.marathon`) that a serving task has labels for, each once. */
export function vipNames(task: Task, memo: Memo<string>): ReadonlyMap<string, VipFamilies> {
  if (!isServing(task) || task.framework === '' || task.ports.every(({ vips }) => vips.length === 0)) return noVips;
  const names = new Map<string, VipFamilies>();
  for (const port of task.ports) {
    if (port.vips.length === 0 || (port.protocol !== 'tcp' && port.protocol !== 'udp')) continue;
    const ips = addressesOfPort(task, port).map(({ ip }) => ip);
    for (const text of port.vips) {
      const name = memo.of(`${task.framework}\n${text}`, () => nameIn(text, task.framework));
      if (name === '') continue;
      const { ip4 = false, ip6 = false } = names.get(name) ?? {};
      names.set(name, {
        ip4: ip4 || ips.some((ip) => !ip.includes(':')),
        ip6: ip6 || ips.some((ip) => ip.includes(':')),
      });
    }
  }
  return names;
}

/** '' for a label that asks for an address, or is none. */
function nameIn(text: string, framework: string): string {
  const label = parseVipLabel(text, framework);
  return 'kind' in label && label.kind === 'named' ? label.name : '';
}

/** Records of a VIP's name by the addresses that it was given, of the families of its backends. */
export function vipRecords(
  name: string,
  { ip4, ip6 }: Allocation,
  families: VipFamilies,
  settings: ZoneSettings,
): Contributions {
  const owner = `${name}.${dcosZones.l4lb}`;
  if (!isName(owner)) return [];
  const ips = [...(families.ip4 && ip4 !== null ? [ip4] : []), ...(families.ip6 && ip6 !== null ? [ip6] : [])];
  return [...under(owner, addressLines(ips, settings.dcosTtl)), ...pointers(ips, owner, settings.dcosTtl)];
}
