// The body of dcos-net's `GET /v1/vips` out of the table: shape for shape, weights hidden, VIPs without a backend too; and what
// `?detail=1` adds to it.

import type { Backend, Snapshot } from '../src/cluster/index.ts';
import type { Table } from '../src/ports/index.ts';
import { vipZone } from './vip-names.ts';
import type { VipOptions } from './vip-options.ts';
import type { VipProtocol, VipRecord } from './vip-record.ts';
import { whyInState } from './why-in-state.ts';

export interface DcosVip {
  /** `NAME.l4lb.thisdcos.directory:PORT` or `IP:PORT`; IPv6 without brackets, as the reference writes it. */
  readonly vip: string;
  readonly protocol: VipProtocol;
  readonly backend: readonly { readonly ip: string; readonly port: number }[];
}

/** The fields of `DcosVip`, and behind them what the reference hides or does not know (specs/l4lb.md §7.12). */
export interface DetailedVip extends DcosVip {
  readonly backend: readonly DetailedBackend[];
  /** `NAME.FRAMEWORK`; null where the label gave an address. */
  readonly name: string | null;
  readonly port: number;
  /** Where it listens; empty while a name has no address. */
  readonly addresses: readonly string[];
  readonly options: VipOptions;
  /** Version of the cluster's picture that this is of: a larger one is newer. */
  readonly generation: number;
}

export interface DetailedBackend {
  readonly ip: string;
  readonly port: number;
  readonly weight: number;
  readonly state: Backend['state'];
  /** Why it is in that state, for people. */
  readonly reason: string;
  readonly agent_ip: string | null;
  /** Mesos's id. */
  readonly task: string | null;
  readonly healthy: boolean;
}

/** One object for each protocol, VIP and port, sorted by VIP (specs/l4lb.md §2.8). */
export function dcosVips(table: Table<VipRecord>): readonly DcosVip[] {
  return [...table.values()].map(dcosVip).sort(byVip);
}

/** The same with all that is known. */
export function detailedVips(
  table: Table<VipRecord>,
  snapshot: Pick<Snapshot, 'tasks' | 'verdicts' | 'version'>,
): readonly DetailedVip[] {
  return [...table.values()]
    .map((record): DetailedVip => {
      const { name, port, ips, set, options = {} } = record;
      const backend = set.backends.map((one) => detailedBackend(one, snapshot));
      return { ...dcosVip(record), backend, name, port, addresses: ips, options, generation: snapshot.version };
    })
    .sort(byVip);
}

function dcosVip({ protocol, name, ips, port, set }: VipRecord): DcosVip {
  const host = name === null ? (ips[0] ?? '') : `${name}.${vipZone}`;
  return {
    vip: `${host}:${port}`,
    protocol,
    backend: set.backends.map((backend) => ({ ip: backend.ip, port: backend.port })),
  };
}

function detailedBackend(backend: Backend, snapshot: Pick<Snapshot, 'tasks' | 'verdicts'>): DetailedBackend {
  const { ip, port, weight, state } = backend;
  const task = backend.task === null ? undefined : snapshot.tasks.get(backend.task);
  return {
    ip,
    port,
    weight,
    state,
    reason: whyInState(backend, snapshot),
    agent_ip: task?.agentIp ?? null,
    task: task?.id ?? null,
    healthy: state === 'up',
  };
}

const sortKey = ({ vip, protocol }: DcosVip): string => `${vip} ${protocol}`;
const byVip = (a: DcosVip, b: DcosVip): number => (sortKey(a) < sortKey(b) ? -1 : 1);
