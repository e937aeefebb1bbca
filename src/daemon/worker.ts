// Worker: the data plane of one process. Follows the tables that control sends, keeps the planes at them, starts and drains the
// functions. Knows no cluster and no orchestrator, and goes on serving when nobody talks to it.

import type { Ledger } from '../../lb/index.ts';
import type { Plane, TableLoad } from '../ports/index.ts';
import { IsthmusError, type Timer } from '../runtime/index.ts';
import type { Channel } from './channel.ts';
import { planesOf, tableFor } from './followed-planes.ts';
import { fromFormer } from './former-rows.ts';
import type { Fingerprints } from './fingerprints.ts';
import type { LiveChange } from './live-change.ts';
import { incomingDifference, incomingLoad, type Incoming } from './incoming.ts';
import {
  isFormer,
  protocolVersion,
  tableNames,
  type ControlMessage,
  type TableHashes,
  type TableName,
  type WorkerHello,
  type WorkerMessage,
} from './message.ts';
import { createReconciler, type Reconciler } from './reconciler.ts';
import { createRunningFunctions, type RunningFunctions } from './running-functions.ts';
import { shareBackends, type SharedBackends } from './shared-backends.ts';
import { FollowedTable, isEmptyChange, joinChanges, noChange, type AnyChange, type AnyRecord } from './tables.ts';
import { createTlsReceiver } from './tls-sender.ts';
import type { WorkerOptions } from './worker-options.ts';

export interface Worker {
  /** Whole tables are being taken in, which may keep the process silent for seconds. */
  readonly isBusy: boolean;
  /** A control process is there. Replaces a former one. */
  attach(channel: Channel<WorkerMessage, ControlMessage>): void;
  /** Lets go of control, and serves on. */
  detach(): void;
  /** Takes a change of the configuration under what is open, and tells control. */
  reconfigure(edition: number, change: LiveChange): void;
  /** `isHandover`: a successor has copies of the same sockets. */
  drain(deadlineMs: number, isHandover: boolean): Promise<void>;
  stop(): Promise<void>;
}

/** How often control is told what came of tries, and of how many backends at a time. */
const tellEveryMs = 250;
/** Reports are looked at every two seconds besides. */
const tellingsPerReport = 8;
const mostReports = 500;

type Changes = Readonly<Partial<Record<TableName, AnyChange>>>;

export function createWorker(options: WorkerOptions): Worker {
  return new TableFollower(options);
}

