// The table of VIPs as lines for people and for comparing: `tcp NAME ADDRESS:PORT -> IP:PORT weight=1 …`.

import type { Table } from '../src/ports/index.ts';
import { familyOf } from './ip-number.ts';
import { backendsOf, vipTarget, type VipRecord } from './vip-record.ts';

/** One sorted line for each address of each VIP. NAME is `-` where the label gave an address, ADDRESS while a name has none. */
export function printVips(table: Table<VipRecord>): string {
  const lines = [...table.values()].flatMap(linesOf).sort();
  return lines.map((line) => `${line}\n`).join('');
}

function linesOf(record: VipRecord): string[] {
  const head = `${record.protocol} ${record.name ?? '-'}`;
  if (record.ips.length === 0) return [`${head} -:${record.port} ->${printBackends(record.set.backends)}`];
  return record.ips.map(
    (ip) => `${head} ${vipTarget(ip, record.port)} ->${printBackends(backendsOf(record, familyOf(ip)))}`,
  );
}

function printBackends(backends: VipRecord['set']['backends']): string {
  return backends.map(({ key, weight }) => ` ${key} weight=${weight}`).join('');
}
