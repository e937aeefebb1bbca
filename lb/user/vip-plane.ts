// The user-space plane: follows the table of VIPs with one socket for each protocol, address and port. Liveness replaces pickers, only
// coming and going VIPs open and close sockets.

import { isIPv6 } from '../../src/cluster/index.ts';
import type { Plane, Table, TableChange } from '../../src/ports/index.ts';
import { OpenAddresses, walkInSlices, type Logger } from '../../src/runtime/index.ts';
import { canonicalIp } from '../ip-number.ts';
import { vipName, vipsMeant } from '../vip-names.ts';
import { vipKey, vipTarget, type VipRecord } from '../vip-record.ts';
import { bindHint } from './bind-problem.ts';
import { createBindReports, someOf, type BindReports } from './bind-reports.ts';
import { closeSpot, createVipSpot, followRecord, labelOf, type SpotTools, type VipSpot } from './vip-spot.ts';

export interface VipPlaneOptions extends SpotTools {
  readonly log: Logger;
}

/** Sockets that are opened or closed in one turn. */
const groupSize = 32;
/** How long a whole table keeps others waiting at a time. */
const sliceMs = 3;

export class VipPlane implements Plane<VipRecord> {
  readonly name = 'vips';
  readonly #options: VipPlaneOptions;
  readonly #reports: BindReports;
  readonly #records = new Map<string, VipRecord>();
  /** VIPs that want an address and port, by `tcp/IP:PORT`, in the order of their keys: the first gets it, in every worker alike. */
  readonly #claimants = new Map<string, readonly VipRecord[]>();
  readonly #spots = new Map<string, VipSpot>();
  /** Answers of `lookup` that needed a search. */
  readonly #found = new Map<string, VipRecord | null>();
  /** `tcp NAME:PORT` or `udp IP:PORT` to `IP:PORT`; `tcp6` and `udp6` for the IPv6 address of a name. */
  readonly addresses = new OpenAddresses();
  readonly #failed = new Set<VipSpot>();
  /** Targets that several VIPs want. */
  readonly #contested = new Set<string>();
  /** Asked for again and again, while they seldom change; null: they have. */
  #problems: readonly string[] | null = null;
  #isOpen = false;

  constructor(options: VipPlaneOptions) {
    this.#options = options;
    this.#reports = createBindReports(options.log, options.clock);
  }

