// The view `vips`: tasks' labels and fitness folded into one record per VIP. A task's change touches the VIPs that it claims, a verdict
// those of its address, an allocation those of its name.

import {
  backendKey,
  fitness,
  makeBackend,
  sameRecord,
  type Backend,
  type BackendKey,
  type Delta,
  type Diagnostic,
  type Snapshot,
  type TaskKey,
} from '../src/cluster/index.ts';
import type { Table, TableChange, View } from '../src/ports/index.ts';
import { inParts } from '../src/runtime/index.ts';
import { familyOf } from './ip-number.ts';
import { printVips } from './vip-print.ts';
import type { VipOptions } from './vip-options.ts';
import type { LocalAddress, VipRecord } from './vip-record.ts';
import { claimAlike, claimsOf, noClaims, type TaskClaims, type VipClaim } from './vip-claims.ts';

export interface VipViewOptions {
  /** False: no address and no backend of IPv6 anywhere, but VIPs whose label gives one are shown, without backends. */
  readonly ipv6: boolean;
}

export interface VipView extends View<VipRecord> {
  readonly table: Table<VipRecord>;
  /** Names that should have an address, whether they have one or not. */
  wantedNames(): Iterable<string>;
  /** Addresses of VIPs without names. */
  explicitAddresses(): Iterable<string>;
  /** Changes whenever one of the two above does. */
  readonly namesVersion: number;
}

/** A millisecond's worth. */
const tasksPerStep = 100;
const vipsPerStep = 50;
const noChange: TableChange<VipRecord> = { set: [], removed: [] };

export function createVipView(options: VipViewOptions): VipView {
  return new VipTableView(options);
}

class VipTableView implements VipView {
  readonly name = 'vips';
  readonly #ipv6: boolean;
  readonly #table = new Map<string, VipRecord>();
  readonly #claims = new Map<TaskKey, TaskClaims>();
  readonly #members = new Map<string, Set<TaskKey>>();
  /** Most addresses are one task's: a set for each would weigh more than the claims. */
  readonly #tasksAt = new Map<BackendKey, TaskKey | Set<TaskKey>>();
  readonly #keysOfName = new Map<string, Set<string>>();
  readonly #keysOfAddress = new Map<string, Set<string>>();
  #namesVersion = 0;

  constructor(options: VipViewOptions) {
    this.#ipv6 = options.ipv6;
  }

  get table(): Table<VipRecord> {
    return this.#table;
  }

  get namesVersion(): number {
    return this.#namesVersion;
  }

  wantedNames(): Iterable<string> {
    return this.#keysOfName.keys();
  }

  explicitAddresses(): Iterable<string> {
    return this.#keysOfAddress.keys();
  }

  rebuild(snapshot: Snapshot): TableChange<VipRecord> {
    const parts = [...this.rebuildInSlices(snapshot)];
    return { set: parts.flatMap(({ set }) => set), removed: parts.flatMap(({ removed }) => removed) };
  }

