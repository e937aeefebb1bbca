// The plane of the table `routes`: records compiled where they change. Routes, ports and app ids lead to options and services, which
// requests hold and which change under them.

import type { Plane, Table, TableChange } from '../../src/ports/index.ts';
import type { AppKey, BackendKey } from '../../src/cluster/index.ts';
import { walkInSlices } from '../../src/runtime/index.ts';
import type { Peer, RequestView } from '../http1/index.ts';
import { Branches } from './branches.ts';
import { countNotDone } from './not-done.ts';
import type { OptionsEntry } from './options-record.ts';
import { compilePolicy, type PolicyTools, type RequestPolicy } from './request-policy.ts';
import type { RouteCounters, RouterMetrics } from './router-metrics.ts';
import { RouteMatcher } from './route-matcher.ts';
import {
  setKey,
  type PortEntry,
  type RouteEntry,
  type RouteRecord,
  type RouteTarget,
  type SetEntry,
} from './route-record.ts';
import { Service, type ServiceOptions } from './service.ts';
import type { RouteBranch } from './traffic-record.ts';

/** What is done to the requests of some routes: null while nothing is. */
export interface OptionsHolder {
  policy: RequestPolicy | null;
  entry: OptionsEntry | null;
}

/** What a request holds on to from its look-up to its end. */
export interface CompiledRoute {
  /** The label `route` of metrics and log. */
  readonly id: string;
  readonly entry: RouteTarget;
  readonly counters: RouteCounters;
  readonly options: OptionsHolder;
  readonly service: Service;
  /** Other apps that share the route; null where it is one app's alone. */
  readonly branches: Branches | null;
}

export interface CompiledPort {
  readonly entry: PortEntry;
  readonly route: CompiledRoute;
}

export interface RoutePlaneOptions extends ServiceOptions {
  readonly policies: PolicyTools;
  readonly metrics: RouterMetrics;
  /** An address is in no set any more: nothing new goes there. */
  readonly onBackendGone: (key: BackendKey) => void;
  /** Opens and closes listeners; the change is in force once it resolves. */
  readonly onPorts: (ports: ReadonlyMap<number, CompiledPort>) => Promise<void>;
}

/** How long a first table keeps others waiting at a time. */
const sliceMs = 3;

export class RoutePlane implements Plane<RouteRecord> {
  readonly name = 'routes';
  readonly ports = new Map<number, CompiledPort>();
  readonly #options: RoutePlaneOptions;
  readonly #matcher = new RouteMatcher<CompiledRoute>();
  readonly #records = new Map<string, RouteRecord>();
  readonly #apps = new Map<string, CompiledRoute>();
  readonly #passed = new Map<string, CompiledRoute>();
  readonly #holders = new Map<string, OptionsHolder>();
  readonly #services = new Map<string, Service>();
  /** In how many sets an address stands. */
  readonly #uses = new Map<BackendKey, number>();
  readonly #unused = new Set<BackendKey>();
  /** By how many routes, ports and app ids a service or options are held: then they stay, whatever becomes of their records. */
  readonly #held = new Map<string, number>();
  readonly #notDone = countNotDone();
  #portsChanged = false;
  /** Ports that close where nobody is left. */
  #closing = 0;
  /** Routes that ask where a request comes from. */
  #sources = 0;
  /** Routes of Marathon-LB as measured on https: there the name of the handshake counts, and the Host does not (specs/l7.md §1.8). */
  #byServerName = 0;
  #byNameAsSent = 0;

  constructor(options: RoutePlaneOptions) {
    this.#options = options;
  }

  /** What labels ask for in vain, for people. */
  problems(): readonly string[] {
    return this.#notDone.problems();
  }

  /** `clientOf` is asked for routes that ask for networks alone. */
  lookup(
    request: RequestView,
    peer: Peer,
    clientOf: (request: RequestView, peer: Peer) => string,
  ): CompiledRoute | null {
    const address = this.#sources > 0 ? clientOf(request, peer) : '';
    const host = peer.secure && this.#byServerName > 0 ? this.#serverNameOf(peer) : request.host;
    return this.#matcher.lookup(host, request.matchPath, request, address, peer.secure ? 'https' : 'http');
  }

  #serverNameOf({ tls }: Peer): string {
    return (this.#byNameAsSent > 0 ? tls?.askedName : undefined) ?? tls?.serverName ?? '';
  }

  /** By X-Marathon-App-Id, which is compared whole and in any case. */
  lookupApp(id: string): CompiledRoute | null {
    return this.#apps.get(id.toLowerCase()) ?? null;
  }

