// A VIP: an address and port that stand for the tasks which carry its label. One record each in the table `vips`.

import { backendKey, type Backend, type BackendSet } from '../src/cluster/index.ts';
import { familyOf, type Family } from './ip-number.ts';
import type { VipOptions } from './vip-options.ts';

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
  /** What labels `ISTHMUS_<n>_*` ask for; absent where there is none. */
  readonly options?: VipOptions;
  /**
   * By backend key: where the agent that runs the backend reaches it without its own port mapping, which a packet that was translated
   * once does not pass again (specs/l4lb.md §1.8, §2.6). Absent where no backend has such an address.
   */
  readonly local?: Readonly<Record<string, LocalAddress>>;
}

export interface LocalAddress {
  readonly ip: string;
  readonly port: number;
}

/** `NAME:PORT` or `IP:PORT`, IPv6 in brackets. */
export const vipTarget = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

export const vipKey = (protocol: VipProtocol, host: string, port: number): string =>
  `${protocol}/${vipTarget(host, port)}`;

/** The backends that an address of family `family` takes. */
export const backendsOf = (record: VipRecord, family: Family): readonly Backend[] =>
  record.set.backends.filter((backend) => familyOf(backend.ip) === family);

/** The backends as a machine with the addresses `own` reaches them: its own containers at their own addresses. */
export function localBackends({ set, local }: VipRecord, own: ReadonlySet<string>): readonly Backend[] {
  if (local === undefined) return set.backends;
  return set.backends.map((backend) => {
    const place = own.has(backend.ip) ? local[backend.key] : undefined;
    return place === undefined ? backend : { ...backend, ...place, key: backendKey(place.ip, place.port) };
  });
}