  async replace(table: Table<VipRecord>): Promise<void> {
    const removed = [...this.#records.keys()].filter((key) => !table.has(key));
    await this.apply({ set: [...table], removed });
  }

  /** Resolves when each listener was opened, closed, or has failed once. */
  async apply(change: TableChange<VipRecord>): Promise<void> {
    const touched = new Set<string>();
    await walkInSlices(this.#following(change, touched), sliceMs);
    this.#found.clear();
    if (this.#isOpen) await this.#settleAll(touched);
  }

  async open(): Promise<void> {
    this.#isOpen = true;
    await this.#settleAll(this.#claimants.keys());
  }

  /** Stops accepting, for good; connections go on. */
  async close(): Promise<void> {
    this.#isOpen = false;
    const spots = [...this.#spots.values()];
    this.#spots.clear();
    this.#failed.clear();
    this.addresses.clear();
    this.#problems = null;
    await Promise.all(spots.map(({ listener }) => listener.close()));
  }

  problems(): readonly string[] {
    return (this.#problems ??= this.#allProblems());
  }

  #allProblems(): readonly string[] {
    const failed = new Map<string, string[]>();
    for (const spot of this.#failed) {
      const places = failed.get(spot.failure ?? '');
      if (places === undefined) failed.set(spot.failure ?? '', [placeOf(spot)]);
      else places.push(placeOf(spot));
    }
    const lines = [...failed].map(([code, places]) => `${someOf(places.sort())} cannot be opened: ${bindHint(code)}`);
    const clashes = [...this.#contested].flatMap((target) => clashesOf(target, this.#claimants.get(target) ?? []));
    return [...lines, ...clashes].sort();
  }

  lookup(nameOrIp: string, port: number): VipRecord | null {
    const exact = this.#records.get(vipKey('tcp', canonicalIp(nameOrIp), port));
    if (exact !== undefined) return exact;
    const asked = vipTarget(nameOrIp, port);
    let found = this.#found.get(asked);
    if (found === undefined) this.#found.set(asked, (found = this.#search(nameOrIp, port)));
    return found;
  }

  /** A label's name without its framework: that of the framework `marathon`, or the only one there is. */
  #search(asked: string, port: number): VipRecord | null {
    const meant = vipsMeant(this.#records, asked).filter((record) => record.protocol === 'tcp' && record.port === port);
    const [first = null] = meant;
    const preferred = `${vipName(asked)}.marathon`;
    return meant.length <= 1 ? first : (meant.find(({ name }) => name === preferred) ?? null);
  }

  *#following(change: TableChange<VipRecord>, touched: Set<string>): Generator<void> {
    for (const key of change.removed) yield this.#follow(key, undefined, touched);
    for (const [key, record] of change.set) yield this.#follow(key, record, touched);
  }

  #follow(key: string, record: VipRecord | undefined, touched: Set<string>): void {
    const before = this.#records.get(key);
    if (record === undefined) this.#records.delete(key);
    else this.#records.set(key, record);
    for (const target of targetsOf(before)) this.#claim(target, before, undefined, touched);
    for (const target of targetsOf(record)) this.#claim(target, before, record, touched);
    if (record === undefined && before !== undefined) this.#options.meters.connections.drop(labelOf(before));
  }

  /** `record` claims the target and `before` does not any more. */
  #claim(target: string, before: VipRecord | undefined, record: VipRecord | undefined, touched: Set<string>): void {
    touched.add(target);
    const former = this.#claimants.get(target) ?? [];
    const others = former.filter((one) => one !== before);
    const claimants = record === undefined ? others : others.length === 0 ? [record] : [...others, record].sort(byKey);
    if (claimants.length === 0) this.#claimants.delete(target);
    else this.#claimants.set(target, claimants);
    if (former.length <= 1 && claimants.length <= 1) return;
    this.#problems = null;
    if (claimants.length > 1) this.#contested.add(target);
    else this.#contested.delete(target);
  }

  /** In groups: thousands of sockets opened in one turn would keep everybody else waiting. */
  async #settleAll(targets: Iterable<string>): Promise<void> {
    const all = [...targets];
    for (let start = 0; start < all.length && this.#isOpen; start += groupSize) {
      if (start > 0) await new Promise((resolve) => setImmediate(resolve));
      await Promise.all(all.slice(start, start + groupSize).map((target) => this.#settle(target)));
    }
    this.#reports.flush();
  }

  /** Brings the socket of a target in line with who wants it. */
  async #settle(target: string): Promise<void> {
    const record = this.#claimants.get(target)?.[0] ?? null;
    const spot = this.#spots.get(target);
    if (record === null) {
      this.#spots.delete(target);
      if (spot !== undefined) await this.#closeSpot(spot);
    } else if (spot === undefined) {
      await this.#openSpot(target, record);
    } else {
      const name = listenerKey(spot);
      followRecord(spot, record, this.#options);
      if (name !== listenerKey(spot)) this.#rename(spot, name);
    }
  }

  async #openSpot(target: string, record: VipRecord): Promise<void> {
    const ip = record.ips.find((candidate) => targetOf(record, candidate) === target) ?? '';
    const spot = createVipSpot(record, ip, this.#options, (own, code) => this.#report(own, code));
    this.#spots.set(target, spot);
    await spot.listener.open();
  }

  #rename(spot: VipSpot, former: string): void {
    if (spot.failure !== null) this.#problems = null;
    if (!spot.listener.isOpen) return;
    const address = vipTarget(spot.ip, spot.port);
    this.addresses.delete(former, address);
    this.addresses.add(listenerKey(spot), address);
  }

  #closeSpot(spot: VipSpot): Promise<void> {
    if (spot.listener.isOpen) this.addresses.delete(listenerKey(spot), vipTarget(spot.ip, spot.port));
    this.#setFailure(spot, null);
    return closeSpot(spot, this.#options);
  }

  #report(spot: VipSpot, code: string | null): void {
    if (code === null) this.addresses.add(listenerKey(spot), vipTarget(spot.ip, spot.port));
    if (code === spot.failure) return;
    this.#setFailure(spot, code);
    this.#reports.add(placeOf(spot), code);
  }

  #setFailure(spot: VipSpot, code: string | null): void {
    if (code === spot.failure) return;
    if ((code === null) !== (spot.failure === null)) this.#options.meters.unbound.value += code === null ? -1 : 1;
    spot.failure = code;
    this.#problems = null;
    if (code === null) this.#failed.delete(spot);
    else this.#failed.add(spot);
  }
}

const byKey = (a: VipRecord, b: VipRecord): number => (a.key < b.key ? -1 : 1);

const targetOf = (record: VipRecord, ip: string): string => vipKey(record.protocol, ip, record.port);

const targetsOf = (record: VipRecord | undefined): readonly string[] =>
  record === undefined ? [] : record.ips.map((ip) => targetOf(record, ip));

function clashesOf(target: string, [first, ...losers]: readonly VipRecord[]): string[] {
  return losers.map(
    (record) =>
      `${record.key}: ${target.slice(target.indexOf('/') + 1)} belongs to ${first?.key ?? ''}; give one of them another address or port`,
  );
}

function listenerKey({ record, ip }: VipSpot): string {
  const protocol = record.name !== null && isIPv6(ip) ? `${record.protocol}6` : record.protocol;
  return `${protocol} ${vipTarget(record.name ?? ip, record.port)}`;
}

const placeOf = (spot: VipSpot): string => `${listenerKey(spot)} at ${vipTarget(spot.ip, spot.port)}`;
