// The view `routes`: what the labels of apps and the configuration make of hosts, paths, ports and app ids, and the backends of each set.

import { sameRecord } from '../../src/cluster/index.ts';
import type { App, AppKey, BackendKey, Delta, Diagnostic, Snapshot } from '../../src/cluster/index.ts';
import type { Table, TableChange, View } from '../../src/ports/index.ts';
import { Claims } from './claims.ts';
import { unitKeyOf, unitOf } from './labels/deployment-group.ts';
import { defaultLabelRules, type LabelRules, type LabelUnit, type SetPlan } from './labels/label-rules.ts';
import { claimsOfUnit } from './labels/dialects.ts';
import { setOfPlans } from './port-set.ts';
import { printRoutes } from './route-print.ts';
import { keyOfRecord, setKey, type RouteRecord } from './route-record.ts';
import { judgedSet, staticRecords, type StaticRecords, type StaticRoute } from './static-routes.ts';

export interface RouteViewOptions extends Partial<LabelRules> {
  readonly staticRoutes?: readonly StaticRoute[];
  /** False: no service port is opened, so two apps with one number do no harm. */
  readonly opensServicePorts?: boolean;
}

/** About a millisecond's worth. */
const recordsPerStep = 50;
const noChange: TableChange<RouteRecord> = { set: [], removed: [] };

export function createRouteView(options: RouteViewOptions): View<RouteRecord> {
  return new RouteView(options);
}

/** A unit as it stands in the view. */
interface Held {
  readonly unit: LabelUnit;
  readonly plans: readonly SetPlan[];
}

class RouteView implements View<RouteRecord> {
  readonly name = 'routes';
  readonly #rules: LabelRules;
  readonly #static: StaticRecords;
  readonly #table = new Map<string, RouteRecord>();
  readonly #claims: Claims;
  readonly #units = new Map<string, Held>();
  /** Of each app the unit, and of each unit the apps. */
  readonly #unitOfApp = new Map<AppKey, string>();
  readonly #appsOfUnit = new Map<string, Set<AppKey>>();
  /** Of each set, by the unit that claims it, how its backends are found. */
  readonly #plans = new Map<string, Map<string, SetPlan>>();
  /** For each address the sets that have it: verdicts come by address. */
  readonly #setsAt = new Map<BackendKey, Set<string>>();

  constructor(options: RouteViewOptions) {
    const { staticRoutes, opensServicePorts = true, ...rules } = options;
    this.#claims = new Claims(opensServicePorts);
    this.#rules = { ...defaultLabelRules, ...rules };
    this.#static = staticRecords(staticRoutes ?? [], this.#rules.listeners);
  }

  get table(): Table<RouteRecord> {
    return this.#table;
  }

  rebuild(snapshot: Snapshot): TableChange<RouteRecord> {
    const parts = [...this.rebuildInSlices(snapshot)];
    return { set: parts.flatMap(({ set }) => set), removed: parts.flatMap(({ removed }) => removed) };
  }