  /** Where TLS for a server name, lower case, goes as it comes; null: nowhere. */
  lookupSni(name: string): CompiledRoute | null {
    if (this.#passed.size === 0) return null;
    const exact = this.#passed.get(name);
    if (exact !== undefined) return exact;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const wild = this.#passed.get(`*${name.slice(dot)}`);
      if (wild !== undefined) return wild;
    }
    return null;
  }

  /** Others get their turn under a first table, which takes half a second where the cluster is large: no request is led by half of it. */
  async replace(table: Table<RouteRecord>): Promise<void> {
    const isFirst = this.#records.size === 0;
    for (const key of [...this.#records.keys()]) if (!table.has(key)) this.#remove(key);
    if (isFirst) await walkInSlices(this.#takingFirst(table), sliceMs);
    else for (const [key, record] of table) this.#set(key, record);
    await this.#settle();
  }

  *#takingFirst(table: Table<RouteRecord>): Generator<void> {
    yield* this.#taking(table);
    yield* this.#matcher.compiling();
  }

  *#taking(records: Iterable<readonly [string, RouteRecord]>): Generator<void> {
    for (const [key, record] of records) yield this.#set(key, record);
  }

  async apply({ set, removed }: TableChange<RouteRecord>): Promise<void> {
    for (const key of removed) this.#remove(key);
    // Backends that come and go, each set for itself, need not be followed in one turn: in a failover there are thousands.
    if (set.every(([, { kind }]) => kind === 'set')) await walkInSlices(this.#taking(set), sliceMs);
    else for (const [key, record] of set) this.#set(key, record);
    await this.#settle();
  }

  async #settle(): Promise<void> {
    this.#matcher.compile();
    for (const key of this.#unused) {
      this.#uses.delete(key);
      this.#options.onBackendGone(key);
      this.#options.metrics.forgetBackend(key);
    }
    this.#unused.clear();
    if (!this.#portsChanged) return;
    this.#portsChanged = false;
    await this.#options.onPorts(this.#openPorts());
  }

  #openPorts(): ReadonlyMap<number, CompiledPort> {
    if (this.#closing === 0) return this.ports;
    return new Map(
      [...this.ports].filter(([, { entry, route }]) => entry.closesEmpty !== true || !route.service.isEmpty),
    );
  }

  #set(key: string, record: RouteRecord): void {
    const former = this.#records.get(key);
    this.#records.set(key, record);
    this.#hold(record, 1);
    this.#hold(former, -1);
    this.#notDone.count(record, 1);
    this.#notDone.count(former, -1);
    switch (record.kind) {
      case 'route':
        if (former?.kind === 'route') this.#matcher.remove(former.id);
        this.#sources += asksSource(record) - asksSource(former);
        this.#byServerName += asksServerName(record) - asksServerName(former);
        this.#byNameAsSent += asksNameAsSent(record) - asksNameAsSent(former);
        this.#dropBranches(former);
        this.#matcher.set(record, this.#compileShared(record));
        break;
      case 'port':
        this.#closing += closes(record) - closes(former);
        this.ports.set(record.port, { entry: record, route: this.#compile(`port:${record.port}`, record) });
        this.#portsChanged = true;
        break;
      case 'app':
        this.#apps.set(record.id, this.#compile(`app:${record.id}`, record));
        break;
      case 'sni':
        this.#passed.set(record.id, this.#compile(`sni:${record.id}`, record));
        break;
      case 'options':
        this.#configure(record.id, record);
        break;
      case 'service':
        this.serviceOf(record.id).configure(record);
        break;
      case 'set':
        this.#replaceSet(record, former?.kind === 'set' ? former : null);
        break;
    }
  }

  #remove(key: string): void {
    const record = this.#records.get(key);
    if (record === undefined) return;
    this.#records.delete(key);
    this.#hold(record, -1);
    this.#notDone.count(record, -1);
    const { metrics } = this.#options;
    switch (record.kind) {
      case 'route':
        this.#matcher.remove(record.id);
        this.#sources -= asksSource(record);
        this.#byServerName -= asksServerName(record);
        this.#byNameAsSent -= asksNameAsSent(record);
        this.#dropBranches(record);
        metrics.forget(record.id);
        break;
      case 'port':
        this.#closing -= closes(record);
        this.ports.delete(record.port);
        this.#portsChanged = true;
        metrics.forget(`port:${record.port}`);
        break;
      case 'app':
        this.#apps.delete(record.id);
        metrics.forget(`app:${record.id}`);
        break;
      case 'sni':
        this.#passed.delete(record.id);
        metrics.forget(`sni:${record.id}`);
        break;
      case 'options':
        this.#configure(record.id, null);
        if (!this.#held.has(`options:${record.id}`)) this.#holders.delete(record.id);
        break;
      case 'service':
        this.serviceOf(record.id).configure(null);
        this.#forgetService(record.id);
        break;
      case 'set':
        // The service stays with routes that are removed only now, and with requests under way.
        this.#replaceSet({ ...record, backends: [], names: [] }, record);
        this.#forgetService(record.id);
        break;
    }
  }

  #compile(id: string, entry: RouteTarget): CompiledRoute {
    return {
      id,
      entry,
      counters: this.#options.metrics.countersOf(id),
      options: this.#holderOf(entry.options),
      service: this.serviceOf(entry.set),
      branches: null,
    };
  }

  /** Requests that go to a branch are counted and logged under its name. */
  #compileShared(record: RouteEntry): CompiledRoute {
    const route = this.#compile(record.id, record);
    if (record.branches === undefined) return route;
    const branches = record.branches.map((branch) => {
      const { app, appId, portIndex, set } = branch;
      const entry = { app: app as AppKey, appId, portIndex, set, options: record.options };
      return { branch, route: this.#compile(branchId(record, branch), entry) };
    });
    return { ...route, branches: new Branches(route, record.share?.weight ?? 0, branches) };
  }

  #dropBranches(record: RouteRecord | undefined): void {
    if (record?.kind !== 'route') return;
    for (const branch of record.branches ?? []) this.#options.metrics.forget(branchId(record, branch));
  }

  #configure(id: string, entry: OptionsEntry | null): void {
    const holder = this.#holderOf(id);
    holder.policy = entry === null ? null : compilePolicy(entry, this.#options.policies);
    holder.entry = entry;
  }

  #holderOf(id: string): OptionsHolder {
    let holder = this.#holders.get(id);
    if (holder === undefined) this.#holders.set(id, (holder = { policy: null, entry: null }));
    return holder;
  }

