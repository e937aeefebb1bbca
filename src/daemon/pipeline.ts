// Pipeline: the one writer. Folds events into the snapshot, lets the views derive, and publishes what changed. The first change goes at
// once, what follows within 2 ms is gathered; nothing is derived before a first complete picture.

import {
  DeltaSum,
  emptySnapshot,
  isEmptyDelta,
  joinDeltas,
  reduce,
  type ClusterEvent,
  type Delta,
  type Diagnostic,
  type Snapshot,
} from '../cluster/index.ts';
import type { View } from '../ports/index.ts';
import { coalesce, messageOf, runInSlices, type Clock, type Logger, type Timer } from '../runtime/index.ts';
import { tableNames, type TableName } from './message.ts';
import {
  FollowedTable,
  isEmptyChange,
  joinChanges,
  noChange,
  ViewedTable,
  type AnyChange,
  type AnyRecord,
  type PublishedTable,
} from './tables.ts';

const gatherMs = 2;
/** Of a turn for building the views; and how many rows are hashed between two looks at the time. */
const sliceMs = 10;
const rowsPerStep = 500;
const namesPerStep = 100;

/** Gives VIP names their addresses: a view that asks for something the snapshot then tells. */
export interface Allocation {
  /** Events that follow from the VIP table as it is now; empty where every name has its address. */
  assign(): readonly ClusterEvent[];
  /** `onMoved` is called when another daemon's word took addresses away: `assign` has others to tell. */
  watch(onMoved: () => void): void;
}

export interface PipelineOptions {
  readonly views: readonly View<AnyRecord>[];
  readonly allocation: Allocation;
  readonly clock: Clock;
  readonly log: Logger;
  /** Tables changed from version `from`; null: the first complete tables. */
  readonly onPublish: (from: number | null, changes: Readonly<Partial<Record<TableName, AnyChange>>>) => void;
}

export interface Pipeline {
  readonly snapshot: Snapshot;
  /** Of the last publication; -1 before the first. */
  readonly version: number;
  readonly tables: ReadonlyMap<TableName, PublishedTable>;
  /** Epoch milliseconds of the last publication. */
  readonly publishedAt: number;
  fold(events: readonly ClusterEvent[]): void;
  view(name: TableName): View<AnyRecord> | undefined;
  diagnostics(): readonly Diagnostic[];
  stop(): void;
}

export function createPipeline(options: PipelineOptions): Pipeline {
  return new Writer(options);
}

class Writer implements Pipeline {
  readonly #options: PipelineOptions;
  readonly #snapshot = emptySnapshot();
  readonly #views = new Map<TableName, View<AnyRecord>>();
  readonly tables = new Map<TableName, PublishedTable>();
  readonly #flush: ReturnType<typeof coalesce>;
  readonly #gathered = new DeltaSum();
  #isPending = false;
  /** The views are being built for the first time: what comes meanwhile waits, so that all of them are of one snapshot. */
  #building: Timer | null = null;
  #waiting: ClusterEvent[] = [];
  /** Views that failed: what they said before keeps serving until they can be built again. */
  readonly #torn = new Set<TableName>();
  version = -1;
  publishedAt = 0;