  *rebuildInSlices(snapshot: Snapshot): Generator<TableChange<RouteRecord>, void> {
    const before = new Map(this.#table);
    for (const map of [this.#table, this.#units, this.#unitOfApp, this.#appsOfUnit, this.#plans, this.#setsAt])
      map.clear();
    this.#claims.clear();
    const changes = new Changes(this.#table);
    this.#claims.replace('static', 'static', this.#static.records, this.#static.diagnostics);
    for (const set of this.#static.sets) changes.set(setKey(set.id), judgedSet(set, snapshot.verdicts));
    let count = 0;
    const isDue = (): boolean => ++count % recordsPerStep === 0;
    for (const app of snapshot.apps.values()) {
      this.#join(app);
      if (isDue()) yield noChange;
    }
    for (const unit of this.#appsOfUnit.keys()) {
      this.#followLabels(unit, snapshot);
      if (isDue()) yield noChange;
    }
    for (const key of this.#claims.keys()) {
      this.#decide(key, changes);
      if (isDue()) yield noChange;
    }
    for (const id of this.#plans.keys()) {
      this.#followTasks(id, snapshot, changes);
      if (isDue()) yield noChange;
    }
    yield difference(before, this.#table);
  }

  derive(delta: Delta, snapshot: Snapshot): TableChange<RouteRecord> {
    const changes = new Changes(this.#table);
    const units = new Set<string>();
    for (const [key, { after }] of delta.apps) {
      const former = this.#unitOfApp.get(key);
      if (former !== undefined) units.add(former);
      this.#leave(key);
      if (after !== undefined) units.add(this.#join(after));
    }
    const stale = new Set<string>();
    const sets = new Set<string>();
    for (const unit of units) this.#followLabels(unit, snapshot, stale, sets);
    for (const key of stale) this.#decide(key, changes);
    for (const { before, after } of delta.tasks.values())
      for (const app of [before?.appKey, after?.appKey])
        if (app !== undefined && app !== null) this.#addSets(app, sets);
    for (const set of this.#static.sets)
      if (set.backends.some(({ key }) => delta.verdicts.has(key)))
        changes.set(setKey(set.id), judgedSet(set, snapshot.verdicts));
    for (const address of delta.verdicts.keys()) for (const id of this.#setsAt.get(address) ?? []) sets.add(id);
    if (delta.agents.size > 0) this.#addSetsOfAgents(delta, snapshot, sets);
    for (const id of sets) this.#followTasks(id, snapshot, changes);
    return changes.result();
  }

  diagnostics(): readonly Diagnostic[] {
    return [...this.#static.diagnostics, ...this.#claims.diagnostics()];
  }

  print(): string {
    return printRoutes(this.#table);
  }

  #join(app: App): string {
    const unit = unitKeyOf(app);
    this.#unitOfApp.set(app.key, unit);
    const apps = this.#appsOfUnit.get(unit);
    if (apps === undefined) this.#appsOfUnit.set(unit, new Set([app.key]));
    else apps.add(app.key);
    return unit;
  }

  #leave(app: AppKey): void {
    const unit = this.#unitOfApp.get(app);
    if (unit === undefined) return;
    this.#unitOfApp.delete(app);
    const apps = this.#appsOfUnit.get(unit);
    if (apps?.delete(app) === true && apps.size === 0) this.#appsOfUnit.delete(unit);
  }

  /** Brings a unit's claims up to its labels. `stale`: keys that somebody else may have now; `sets`: those to look at. */
  #followLabels(key: string, snapshot: Snapshot, stale?: Set<string>, sets?: Set<string>): void {
    const former = this.#units.get(key);
    for (const plan of former?.plans ?? []) {
      sets?.add(plan.id);
      const plans = this.#plans.get(plan.id);
      if (plans?.delete(key) === true && plans.size === 0) this.#plans.delete(plan.id);
    }
    this.#units.delete(key);
    const apps = [...(this.#appsOfUnit.get(key) ?? [])].flatMap((app) => snapshot.apps.get(app) ?? []);
    if (apps.length === 0) {
      this.#claims.replace(key, '', [], [], stale);
      return;
    }
    const unit = unitOf(key, apps);
    const { records, plans, diagnostics } = claimsOfUnit(unit, this.#rules);
    this.#claims.replace(key, unit.appId, records, diagnostics, stale);
    if (plans.length === 0) return;
    this.#units.set(key, { unit, plans });
    for (const plan of plans) {
      sets?.add(plan.id);
      const held = this.#plans.get(plan.id);
      if (held === undefined) this.#plans.set(plan.id, new Map([[key, plan]]));
      else held.set(key, plan);
    }
  }

  #addSets(app: AppKey, sets: Set<string>): void {
    const held = this.#units.get(this.#unitOfApp.get(app) ?? '');
    for (const plan of held?.plans ?? []) sets.add(plan.id);
  }

  /** An agent's name is in the names of its servers. */
  #addSetsOfAgents(delta: Delta, snapshot: Snapshot, sets: Set<string>): void {
    const renamed = new Set(
      [...delta.agents].flatMap(([id, { before, after }]) => (before?.hostname === after?.hostname ? [] : [id])),
    );
    if (renamed.size === 0) return;
    for (const task of snapshot.tasks.values())
      if (task.appKey !== null && renamed.has(task.agentId)) this.#addSets(task.appKey, sets);
  }

  #followTasks(id: string, snapshot: Snapshot, changes: Changes): void {
    const key = setKey(id);
    const former = this.#table.get(key);
    if (former?.kind === 'set') for (const backend of former.backends) removeFrom(this.#setsAt, backend.key, id);
    const plans = this.#plans.get(id);
    if (plans === undefined) {
      changes.remove(key);
      return;
    }
    const ordered = [...plans].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, plan]) => plan);
    const set = setOfPlans(id, ordered, snapshot);
    changes.set(key, set);
    for (const backend of set.backends) addTo(this.#setsAt, backend.key, id);
  }

  /** Gives a key to the first of its claimants. */
  #decide(key: string, changes: Changes): void {
    const winner = this.#claims.winner(key);
    if (winner === undefined) changes.remove(key);
    else changes.set(keyOfRecord(winner), winner);
  }
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

function addTo(index: Map<BackendKey, Set<string>>, address: BackendKey, set: string): void {
  const sets = index.get(address);
  if (sets === undefined) index.set(address, new Set([set]));
  else sets.add(set);
}

function removeFrom(index: Map<BackendKey, Set<string>>, address: BackendKey, set: string): void {
  const sets = index.get(address);
  if (sets?.delete(set) === true && sets.size === 0) index.delete(address);
}
