// Names of VIPs as people ask for them: with or without the slash of the label, the framework and the zone.

import { mangleName } from '../src/cluster/index.ts';
import type { Table } from '../src/ports/index.ts';
import { canonicalIp, parseIp } from './ip-number.ts';
import type { VipRecord } from './vip-record.ts';

/** The zone of VIP names in DC/OS. */
export const vipZone = 'l4lb.thisdcos.directory';

/** The names of the table that `asked` may mean: itself, or else those with a framework behind it. An address means itself. */
export function vipsMeant(table: Table<VipRecord>, asked: string): readonly VipRecord[] {
  const records = [...table.values()];
  if (parseIp(asked) !== null) return records.filter(({ ips }) => ips.includes(canonicalIp(asked)));
  const name = vipName(asked);
  const exact = records.filter((record) => record.name === name);
  return exact.length > 0 ? exact : records.filter((record) => record.name?.startsWith(`${name}.`) === true);
}

/** `/web`, `web.marathon` or `web.marathon.l4lb.thisdcos.directory.` as the name (or its beginning) in the table. */
export function vipName(asked: string): string {
  const lower = asked.toLowerCase().replace(/\.$/, '');
  return mangleName(lower.endsWith(`.${vipZone}`) ? lower.slice(0, -vipZone.length - 1) : lower);
}
