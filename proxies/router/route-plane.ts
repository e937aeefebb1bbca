// The plane of the table `routes`: compiled routes with their counters, and for each backend set the picker of the moment.

import type { PickRequest, Picker, Plane, Policy, Table, TableChange } from '../../src/ports/index.ts';
import type { Backend, BackendKey, BackendSet } from '../../src/cluster/index.ts';
import type { RouteCounters, RouterMetrics } from './router-metrics.ts';
import { RouteMatcher } from './route-matcher.ts';
import type { RouteEntry, RouteRecord } from './route-record.ts';

/** A set and who chooses from it; routes hold it, liveness replaces what is in it. */
class SetHolder {
  picker: Picker;
  readonly #policy: Policy;

  constructor(id: string, policy: Policy) {
    this.#policy = policy;
    this.picker = policy({ id, backends: [] }, null);
  }

  replace(set: BackendSet): void {
    this.picker = this.#policy(set, this.picker);
  }
}

/** What a request holds on to from its look-up to its end. */
export interface CompiledRoute {
  readonly entry: RouteEntry;
  readonly counters: RouteCounters;
  pick(request: PickRequest): Backend | null;
}

export interface RoutePlaneOptions {
  readonly policy: Policy;
  readonly metrics: RouterMetrics;
  /** An address is in no set any more: nothing new goes there. */
  readonly onBackendGone: (key: BackendKey) => void;
}

export class RoutePlane implements Plane<RouteRecord> {
  readonly name = 'routes';
  readonly #options: RoutePlaneOptions;
  readonly #matcher = new RouteMatcher<CompiledRoute>();
  readonly #sets = new Map<string, SetHolder>();
  readonly #routes = new Map<string, RouteEntry>();
  /** In how many sets an address stands. */
  readonly #uses = new Map<BackendKey, number>();
  readonly #unused = new Set<BackendKey>();

  constructor(options: RoutePlaneOptions) {
    this.#options = options;
  }

  lookup(host: string, path: string): CompiledRoute | null {
    return this.#matcher.lookup(host, path);
  }

  replace(table: Table<RouteRecord>): void {
    const gone = new Set([...this.#routes.keys()].filter((key) => !table.has(key)));
    for (const key of gone) this.#remove(key);
    for (const id of this.#sets.keys()) if (!table.has(`set:${id}`)) this.#remove(`set:${id}`);
    for (const [key, record] of table) this.#set(key, record);
    this.#matcher.compile();
    this.#retireUnused();
  }

  apply(change: TableChange<RouteRecord>): void {
    for (const key of change.removed) this.#remove(key);
    for (const [key, record] of change.set) this.#set(key, record);
    this.#matcher.compile();
    this.#retireUnused();
  }

  #set(key: string, record: RouteRecord): void {
    if (record.kind === 'set') {
      this.#replaceSet(record.id, record);
      return;
    }
    if (record.kind !== 'route') return;
    const former = this.#routes.get(key);
    if (former !== undefined) this.#matcher.remove(former.id);
    const holder = this.#holderOf(record.set);
    const counters = this.#options.metrics.countersOf(record.id);
    this.#routes.set(key, record);
    this.#matcher.set(record, { entry: record, counters, pick: (request) => holder.picker.pick(request) });
  }

  #remove(key: string): void {
    const route = this.#routes.get(key);
    if (route !== undefined) {
      this.#routes.delete(key);
      this.#matcher.remove(route.id);
      this.#options.metrics.forget(route.id);
    } else if (key.startsWith('set:')) {
      // The holder stays with routes that are removed only now, and with requests under way.
      const id = key.slice(4);
      this.#replaceSet(id, { id, backends: [] });
      this.#sets.delete(id);
    }
  }

  #holderOf(id: string): SetHolder {
    let holder = this.#sets.get(id);
    if (holder === undefined) this.#sets.set(id, (holder = new SetHolder(id, this.#options.policy)));
    return holder;
  }

  #replaceSet(id: string, set: BackendSet): void {
    const holder = this.#holderOf(id);
    for (const { key } of holder.picker.set.backends) this.#count(key, -1);
    for (const { key } of set.backends) this.#count(key, 1);
    holder.replace({ id, backends: set.backends });
  }

  #count(key: BackendKey, by: number): void {
    const uses = (this.#uses.get(key) ?? 0) + by;
    this.#uses.set(key, uses);
    if (uses === 0) this.#unused.add(key);
    else this.#unused.delete(key);
  }

  #retireUnused(): void {
    for (const key of this.#unused) {
      this.#uses.delete(key);
      this.#options.onBackendGone(key);
    }
    this.#unused.clear();
  }
}
