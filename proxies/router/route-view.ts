// The view `routes`: what the labels of apps and the configuration make of hosts and paths, and the backends of each port.

import { sameRecord } from '../../src/cluster/index.ts';
import type { App, AppKey, BackendKey, Delta, Diagnostic, Snapshot } from '../../src/cluster/index.ts';
import type { Table, TableChange, View } from '../../src/ports/index.ts';
import { claimsOfApp, type AppClaims, type ClaimRules } from './app-claims.ts';
import { setOfPort } from './port-set.ts';
import { compareRoutes, whyBefore } from './precedence.ts';
import { printRoutes } from './route-print.ts';
import { routeKey, setKey, type RouteEntry, type RouteRecord } from './route-record.ts';
import { staticRecords, type StaticRecords, type StaticRoute } from './static-routes.ts';

export interface RouteViewOptions extends Partial<ClaimRules> {
  readonly staticRoutes?: readonly StaticRoute[];
}

export function createRouteView(options: RouteViewOptions): View<RouteRecord> {
  return new RouteView(options);
}

class RouteView implements View<RouteRecord> {
  readonly name = 'routes';
  readonly #rules: ClaimRules;
  readonly #static: StaticRecords;
  readonly #table = new Map<string, RouteRecord>();
  readonly #claims = new Map<AppKey, AppClaims>();
  /** Everybody who claims a route's id, by owner: `appKey:port` or `static:index`. */
  readonly #claimants = new Map<string, Map<string, RouteEntry>>();
  /** Set keys of each app, and for each address the apps that have it: verdicts come by address. */
  readonly #setsOf = new Map<AppKey, readonly string[]>();
  readonly #appsAt = new Map<BackendKey, Set<AppKey>>();

  constructor(options: RouteViewOptions) {
    this.#rules = { groups: options.groups ?? [], authority: options.authority ?? [] };
    this.#static = staticRecords(options.staticRoutes ?? []);
  }

  get table(): Table<RouteRecord> {
    return this.#table;
  }