  *rebuildInSlices(snapshot: Snapshot): Generator<TableChange<VipRecord>, void> {
    for (const index of [this.#claims, this.#members, this.#tasksAt, this.#keysOfName, this.#keysOfAddress])
      index.clear();
    this.#namesVersion++;
    const touched = new Set(this.#table.keys());
    let count = 0;
    for (const key of snapshot.tasks.keys()) {
      this.#follow(key, snapshot, touched);
      if (++count % tasksPerStep === 0) yield noChange;
    }
    for (const keys of inParts(touched, vipsPerStep)) yield this.#update(keys, snapshot);
  }

  derive(delta: Delta, snapshot: Snapshot): TableChange<VipRecord> {
    const touched = new Set<string>();
    for (const [key, { before, after }] of delta.tasks) {
      if (before === undefined || after === undefined || !claimAlike(before, after))
        this.#follow(key, snapshot, touched);
      else for (const claim of this.#claims.get(key)?.claims ?? []) touched.add(claim.key);
    }
    for (const backend of delta.verdicts.keys()) {
      for (const task of listOf(this.#tasksAt.get(backend))) {
        for (const claim of this.#claims.get(task)?.claims ?? []) touched.add(claim.key);
      }
    }
    for (const name of delta.allocations.keys()) for (const key of this.#keysOfName.get(name) ?? []) touched.add(key);
    return this.#update(touched, snapshot);
  }

  /** One for each app and label, however many tasks the app has. */
  diagnostics(): readonly Diagnostic[] {
    const found = new Map<string, Diagnostic>();
    for (const task of [...this.#claims.keys()].sort()) {
      for (const diagnostic of this.#claims.get(task)?.diagnostics ?? []) {
        const { app, key, value, reason } = diagnostic;
        const id = JSON.stringify([app ?? task, key, value, reason]);
        if (!found.has(id)) found.set(id, diagnostic);
      }
    }
    return [...found.values()];
  }

  print(): string {
    return printVips(this.#table);
  }

  #follow(key: TaskKey, snapshot: Snapshot, touched: Set<string>): void {
    const task = snapshot.tasks.get(key);
    const before = this.#claims.get(key) ?? noClaims;
    const after = task === undefined ? noClaims : this.#shared(claimsOf(task, this.#ipv6));
    if (after === noClaims) this.#claims.delete(key);
    else this.#claims.set(key, after);
    if (sameRecord(before.claims, after.claims)) {
      for (const claim of after.claims) touched.add(claim.key);
    } else {
      this.#withdraw(key, before, touched);
      this.#claim(key, after, touched);
    }
  }

  /** Tasks of one VIP claim it in the same words, which are kept once. */
  #shared(own: TaskClaims): TaskClaims {
    if (own.claims.length === 0) return own;
    const claims = own.claims.map((claim) => {
      const known = this.#firstClaim(claim.key);
      if (known === undefined) return claim;
      const options = sameRecord(known.options, claim.options) ? known.options : claim.options;
      return { ...claim, key: known.key, name: known.name, ip: known.ip, options };
    });
    return { claims, diagnostics: own.diagnostics };
  }

  #firstClaim(key: string): VipClaim | undefined {
    const first = this.#members.get(key)?.values().next().value;
    return first === undefined ? undefined : this.#claims.get(first)?.claims.find((claim) => claim.key === key);
  }

  #claim(key: TaskKey, own: TaskClaims, touched: Set<string>): void {
    for (const claim of own.claims) {
      touched.add(claim.key);
      setIn(this.#members, claim.key).add(key);
      for (const { ip, port } of claim.endpoints) putTask(this.#tasksAt, backendKey(ip, port), key);
      const names = this.#namesOf(claim);
      if (!names.index.has(names.name)) this.#namesVersion++;
      setIn(names.index, names.name).add(claim.key);
    }
  }

  #withdraw(key: TaskKey, own: TaskClaims, touched: Set<string>): void {
    for (const claim of own.claims) {
      touched.add(claim.key);
      this.#members.get(claim.key)?.delete(key);
      for (const { ip, port } of claim.endpoints) dropTask(this.#tasksAt, backendKey(ip, port), key);
    }
    for (const claim of own.claims) {
      if (this.#members.get(claim.key)?.size !== 0) continue;
      this.#members.delete(claim.key);
      const names = this.#namesOf(claim);
      dropFrom(names.index, names.name, claim.key);
      if (!names.index.has(names.name)) this.#namesVersion++;
    }
  }

  #namesOf(claim: VipClaim): { readonly index: Map<string, Set<string>>; readonly name: string } {
    return claim.name === null
      ? { index: this.#keysOfAddress, name: claim.ip ?? '' }
      : { index: this.#keysOfName, name: claim.name };
  }

  #update(touched: Iterable<string>, snapshot: Snapshot): TableChange<VipRecord> {
    const set: [string, VipRecord][] = [];
    const removed: string[] = [];
    for (const key of touched) {
      const before = this.#table.get(key);
      const after = this.#record(key, snapshot);
      if (after === null) {
        if (this.#table.delete(key)) removed.push(key);
      } else if (!sameRecord(before, after)) {
        this.#table.set(key, after);
        set.push([key, after]);
      }
    }
    return { set, removed };
  }

  #record(key: string, snapshot: Snapshot): VipRecord | null {
    const members = this.#membersOf(key);
    const first = members[0]?.claims[0];
    if (first === undefined) return null;
    const { backends, local } = backendsOfMembers(members, snapshot);
    const { protocol, name, port } = first;
    const ips = first.ip === null ? this.#addressesOf(name ?? '', backends, snapshot) : [first.ip];
    const options = optionsOfMembers(members, snapshot);
    return freeze({
      key,
      protocol,
      name,
      ips,
      port,
      set: { id: key, backends },
      ...(options === null ? {} : { options }),
      ...(local === null ? {} : { local }),
    });
  }

  #membersOf(key: string): readonly Member[] {
    return [...(this.#members.get(key) ?? [])].map((task) => ({
      task,
      claims: (this.#claims.get(task)?.claims ?? []).filter((claim) => claim.key === key),
    }));
  }

  #addressesOf(name: string, backends: readonly Backend[], snapshot: Snapshot): readonly string[] {
    const { ip4 = null, ip6 = null } = snapshot.allocations.get(name) ?? {};
    const has = (family: 4 | 6): boolean => backends.some((backend) => familyOf(backend.ip) === family);
    return [...(ip4 !== null && has(4) ? [ip4] : []), ...(ip6 !== null && has(6) && this.#ipv6 ? [ip6] : [])];
  }
}

interface Member {
  readonly task: TaskKey;
  /** Those of the VIP in question. */
  readonly claims: readonly VipClaim[];
}

interface Members {
  readonly backends: readonly Backend[];
  readonly local: Record<string, LocalAddress> | null;
}

/** Sorted by key. Where two tasks share an address (one is going, its port is reused), the one that is up speaks for it. */
function backendsOfMembers(members: readonly Member[], snapshot: Snapshot): Members {
  const found = new Map<BackendKey, Backend>();
  let local: Record<string, LocalAddress> | null = null;
  for (const { task: taskKey, claims } of members) {
    const task = snapshot.tasks.get(taskKey);
    if (task === undefined) continue;
    for (const endpoint of claims.flatMap((claim) => claim.endpoints)) {
      const key = backendKey(endpoint.ip, endpoint.port);
      const backend = makeBackend(endpoint, task, fitness(task, snapshot.verdicts.get(key)));
      const other = found.get(key);
      if (other !== undefined && other !== backend && !isBetter(backend, other)) continue;
      found.set(key, backend);
      if (endpoint.local !== undefined) (local ??= {})[key] = endpoint.local;
    }
  }
  return { backends: [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1)), local };
}

/** Each option as the task says it that was started last: while a new version is rolled out, its labels hold already. */
function optionsOfMembers(members: readonly Member[], snapshot: Snapshot): VipOptions | null {
  const said = members.flatMap(({ task, claims }) =>
    claims.flatMap(({ options }) => (options === null ? [] : [{ task, options }])),
  );
  if (said.length === 0) return null;
  const since = (task: TaskKey): number => snapshot.tasks.get(task)?.runningSince ?? 0;
  said.sort((a, b) => since(a.task) - since(b.task) || (a.task < b.task ? -1 : 1));
  return Object.freeze(Object.assign({}, ...said.map(({ options }) => options)) as VipOptions);
}

const ranks = { up: 0, draining: 1, down: 2 } as const;

function isBetter(one: Backend, other: Backend): boolean {
  const difference = ranks[one.state] - ranks[other.state];
  return difference === 0 ? String(one.task) < String(other.task) : difference < 0;
}

function freeze(record: VipRecord): VipRecord {
  Object.freeze(record.ips);
  Object.freeze(record.set.backends);
  Object.freeze(record.set);
  return Object.freeze(record);
}

function setIn<K, V>(index: Map<K, Set<V>>, key: K): Set<V> {
  let set = index.get(key);
  if (set === undefined) index.set(key, (set = new Set()));
  return set;
}

function dropFrom<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const set = index.get(key);
  if (set?.delete(value) === true && set.size === 0) index.delete(key);
}

const listOf = (tasks: TaskKey | ReadonlySet<TaskKey> | undefined): Iterable<TaskKey> =>
  tasks === undefined ? [] : typeof tasks === 'string' ? [tasks] : tasks;

function putTask(index: Map<BackendKey, TaskKey | Set<TaskKey>>, address: BackendKey, task: TaskKey): void {
  const held = index.get(address);
  if (held === undefined) index.set(address, task);
  else if (typeof held !== 'string') held.add(task);
  else if (held !== task) index.set(address, new Set([held, task]));
}

function dropTask(index: Map<BackendKey, TaskKey | Set<TaskKey>>, address: BackendKey, task: TaskKey): void {
  const held = index.get(address);
  if (held === task) index.delete(address);
  else if (held instanceof Set && held.delete(task) && held.size === 0) index.delete(address);
}