class TableFollower implements Worker {
  readonly #options: WorkerOptions;
  readonly #tables: Map<TableName, FollowedTable | Fingerprints>;
  readonly #reconcilers = new Map<TableName, Reconciler[]>();
  /** Whole tables that planes have been given and have yet to serve by. */
  readonly #loads = new Map<Plane<AnyRecord>, TableLoad<AnyRecord>>();
  /** Planes that serve by a table which they alone keep. */
  readonly #loaded = new Set<Plane<AnyRecord>>();
  /** Tables to be taken as a whole. */
  readonly #rewrites = new Set<TableName>();
  /** Tables that the planes have been told to take as a whole: what follows are changes. */
  readonly #given = new Set<TableName>();
  #tls = createTlsReceiver();
  readonly #functions: RunningFunctions;
  #channel: Channel<WorkerMessage, ControlMessage> | null = null;
  #incoming = new Map<TableName, FollowedTable | Incoming>();
  #arriving = new Map<Plane<AnyRecord>, TableLoad<AnyRecord>>();
  /** Of the tables that are coming. */
  #backends: SharedBackends = shareBackends();
  /** Of the tables; NaN while everything is being sent again. */
  #version = -1;
  isBusy = false;
  #edition: number;
  #pending = new Map<TableName, AnyChange>();
  #applying: Promise<void> | null = null;
  /** What control was told last; null: nothing yet. */
  #told: string | null = null;
  /** Control takes changes of a report. */
  #tellsChanges = false;
  /** Control speaks an earlier protocol. */
  #isFormer = false;
  #telling: Timer | null = null;
  #tellings = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#edition = options.edition;
    this.#functions = createRunningFunctions(options.functions, options.log);
    this.#tables = new Map(tableNames.map((name) => [name, tableFor(planesOf(options.planes, name))]));
    for (const plane of options.planes) {
      const name = tableNames.find((candidate) => candidate === plane.name);
      if (name === undefined) throw new RangeError(`plane follows an unknown table "${plane.name}"`);
      const { clock, random, log } = options;
      const followed = this.#table(name);
      const kept =
        followed instanceof FollowedTable
          ? { table: followed.records }
          : { table: new Map<string, AnyRecord>(), write: () => this.#finishLoad(plane) };
      const reconciler = createReconciler({ plane, ...kept, clock, random, log, onProblem: () => this.#report() });
      this.#reconcilers.set(name, [...(this.#reconcilers.get(name) ?? []), reconciler]);
    }
    if (options.ledger !== undefined) this.#tellTries(options.ledger);
  }

  attach(channel: Channel<WorkerMessage, ControlMessage>): void {
    this.#channel?.close();
    this.#channel = channel;
    this.#tls = createTlsReceiver();
    this.#told = null;
    this.#tellsChanges = false;
    this.#isFormer = false;
    channel.onMessage((message) => this.#hear(channel, this.#isFormer ? fromFormer(message) : message));
    channel.onClose(() => {
      if (this.#channel !== channel) return;
      this.#channel = null;
      this.#options.log.warn({ version: this.#version }, 'control is gone; serving on by the last tables');
    });
    channel.send(this.#hello());
    this.#report();
  }

  detach(): void {
    const channel = this.#channel;
    this.#channel = null;
    channel?.close();
  }

  reconfigure(edition: number, change: LiveChange): void {
    this.#options.reconfigure?.(change);
    this.#edition = edition;
    this.#options.log.info({ edition }, 'configuration taken in place');
    this.#report();
  }

  drain(deadlineMs: number, isHandover: boolean): Promise<void> {
    return this.#functions.drain(deadlineMs, isHandover);
  }

  async stop(): Promise<void> {
    this.#telling?.cancel();
    for (const reconciler of [...this.#reconcilers.values()].flat()) reconciler.stop();
    await this.#functions.stop();
    this.#channel?.close();
  }

  #started(): void {
    this.#report();
    this.#options.onStarted?.();
  }

  #hello(protocol = protocolVersion): WorkerHello {
    const { slot, generation } = this.#options;
    return {
      type: 'hello',
      protocol,
      generation,
      slot,
      pid: process.pid,
      started: this.#functions.isStarted,
    };
  }

  #hear(channel: Channel<WorkerMessage, ControlMessage>, message: ControlMessage): void {
    if (channel !== this.#channel) return;
    switch (message.type) {
      case 'hello':
        this.#tellsChanges = message.takesChanges === true;
        this.#isFormer = isFormer(message.protocol);
        // It leaves workers alone that speak a protocol of which it knows nothing.
        if (this.#isFormer) channel.send(this.#hello(message.protocol));
        break;
      case 'begin':
        this.isBusy = true;
        this.#options.onBusy();
        this.#arriving = new Map();
        this.#backends = shareBackends();
        this.#incoming = new Map(tableNames.map((name) => [name, this.#incomingFor(name)]));
        break;
      case 'rows':
        this.#takeRows(message.table, message.rows);
        break;
      case 'whole':
        this.#takeWhole(message.version, message.hashes, message.without);
        break;
      case 'change':
        this.#takeChange(message.from, message.version, message.changes, message.hashes);
        break;
      case 'start':
        if (!this.#functions.isStarted) void this.#functions.start(this.#applying).then(() => this.#started());
        break;
      case 'read':
        channel.send({ type: 'metrics', id: message.id, metrics: this.#options.metrics.read() });
        break;
      case 'count': {
        const { ledger } = this.#options;
        const inFlight = message.backends.reduce((sum, backend) => sum + (ledger?.inFlight(backend) ?? 0), 0);
        channel.send({ type: 'counted', id: message.id, inFlight });
        break;
      }
      case 'certificates':
      case 'tls': {
        const material = this.#tls.take(message);
        if (material === null || message.type !== 'tls') break;
        this.#options.takeTls?.(material);
        channel.send({ type: 'tlsApplied', version: message.version });
        this.#report();
        break;
      }
      case 'reopen':
        this.#options.reopenLogs();
        break;
    }
  }

  #takeWhole(version: number, hashes: TableHashes, without: readonly TableName[]): void {
    for (const [plane, load] of this.#arriving)
      if (!without.some((name) => name === plane.name)) this.#loads.set(plane, load);
    for (const [name, rows] of this.#incoming)
      if (!without.includes(name)) this.#takeTable(name, this.#endRows(name, rows));
    this.#arriving = new Map();
    this.#backends = shareBackends();
    this.#incoming = new Map();
    this.#version = version;
    if (this.#agrees(hashes)) this.#applySoon();
  }

  /** `change`: to what was there; null where the planes are to take the table as a whole. */
  #takeTable(name: TableName, change: AnyChange | null): void {
    if (change !== null && this.#given.has(name)) return this.#gather(name, change);
    this.#given.add(name);
    this.#rewrites.add(name);
    // Older than the whole table.
    this.#pending.delete(name);
  }

  #takeChange(from: number, version: number, changes: Changes, hashes: TableHashes): void {
    if (Number.isNaN(this.#version)) return;
    if (from !== this.#version) {
      this.#askForAll(`a change from version ${from} came at version ${this.#version}`);
      return;
    }
    const backends = shareBackends();
    for (const name of tableNames) {
      const change = changes[name];
      if (change === undefined) continue;
      if (name !== 'zone') for (const [, record] of change.set) backends.share(record);
      this.#table(name).apply(change);
      this.#gather(name, change);
    }
    this.#version = version;
    if (this.#agrees(hashes)) this.#applySoon();
  }

  #agrees(hashes: TableHashes): boolean {
    for (const name of tableNames) {
      const wanted = hashes[name];
      if (wanted === undefined || wanted === this.#table(name).hash) continue;
      this.#askForAll(`table ${name} differs from what control holds`);
      return false;
    }
    return true;
  }

  #askForAll(reason: string): void {
    this.#options.log.warn({ reason }, 'tables are sent again');
    this.#version = Number.NaN;
    this.#channel?.send({ type: 'resync', reason });
  }

  #gather(name: TableName, change: AnyChange): void {
    this.#pending.set(name, joinChanges(this.#pending.get(name) ?? noChange, change));
  }

  #applySoon(): void {
    // Settled in a later turn: an apply that finds nothing to do must not end before it is noted as running.
    this.#applying ??= this.#applyPending().then(() => this.#settled());
  }

  /** Names go first when they vanish and last when they come, so that no name points at an address that does not serve. */
  async #applyPending(): Promise<void> {
    while (this.#pending.size > 0 || this.#rewrites.size > 0) {
      const changes = this.#pending;
      const rewrites = tableNames.filter((name) => this.#rewrites.has(name));
      this.#pending = new Map();
      this.#rewrites.clear();
      for (const name of rewrites) await this.#each(name, (reconciler) => reconciler.replace());
      const zone = changes.get('zone') ?? noChange;
      await this.#applyOne('zone', { set: [], removed: zone.removed });
      for (const name of tableNames) if (name !== 'zone') await this.#applyOne(name, changes.get(name) ?? noChange);
      await this.#applyOne('zone', { set: zone.set, removed: [] });
    }
  }

  #settled(): void {
    this.#applying = null;
    this.isBusy = false;
    if (this.#pending.size > 0 || this.#rewrites.size > 0) {
      this.#applySoon();
      return;
    }
    // What listens by now is told first: control calls the daemon ready as soon as it hears that the tables are in force.
    this.#report();
    if (!Number.isNaN(this.#version)) this.#channel?.send({ type: 'applied', version: this.#version });
  }

  async #applyOne(name: TableName, change: AnyChange): Promise<void> {
    if (!isEmptyChange(change)) await this.#each(name, (reconciler) => reconciler.apply(change));
  }

  async #each(name: TableName, run: (reconciler: Reconciler) => Promise<void>): Promise<void> {
    for (const reconciler of this.#reconcilers.get(name) ?? []) await run(reconciler);
  }

  #report(): void {
    if (this.#channel === null || !this.#functions.isSettled) return;
    const failures = [...this.#reconcilers].flatMap(([name, reconcilers]) =>
      reconcilers.flatMap((reconciler) => {
        const problem = reconciler.problem();
        return problem === null ? [] : [`${name}: ${problem}`];
      }),
    );
    const { problems, serving } = this.#functions.report();
    const changes = this.#functions.takeListenerChanges();
    const report = { edition: this.#edition, problems: [...problems, ...failures], serving };
    const told = JSON.stringify(report);
    if (told === this.#told && Object.keys(changes).length === 0) return;
    const isWhole = this.#told === null || !this.#tellsChanges;
    this.#told = told;
    if (isWhole) this.#channel.send({ type: 'report', ...report, listeners: this.#functions.listeners() });
    else this.#channel.send({ type: 'reportChange', ...report, listeners: changes });
  }

  /** Also while control is away: what nobody hears of must not pile up. */
  #tellTries(ledger: Ledger): void {
    this.#telling = this.#options.clock.after(tellEveryMs, () => {
      const reports = ledger.take(mostReports);
      if (reports.length > 0) this.#channel?.send({ type: 'tries', reports });
      // Listeners that are opened at a second try change without a table that does.
      if (++this.#tellings % tellingsPerReport === 0) this.#report();
      this.#tellTries(ledger);
    });
  }

  #table(name: TableName): FollowedTable | Fingerprints {
    return this.#tables.get(name) as FollowedTable | Fingerprints;
  }

  #incomingFor(name: TableName): FollowedTable | Incoming {
    const table = this.#table(name);
    // Where nothing is held, nothing is to be compared.
    if (table instanceof FollowedTable) return table.records.size === 0 ? table : new FollowedTable();
    const planes = planesOf(this.#options.planes, name);
    const isWell = (this.#reconcilers.get(name) ?? []).every((reconciler) => reconciler.problem() === null);
    if (planes.length > 0 && isWell && planes.every((plane) => this.#loaded.has(plane)))
      return incomingDifference(table, () => planes[0]?.keys?.() ?? []);
    const loads = planes.flatMap((plane) => {
      const load = plane.load?.();
      if (load !== undefined) this.#arriving.set(plane, load);
      return load ?? [];
    });
    return incomingLoad(loads);
  }

  #takeRows(name: TableName, rows: readonly (readonly [string, AnyRecord])[]): void {
    const incoming = this.#incoming.get(name);
    if (name !== 'zone') for (const [, record] of rows) this.#backends.share(record);
    if (incoming instanceof FollowedTable) incoming.apply({ set: rows, removed: [] });
    else for (const [key, record] of rows) incoming?.take(key, record);
  }

  /** Null where the planes are to take the table as a whole. */
  #endRows(name: TableName, rows: FollowedTable | Incoming): AnyChange | null {
    const held = this.#table(name);
    if (rows instanceof FollowedTable)
      return held instanceof FollowedTable && held !== rows ? held.replace(rows) : null;
    const { table, change } = rows.end();
    this.#tables.set(name, table);
    // Rows that went cannot be told: the plane takes all of them anew.
    if (change === null)
      for (const plane of planesOf(this.#options.planes, name)) if (!this.#loads.has(plane)) this.#loaded.delete(plane);
    return change;
  }

  #finishLoad(plane: Plane<AnyRecord>): void {
    const load = this.#loads.get(plane);
    if (load === undefined) {
      const reason = `the plane of table ${plane.name} failed`;
      if (!Number.isNaN(this.#version)) this.#askForAll(reason);
      throw new IsthmusError('TABLE_MISSING', 'its table is on its way again', { side: 'internal', retryable: true });
    }
    this.#loads.delete(plane);
    load.finish();
    this.#loaded.add(plane);
  }
}
