// The user-space plane: follows the table of VIPs with one listener for each address and port of a TCP VIP. Liveness replaces pickers,
// only coming and going VIPs open and close sockets.

import { isIPv6, type Socket } from 'node:net';
import { sameRecord, type BackendSet } from '../../src/cluster/index.ts';
import type { Picker, Plane, Policy, Table, TableChange } from '../../src/ports/index.ts';
import type { Cell, Clock, Logger, Random } from '../../src/runtime/index.ts';
import { canonicalIp, familyOf } from '../ip-number.ts';
import { vipName, vipsMeant } from '../vip-names.ts';
import { backendsOf, vipKey, vipTarget, type VipRecord } from '../vip-record.ts';
import { bindProblem } from './bind-problem.ts';
import type { VipConnections } from './vip-connections.ts';
import { createVipListener, type VipListener } from './vip-listener.ts';
import type { VipMeters } from './vip-meters.ts';

export interface VipPlaneOptions {
  readonly workers: boolean;
  readonly policy: Policy;
  readonly connections: VipConnections;
  readonly meters: VipMeters;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** One address and port on which a VIP is served. */
interface Spot {
  readonly ip: string;
  readonly port: number;
  readonly listener: VipListener;
  /** Whose connections these are: VIPs can clash, where a label gives an address that a name was given. */
  record: VipRecord;
  picker: Picker;
  connections: Cell;
  /** Code of the failure that was reported; null: open. */
  failure: string | null;
}

export class VipPlane implements Plane<VipRecord> {
  readonly name = 'vips';
  readonly #options: VipPlaneOptions;
  readonly #records = new Map<string, VipRecord>();
  /** VIPs that want an address and port, by `IP:PORT`; the first by key gets it, in every worker alike. */
  readonly #claimants = new Map<string, Map<string, VipRecord>>();
  readonly #spots = new Map<string, Spot>();
  /** Answers of `lookup` that needed a search. */
  readonly #found = new Map<string, VipRecord | null>();
  #isOpen = false;
  #hasToldUdp = false;

  constructor(options: VipPlaneOptions) {
    this.#options = options;
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
    if (this.#isOpen) await Promise.all([...touched].map((target) => this.#settle(target)));
  }

  async open(): Promise<void> {
    this.#isOpen = true;
    await Promise.all([...this.#claimants.keys()].map((target) => this.#settle(target)));
  }

  /** Stops accepting, for good; connections go on. */
  async close(): Promise<void> {
    this.#isOpen = false;
    const spots = [...this.#spots.values()];
    this.#spots.clear();
    await Promise.all(spots.map((spot) => this.#closeSpot(spot)));
  }

  /** Addresses that are open, and those that should be. */
  count(): { readonly open: number; readonly wanted: number } {
    const open = [...this.#spots.values()].filter(({ listener }) => listener.isOpen).length;
    return { open, wanted: this.#spots.size };
  }

  listeners(): Readonly<Record<string, string>> {
    const open = [...this.#spots.values()].filter(({ listener }) => listener.isOpen);
    return Object.fromEntries(
      open.map(({ record, ip, port }) => [listenerKey(record, ip), vipTarget(ip, port)] as const).sort(),
    );
  }

  problems(): readonly string[] {
    const failed = [...this.#spots.values()].flatMap(({ record, ip, port, failure }) =>
      failure === null ? [] : [`${listenerKey(record, ip)}: ${bindProblem(failure, ip, port)}`],
    );
    const clashes = [...this.#claimants].flatMap(([target, claimants]) => clashesOf(target, claimants));
    const udp = [...this.#records.values()].filter(({ protocol }) => protocol === 'udp').length;
    const unserved = udp === 0 ? [] : [`${udp} UDP VIPs are not served: the user-space plane balances TCP`];
    return [...[...failed, ...clashes].sort(), ...unserved];
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
    if (record === undefined && before?.protocol === 'tcp') this.#options.meters.connections.drop(labelOf(before));
    if (record?.protocol === 'udp' && !this.#hasToldUdp) {
      this.#hasToldUdp = true;
      this.#options.log.warn({ vip: record.key }, 'UDP VIPs are not served: the user-space plane balances TCP');
    }
  }

  /** Brings the socket of `IP:PORT` in line with who wants it. */
  async #settle(target: string): Promise<void> {
    const record = firstOf(this.#claimants.get(target));
    const spot = this.#spots.get(target);
    if (record === null) {
      this.#spots.delete(target);
      if (spot !== undefined) await this.#closeSpot(spot);
    } else if (spot === undefined) {
      await this.#openSpot(target, record);
    } else {
      const set = setFor(record, spot.ip);
      if (!sameRecord(set, spot.picker.set)) spot.picker = this.#options.policy(set, spot.picker);
      spot.record = record;
      spot.connections = this.#options.meters.connections.cell(labelOf(record));
    }
  }

  async #openSpot(target: string, record: VipRecord): Promise<void> {
    const { workers, policy, clock, random, meters } = this.#options;
    const ip = record.ips.find((candidate) => vipTarget(candidate, record.port) === target) ?? '';
    const { port } = record;
    const listener = createVipListener({
      ip,
      port,
      reusePort: workers,
      clock,
      random,
      onConnection: (socket) => this.#accept(spot, socket),
      onAttempt: (code) => this.#report(spot, code),
    });
    const picker = policy(setFor(record, ip), null);
    const spot: Spot = {
      ip,
      port,
      listener,
      record,
      picker,
      connections: meters.connections.cell(labelOf(record)),
      failure: null,
    };
    this.#spots.set(target, spot);
    await listener.open();
  }

  #closeSpot(spot: Spot): Promise<void> {
    if (spot.failure !== null) this.#options.meters.unbound.value--;
    spot.failure = null;
    return spot.listener.close();
  }

  #accept(spot: Spot, socket: Socket): void {
    spot.connections.value++;
    this.#options.connections.serve(socket, () => spot.picker);
  }

  #report(spot: Spot, code: string | null): void {
    const { log, meters } = this.#options;
    if ((code === null) !== (spot.failure === null)) meters.unbound.value += code === null ? -1 : 1;
    if (code === spot.failure) return;
    const fields = { vip: listenerKey(spot.record, spot.ip), address: vipTarget(spot.ip, spot.port) };
    if (code === null) log.info(fields, 'the VIP is open now');
    else log.warn({ ...fields, code }, `cannot open the VIP: ${bindProblem(code, spot.ip, spot.port)}`);
    spot.failure = code;
  }
}

const targetsOf = (record: VipRecord | undefined): readonly string[] =>
  record?.protocol === 'tcp' ? record.ips.map((ip) => vipTarget(ip, record.port)) : [];

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
    (record) => `${record.key}: ${target} belongs to ${first.key}; give one of them another address or port`,
  );
}

const setFor = (record: VipRecord, ip: string): BackendSet => ({
  id: record.key,
  backends: backendsOf(record, familyOf(ip)),
});

const labelOf = (record: VipRecord): string => vipTarget(record.name ?? record.ips[0] ?? '', record.port);

/** `tcp NAME:PORT`, `tcp IP:PORT`; `tcp6` for the IPv6 address of a name. */
function listenerKey(record: VipRecord, ip: string): string {
  const protocol = record.name !== null && isIPv6(ip) ? 'tcp6' : 'tcp';
  return `${protocol} ${vipTarget(record.name ?? ip, record.port)}`;
}
