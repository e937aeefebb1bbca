// A VIP: an address and port that stand for the tasks which carry its label. One record each in the table `vips`.

import type { Backend, BackendSet } from '../src/cluster/index.ts';
import { familyOf, type Family } from './ip-number.ts';

export type VipProtocol = 'tcp' | 'udp';

export interface VipRecord {
  /** `tcp/NAME:PORT` or `tcp/IP:PORT`, IPv6 in brackets. */
  readonly key: string;
  readonly protocol: VipProtocol;
  /** `fragment(label).fragment(framework)`, such as `groupware-nginx.marathon`; null where the label gave an address. */
  readonly name: string | null;
  /**
   * Where it listens: the label's address, or of each family that has a backend the one that the name was given. Empty while a name
   * has none yet.
   */
  readonly ips: readonly string[];
  readonly port: number;
  /** Both families; an address of the VIP takes the backends of its own (specs/l4lb.md §1.8). The id is the key. */
  readonly set: BackendSet;
}

/** `NAME:PORT` or `IP:PORT`, IPv6 in brackets. */
export const vipTarget = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

export const vipKey = (protocol: VipProtocol, host: string, port: number): string =>
  `${protocol}/${vipTarget(host, port)}`;

/** The backends that an address of family `family` takes. */
export const backendsOf = (record: VipRecord, family: Family): readonly Backend[] =>
  record.set.backends.filter((backend) => familyOf(backend.ip) === family);
