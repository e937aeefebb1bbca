// The user-space plane: follows the table of VIPs with one socket for each protocol, address and port. Liveness replaces pickers, only
// coming and going VIPs open and close sockets.

import { isIPv6 } from '../../src/cluster/index.ts';
import type { Plane, Table, TableChange } from '../../src/ports/index.ts';
import type { Logger } from '../../src/runtime/index.ts';
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

interface Told {
  readonly listeners: Readonly<Record<string, string>>;
  readonly problems: readonly string[];
}

export class VipPlane implements Plane<VipRecord> {
  readonly name = 'vips';
  readonly #options: VipPlaneOptions;
  readonly #reports: BindReports;
  readonly #records = new Map<string, VipRecord>();
  /** VIPs that want an address and port, by `tcp/IP:PORT`; the first by key gets it, in every worker alike. */
  readonly #claimants = new Map<string, Map<string, VipRecord>>();
  readonly #spots = new Map<string, VipSpot>();
  /** Answers of `lookup` that needed a search. */
  readonly #found = new Map<string, VipRecord | null>();
  #isOpen = false;
  /** What is told of the sockets as they are: asked for again and again, while they seldom change. */
  #told: Told | null = null;

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
    for (const key of change.removed) this.#follow(key, undefined, touched);
    for (const [key, record] of change.set) this.#follow(key, record, touched);
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
    this.#told = null;
    await Promise.all(spots.map(({ listener }) => listener.close()));
  }

  /** Addresses that are open, and those that should be. */
  count(): { readonly open: number; readonly wanted: number } {
    const open = [...this.#spots.values()].filter(({ listener }) => listener.isOpen).length;
    return { open, wanted: this.#spots.size };
  }

  listeners(): Readonly<Record<string, string>> {
    return this.#tell().listeners;
  }

  problems(): readonly string[] {
    return this.#tell().problems;
  }

  #tell(): Told {
    return (this.#told ??= { listeners: this.#openListeners(), problems: this.#allProblems() });
  }

  #openListeners(): Readonly<Record<string, string>> {
    const open = [...this.#spots.values()].filter(({ listener }) => listener.isOpen);
    return Object.fromEntries(
      open.map(({ record, ip, port }) => [listenerKey(record, ip), vipTarget(ip, port)] as const).sort(),
    );
  }

  #allProblems(): readonly string[] {
    const failed = new Map<string, string[]>();
    for (const spot of this.#spots.values()) {
      const { failure } = spot;
      if (failure !== null) failed.set(failure, [...(failed.get(failure) ?? []), placeOf(spot)]);
    }
    const lines = [...failed].map(([code, places]) => `${someOf(places.sort())} cannot be opened: ${bindHint(code)}`);
    const clashes = [...this.#claimants].flatMap(([target, claimants]) => clashesOf(target, claimants));
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

  #follow(key: string, record: VipRecord | undefined, touched: Set<string>): void {
    this.#told = null;
    const before = this.#records.get(key);
    for (const target of targetsOf(before)) {
      const claimants = this.#claimants.get(target);
      claimants?.delete(key);
      if (claimants?.size === 0) this.#claimants.delete(target);
      touched.add(target);
    }
    if (record === undefined) this.#records.delete(key);
    else this.#records.set(key, record);
    for (const target of targetsOf(record)) {
      let claimants = this.#claimants.get(target);
      if (claimants === undefined) this.#claimants.set(target, (claimants = new Map<string, VipRecord>()));
      claimants.set(key, record as VipRecord);
      touched.add(target);
    }
    if (record === undefined && before !== undefined) this.#options.meters.connections.drop(labelOf(before));
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
    this.#told = null;
    const record = firstOf(this.#claimants.get(target));
    const spot = this.#spots.get(target);
    if (record === null) {
      this.#spots.delete(target);
      if (spot !== undefined) await this.#closeSpot(spot);
    } else if (spot === undefined) {
      await this.#openSpot(target, record);
    } else {
      followRecord(spot, record, this.#options);
    }
  }

  async #openSpot(target: string, record: VipRecord): Promise<void> {
    const ip = record.ips.find((candidate) => targetOf(record, candidate) === target) ?? '';
    const spot = createVipSpot(record, ip, this.#options, (own, code) => this.#report(own, code));
    this.#spots.set(target, spot);
    await spot.listener.open();
  }

  #closeSpot(spot: VipSpot): Promise<void> {
    if (spot.failure !== null) this.#options.meters.unbound.value--;
    spot.failure = null;
    return closeSpot(spot, this.#options);
  }

  #report(spot: VipSpot, code: string | null): void {
    this.#told = null;
    if ((code === null) !== (spot.failure === null)) this.#options.meters.unbound.value += code === null ? -1 : 1;
    if (code === spot.failure) return;
    spot.failure = code;
    this.#reports.add(placeOf(spot), code);
  }
}

const targetOf = (record: VipRecord, ip: string): string => vipKey(record.protocol, ip, record.port);

const targetsOf = (record: VipRecord | undefined): readonly string[] =>
  record === undefined ? [] : record.ips.map((ip) => targetOf(record, ip));

function firstOf(claimants: ReadonlyMap<string, VipRecord> | undefined): VipRecord | null {
  let first: VipRecord | null = null;
  for (const record of claimants?.values() ?? []) if (first === null || record.key < first.key) first = record;
  return first;
}

function clashesOf(target: string, claimants: ReadonlyMap<string, VipRecord>): string[] {
  const first = firstOf(claimants);
  if (first === null) return [];
  const losers = [...claimants.values()].filter((record) => record !== first);
  return losers.map(
    (record) =>
      `${record.key}: ${target.slice(target.indexOf('/') + 1)} belongs to ${first.key}; give one of them another address or port`,
  );
}

/** `tcp NAME:PORT` or `udp IP:PORT`; `tcp6` and `udp6` for the IPv6 address of a name. */
function listenerKey(record: VipRecord, ip: string): string {
  const protocol = record.name !== null && isIPv6(ip) ? `${record.protocol}6` : record.protocol;
  return `${protocol} ${vipTarget(record.name ?? ip, record.port)}`;
}

const placeOf = ({ record, ip, port }: VipSpot): string => `${listenerKey(record, ip)} at ${vipTarget(ip, port)}`;