  /** Empty where nothing is said of it yet. */
  serviceOf(id: string): Service {
    let service = this.#services.get(id);
    if (service === undefined) this.#services.set(id, (service = new Service(id, this.#options)));
    return service;
  }

  #hold(record: RouteRecord | undefined, by: number): void {
    if (record?.kind !== 'route' && record?.kind !== 'port' && record?.kind !== 'app' && record?.kind !== 'sni') return;
    const sets = [record.set, ...(record.kind === 'route' ? (record.branches ?? []) : []).map(({ set }) => set)];
    for (const key of [`options:${record.options}`, ...sets.map((set) => `service:${set}`)]) {
      const count = (this.#held.get(key) ?? 0) + by;
      if (count > 0) this.#held.set(key, count);
      else this.#held.delete(key);
    }
    if (!this.#records.has(`options:${record.options}`) && !this.#held.has(`options:${record.options}`))
      this.#holders.delete(record.options);
    for (const set of sets) this.#forgetService(set);
  }

  #forgetService(id: string): void {
    if (this.#records.has(setKey(id)) || this.#records.has(`service:${id}`)) return;
    if (!this.#held.has(`service:${id}`)) this.#services.delete(id);
  }

  #replaceSet(set: SetEntry, former: SetEntry | null): void {
    for (const { key } of former?.backends ?? []) this.#count(key, -1);
    for (const { key } of set.backends) this.#count(key, 1);
    const service = this.serviceOf(set.id);
    const wasEmpty = service.isEmpty;
    service.replaceSet(set);
    if (this.#closing > 0 && wasEmpty !== service.isEmpty) this.#portsChanged = true;
  }

  #count(key: BackendKey, by: number): void {
    const uses = (this.#uses.get(key) ?? 0) + by;
    this.#uses.set(key, uses);
    if (uses === 0) this.#unused.add(key);
    else this.#unused.delete(key);
  }
}

const branchId = (route: RouteEntry, { appId, portIndex }: RouteBranch): string =>
  `${route.id} -> ${appId}:${portIndex}`;

const closes = (record: RouteRecord | undefined): number =>
  record?.kind === 'port' && record.closesEmpty === true ? 1 : 0;

const asksSource = (record: RouteRecord | undefined): number =>
  record?.kind === 'route' && record.conditions?.some(({ on }) => on === 'source') === true ? 1 : 0;

const asksServerName = (record: RouteRecord | undefined): number =>
  record?.kind === 'route' && record.listener === 'https' && record.dialect === 'marathon-lb-reference' ? 1 : 0;

const asksNameAsSent = (record: RouteRecord | undefined): number =>
  record?.kind === 'route' && record.namesAsSent === true ? 1 : 0;
