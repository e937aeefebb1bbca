// Spots: where in the kernel the table's VIPs are, one for each address, protocol and port. Follows the table of VIPs; says which spots a
// change touches, which address belongs to whom where labels clash, and which VIPs the kernel must not take.

import type { Backend } from '../../src/cluster/index.ts';
import type { Table, TableChange } from '../../src/ports/index.ts';
import { canonicalIp, familyOf, type Family } from '../ip-number.ts';
import type { VipOptions } from '../vip-options.ts';
import { localBackends, vipTarget, type VipProtocol, type VipRecord } from '../vip-record.ts';

export interface Spot {
  /** `IP . PROTOCOL . PORT`, as nft writes it. */
  readonly key: string;
  readonly ip: string;
  readonly family: Family;
  readonly protocol: VipProtocol;
  readonly port: number;
  /** `NAME:PORT` or `IP:PORT`, as in metrics and logs. */
  readonly vip: string;
  readonly options: VipOptions;
  /** Those of the family, by key, where this machine reaches them. */
  readonly backends: readonly Backend[];
}

export class Spots {
  readonly #claimants = new Map<string, Map<string, VipRecord>>();
  readonly #records = new Map<string, VipRecord>();
  readonly #spots = new Map<string, Spot>();
  #own: ReadonlySet<string> = new Set();

  get all(): ReadonlyMap<string, Spot> {
    return this.#spots;
  }

  /**
   * Addresses of the machine: a VIP at one of them would take a port of the machine itself, and backends at one are reached at their own
   * place. Keys of the spots that may be different now.
   */
  keepOwn(own: ReadonlySet<string>): ReadonlySet<string> {
    if (this.#own.symmetricDifference(own).size === 0) return new Set();
    this.#own = own;
    const touched = new Set(this.#claimants.keys());
    for (const key of touched) this.#settle(key);
    return touched;
  }

  replace(table: Table<VipRecord>): ReadonlySet<string> {
    const removed = [...this.#records.keys()].filter((key) => !table.has(key));
    return this.follow({ set: [...table], removed });
  }

  /** Keys of the spots that may be different now. */
  follow(change: TableChange<VipRecord>): ReadonlySet<string> {
    const touched = new Set<string>();
    for (const key of change.removed) this.#claim(key, undefined, touched);
    for (const [key, record] of change.set) this.#claim(key, record, touched);
    for (const key of touched) this.#settle(key);
    return touched;
  }

  /** VIPs that are not in the kernel, a line each. */
  problems(): readonly string[] {
    return [...this.#claimants].flatMap(([key, claimants]) => this.#problemsOf(key, claimants)).sort();
  }

  #problemsOf(key: string, claimants: ReadonlyMap<string, VipRecord>): readonly string[] {
    const ip = key.slice(0, key.indexOf(' '));
    const reason = this.#unfit(ip);
    if (reason !== null)
      return [...claimants.keys()].map((name) => `${name}: ${ip} ${reason}; give it another address`);
    const first = firstOf(claimants);
    return [...claimants.keys()].flatMap((name) =>
      name === first?.key
        ? []
        : [`${name}: ${key} belongs to ${first?.key ?? ''}; give one of them another address or port`],
    );
  }

  #unfit(ip: string): string | null {
    if (this.#own.has(ip)) return "is this machine's own, and a VIP there would take a port from it";
    const isFit =
      familyOf(ip) === 4 ? !/^(0|127|169\.254|22[4-9]|2[34]\d|25[0-5])\./.test(ip) : !/^(::1?$|f[ef])/.test(ip);
    return isFit ? null : 'is no address that can be forwarded';
  }

  #claim(key: string, record: VipRecord | undefined, touched: Set<string>): void {
    for (const spot of keysOf(this.#records.get(key))) {
      const claimants = this.#claimants.get(spot);
      claimants?.delete(key);
      if (claimants?.size === 0) this.#claimants.delete(spot);
      touched.add(spot);
    }
    if (record === undefined) this.#records.delete(key);
    else this.#records.set(key, record);
    for (const spot of keysOf(record)) {
      let claimants = this.#claimants.get(spot);
      if (claimants === undefined) this.#claimants.set(spot, (claimants = new Map<string, VipRecord>()));
      claimants.set(key, record as VipRecord);
      touched.add(spot);
    }
  }

  #settle(key: string): void {
    const ip = key.slice(0, key.indexOf(' '));
    const record = firstOf(this.#claimants.get(key));
    if (record === null || this.#unfit(ip) !== null) this.#spots.delete(key);
    else this.#spots.set(key, spotOf(key, ip, record, this.#own));
  }
}

function spotOf(key: string, ip: string, record: VipRecord, own: ReadonlySet<string>): Spot {
  const { protocol, port, options = {} } = record;
  const family = familyOf(ip);
  const vip = vipTarget(record.name ?? ip, port);
  const backends = localBackends(record, own).filter((backend) => familyOf(backend.ip) === family);
  return { key, ip, family, protocol, port, vip, options, backends };
}

const keysOf = (record: VipRecord | undefined): readonly string[] =>
  record === undefined ? [] : record.ips.map((ip) => `${canonicalIp(ip)} . ${record.protocol} . ${record.port}`);

/** The first by key, as in the user-space plane. */
function firstOf(claimants: ReadonlyMap<string, VipRecord> | undefined): VipRecord | null {
  let first: VipRecord | null = null;
  for (const record of claimants?.values() ?? []) if (first === null || record.key < first.key) first = record;
  return first;
}