  rebuild(snapshot: Snapshot): TableChange<RouteRecord> {
    const before = new Map(this.#table);
    for (const map of [this.#table, this.#claims, this.#claimants, this.#setsOf, this.#appsAt]) map.clear();
    const changes = new Changes(this.#table);
    for (const route of this.#static.routes) this.#claim(route);
    for (const set of this.#static.sets) changes.set(setKey(set.id), set);
    for (const app of snapshot.apps.values()) this.#followLabels(app.key, app);
    for (const id of this.#claimants.keys()) this.#decide(id, changes);
    for (const app of snapshot.apps.values()) this.#followTasks(app.key, snapshot, changes);
    return difference(before, this.#table);
  }

  derive(delta: Delta, snapshot: Snapshot): TableChange<RouteRecord> {
    const changes = new Changes(this.#table);
    const ids = new Set<string>();
    const apps = new Set<AppKey>(delta.apps.keys());
    for (const key of delta.apps.keys()) for (const id of this.#followLabels(key, snapshot.apps.get(key))) ids.add(id);
    for (const id of ids) this.#decide(id, changes);
    for (const { before, after } of delta.tasks.values()) {
      for (const app of [before?.appKey, after?.appKey]) if (app !== undefined && app !== null) apps.add(app);
    }
    for (const address of delta.verdicts.keys()) for (const app of this.#appsAt.get(address) ?? []) apps.add(app);
    for (const app of apps) this.#followTasks(app, snapshot, changes);
    return changes.result();
  }

  diagnostics(): readonly Diagnostic[] {
    const ofApps = [...this.#claims.values()].flatMap((claims) => claims.diagnostics);
    const conflicts = [...this.#claimants.values()].flatMap((claimants) =>
      claimants.size > 1 ? conflictsOf(claimants) : [],
    );
    return [...this.#static.diagnostics, ...[...ofApps, ...conflicts].sort(byAppAndKey)];
  }

  print(): string {
    return printRoutes(this.#table);
  }

  /** Brings an app's claims up to its labels; returns the ids of routes that somebody else may have now. */
  #followLabels(key: AppKey, app: App | undefined): readonly string[] {
    const former = this.#claims.get(key)?.routes ?? [];
    for (const route of former) this.#unclaim(route);
    this.#claims.delete(key);
    if (app === undefined) return former.map((route) => route.id);
    const claims = claimsOfApp(app, this.#rules);
    if (claims.routes.length + claims.diagnostics.length > 0) this.#claims.set(key, claims);
    for (const route of claims.routes) this.#claim(route);
    return [...former, ...claims.routes].map((route) => route.id);
  }

  /** Sets of all ports with a claim: a conflict may end at any time, and the winner must find its set. */
  #followTasks(key: AppKey, snapshot: Snapshot, changes: Changes): void {
    const app = snapshot.apps.get(key);
    const former = this.#setsOf.get(key) ?? [];
    const ports =
      app === undefined ? [] : app.ports.filter((port) => this.#claims.get(key)?.ports.includes(port.index));
    if (app === undefined || ports.length === 0) {
      this.#setsOf.delete(key);
      for (const set of former) this.#dropSet(set, key, changes);
      return;
    }
    const sets = ports.map((port) => setOfPort(app, port, snapshot));
    const keys = sets.map((set) => setKey(set.id));
    for (const set of former) this.#dropSet(set, key, keys.includes(set) ? null : changes);
    this.#setsOf.set(key, keys);
    for (const set of sets) {
      changes.set(setKey(set.id), set);
      for (const { key: address } of set.backends) addTo(this.#appsAt, address, key);
    }
  }

  /** Forgets where a set's backends are; with `changes` the set itself too. */
  #dropSet(key: string, app: AppKey, changes: Changes | null): void {
    const set = this.#table.get(key);
    if (set?.kind === 'set') for (const backend of set.backends) removeFrom(this.#appsAt, backend.key, app);
    changes?.remove(key);
  }

  #claim(route: RouteEntry): void {
    const claimants = this.#claimants.get(route.id) ?? new Map<string, RouteEntry>();
    claimants.set(route.set, route);
    this.#claimants.set(route.id, claimants);
  }

  #unclaim(route: RouteEntry): void {
    const claimants = this.#claimants.get(route.id);
    if (claimants?.delete(route.set) === true && claimants.size === 0) this.#claimants.delete(route.id);
  }

  /** Gives a route to the first of its claimants. */
  #decide(id: string, changes: Changes): void {
    const claimants = this.#claimants.get(id);
    if (claimants === undefined) changes.remove(routeKey(id));
    else changes.set(routeKey(id), inOrder(claimants)[0] as RouteEntry);
  }
}

function inOrder(claimants: ReadonlyMap<string, RouteEntry>): readonly RouteEntry[] {
  return claimants.size === 1 ? [...claimants.values()] : [...claimants.values()].sort(compareRoutes);
}

function conflictsOf(claimants: ReadonlyMap<string, RouteEntry>): readonly Diagnostic[] {
  const [winner, ...losers] = inOrder(claimants) as [RouteEntry, ...RouteEntry[]];
  return losers.map((loser) => ({
    app: loser.app,
    task: null,
    key: loser.app === null ? `router.routes[${loser.portIndex}]` : `HAPROXY_${loser.portIndex}_VHOST`,
    value: `${loser.host}${loser.path}`,
    reason: `${winner.appId}:${winner.portIndex} claims the same host and path and comes first (${whyBefore(winner, loser)})`,
    hint: 'let one of the two give it up, or tell them apart by path',
    severity: 'error' as const,
  }));
}

function byAppAndKey(a: Diagnostic, b: Diagnostic): number {
  const text = ({ app, key, value, reason }: Diagnostic): string => [app, key, value, reason].join('\n');
  return text(a) < text(b) ? -1 : 1;
}

/** The records a step wrote, each only where it differs. */
class Changes {
  readonly #table: Map<string, RouteRecord>;
  readonly #set = new Map<string, RouteRecord>();
  readonly #removed = new Set<string>();

  constructor(table: Map<string, RouteRecord>) {
    this.#table = table;
  }

  set(key: string, record: RouteRecord): void {
    if (sameRecord(this.#table.get(key), record)) return;
    this.#table.set(key, record);
    this.#set.set(key, record);
    this.#removed.delete(key);
  }

  remove(key: string): void {
    if (!this.#table.delete(key)) return;
    this.#set.delete(key);
    this.#removed.add(key);
  }

  result(): TableChange<RouteRecord> {
    return { set: [...this.#set], removed: [...this.#removed] };
  }
}

function difference(before: Table<RouteRecord>, after: Table<RouteRecord>): TableChange<RouteRecord> {
  return {
    set: [...after].filter(([key, record]) => !sameRecord(before.get(key), record)),
    removed: [...before.keys()].filter((key) => !after.has(key)),
  };
}

function addTo(index: Map<BackendKey, Set<AppKey>>, address: BackendKey, app: AppKey): void {
  const apps = index.get(address);
  if (apps === undefined) index.set(address, new Set([app]));
  else apps.add(app);
}

function removeFrom(index: Map<BackendKey, Set<AppKey>>, address: BackendKey, app: AppKey): void {
  const apps = index.get(address);
  if (apps?.delete(app) === true && apps.size === 0) index.delete(address);
}