  constructor(options: PipelineOptions) {
    this.#options = options;
    for (const view of options.views) {
      const name = tableNames.find((candidate) => candidate === view.name);
      if (name === undefined) throw new RangeError(`no such table: ${view.name}`);
      this.#views.set(name, view);
      const { rowSum } = view;
      this.tables.set(name, rowSum === undefined ? new FollowedTable() : new ViewedTable(view.table, rowSum));
    }
    this.#flush = coalesce(options.clock, gatherMs, () => this.#publish());
    options.allocation.watch(() => {
      if (this.version >= 0) this.#flush.request();
    });
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  fold(events: readonly ClusterEvent[]): void {
    if (this.#building !== null) {
      for (const event of events) this.#waiting.push(event);
      return;
    }
    for (const event of events) this.#gather(reduce(this.#snapshot, event));
    if (this.#snapshot.synced && (this.#isPending || this.version < 0)) this.#flush.request();
  }

  view(name: TableName): View<AnyRecord> | undefined {
    return this.#views.get(name);
  }

  diagnostics(): readonly Diagnostic[] {
    return [...this.#views.values()].flatMap((view) => view.diagnostics());
  }

  stop(): void {
    this.#flush.cancel();
    this.#building?.cancel();
  }

  #gather(delta: Delta): void {
    if (isEmptyDelta(delta)) return;
    this.#gathered.add(delta);
    this.#isPending = true;
  }

  #publish(): void {
    if (this.version < 0) {
      this.#publishFirst();
      return;
    }
    const from = this.version;
    const pending = this.#gathered.take();
    this.#isPending = false;
    const changes = this.#deriveAll(pending);
    for (const name of [...this.#torn]) changes[name] = this.#mend(name);
    for (const [name, change] of Object.entries(changes)) this.tables.get(name as TableName)?.apply(change);
    this.#end();
    if (Object.keys(changes).length > 0 || from !== this.version) this.#options.onPublish(from, changes);
  }

  /** In slices: at 50,000 tasks it takes seconds. */
  #publishFirst(): void {
    if (this.#building !== null) return;
    this.#gathered.take();
    this.#isPending = false;
    let isDone = false;
    const building = runInSlices(this.#buildAll(), sliceMs, () => {
      isDone = true;
      this.#building = null;
      for (const name of [...this.#torn]) this.tables.get(name)?.apply(this.#mend(name));
      this.#end();
      // Before it is told: a source whose first word waited here is one that answers.
      const waiting = this.#waiting;
      this.#waiting = [];
      this.fold(waiting);
      const whole = (name: TableName): AnyChange => ({ set: [...(this.tables.get(name)?.records ?? [])], removed: [] });
      this.#options.onPublish(null, { vips: whole('vips'), routes: whole('routes') });
    });
    if (!isDone) this.#building = building;
  }

  #end(): void {
    this.version = this.#snapshot.version;
    this.publishedAt = this.#options.clock.now();
  }

  /** Nothing was told before: what building the views changes is all of it. */
  *#buildAll(): Generator<void> {
    yield* this.#build('vips');
    for (const part of partsOf(this.#assign())) {
      this.tables.get('vips')?.apply(this.#derive('vips', part));
      yield;
    }
    for (const name of this.#views.keys()) if (name !== 'vips') yield* this.#build(name);
  }

  *#build(name: TableName): Generator<void> {
    const table = this.tables.get(name);
    const steps = this.#views.get(name)?.rebuildInSlices?.(this.#snapshot);
    if (steps === undefined) {
      yield* applySteps(
        table,
        this.#attempt(name, (view) => view.rebuild(this.#snapshot)),
      );
      return;
    }
    for (let isDone = false; !isDone;) {
      const change = this.#attempt(name, () => {
        const step = steps.next();
        isDone = step.done === true;
        return step.value ?? noChange;
      });
      isDone ||= this.#torn.has(name);
      yield* applySteps(table, change);
    }
  }

  /** The VIP view goes first: the names it now wants get their addresses, and the other views see both in one delta. */
  #deriveAll(asked: Delta | null): Partial<Record<TableName, AnyChange>> {
    const changes: Partial<Record<TableName, AnyChange>> = {};
    let vips = asked === null ? noChange : this.#derive('vips', asked);
    const assigned = this.#assign();
    if (assigned !== null) vips = joinChanges(vips, this.#derive('vips', assigned));
    if (!isEmptyChange(vips)) changes.vips = vips;
    const delta = asked === null ? assigned : assigned === null ? asked : joinDeltas(asked, assigned);
    if (delta === null) return changes;
    for (const name of this.#views.keys()) {
      if (name === 'vips') continue;
      const change = this.#derive(name, delta);
      if (!isEmptyChange(change)) changes[name] = change;
    }
    return changes;
  }

  #assign(): Delta | null {
    const sum = new DeltaSum();
    for (const event of this.#options.allocation.assign()) {
      const step = reduce(this.#snapshot, event);
      if (!isEmptyDelta(step)) sum.add(step);
    }
    return sum.take();
  }

  #derive(name: TableName, delta: Delta): AnyChange {
    if (isEmptyDelta(delta) || this.#torn.has(name)) return noChange;
    return this.#attempt(name, (view) => view.derive(delta, this.#snapshot));
  }

  /** A view that fails is a bug in it; the others must not suffer, and building it again may still be right. */
  #attempt(name: TableName, step: (view: View<AnyRecord>) => AnyChange): AnyChange {
    const view = this.#views.get(name);
    if (view === undefined) return noChange;
    try {
      return step(view);
    } catch (error) {
      this.#torn.add(name);
      this.tables.get(name)?.setTorn(true);
      this.#options.log.error({ view: name, error: messageOf(error) }, 'bug: view failed over a change');
      return noChange;
    }
  }

  /** Builds a view anew, and compares with what was told: a view that fails half-way has changed its table and said nothing. */
  #mend(name: TableName): AnyChange {
    this.#torn.delete(name);
    const rebuilt = this.#attempt(name, (view) => view.rebuild(this.#snapshot));
    const view = this.#views.get(name);
    if (view === undefined || this.#torn.has(name)) return noChange;
    this.tables.get(name)?.setTorn(false);
    return this.tables.get(name)?.changeTo(view.table, rebuilt) ?? noChange;
  }
}

/** Addresses that were given, some at a time. */
function* partsOf(assigned: Delta | null): Generator<Delta> {
  if (assigned === null) return;
  const all = [...assigned.allocations];
  for (let at = 0; at < all.length; at += namesPerStep)
    yield { ...assigned, allocations: new Map(all.slice(at, at + namesPerStep)) };
}

function* applySteps(table: PublishedTable | undefined, { set, removed }: AnyChange): Generator<void> {
  for (let at = 0; at < set.length; at += rowsPerStep) {
    table?.apply({ set: set.slice(at, at + rowsPerStep), removed: at === 0 ? removed : [] });
    yield;
  }
  yield;
}
