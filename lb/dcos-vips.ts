// The body of dcos-net's `GET /v1/vips` out of the table: shape for shape, weights hidden, VIPs without a backend too.

import type { Table } from '../src/ports/index.ts';
import { vipZone } from './vip-names.ts';
import type { VipProtocol, VipRecord } from './vip-record.ts';

export interface DcosVip {
  /** `NAME.l4lb.thisdcos.directory:PORT` or `IP:PORT`; IPv6 without brackets, as the reference writes it. */
  readonly vip: string;
  readonly protocol: VipProtocol;
  readonly backend: readonly { readonly ip: string; readonly port: number }[];
}

/** One object for each protocol, VIP and port, sorted by VIP (specs/l4lb.md §2.8). */
export function dcosVips(table: Table<VipRecord>): readonly DcosVip[] {
  return [...table.values()].map(dcosVip).sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
}

function dcosVip({ protocol, name, ips, port, set }: VipRecord): DcosVip {
  const host = name === null ? (ips[0] ?? '') : `${name}.${vipZone}`;
  return {
    vip: `${host}:${port}`,
    protocol,
    backend: set.backends.map((backend) => ({ ip: backend.ip, port: backend.port })),
  };
}

const sortKey = ({ vip, protocol }: DcosVip): string => `${vip} ${protocol}`;
