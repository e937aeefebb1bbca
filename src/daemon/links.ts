// Links: control's side of its workers. Sends each worker the tables once as rows, then changes; sends everything again to one that lost
// track; knows what each worker serves and how far it is.

import type { TlsMaterial } from '../../certs/index.ts';
import type { TryReport } from '../../lb/index.ts';
import type { BackendKey } from '../cluster/index.ts';
import type { Clock, Logger, MetricJson, Timer } from '../runtime/index.ts';
import type { Channel } from './channel.ts';
import { HeldReport } from './held-report.ts';
import { toFormer } from './former-rows.ts';
import {
  firstProtocol,
  isFormer,
  protocolVersion,
  tableNames,
  type ControlMessage,
  type TableHashes,
  type TableName,
  type WorkerMessage,
  type WorkerReport,
} from './message.ts';
import { isEmptyChange, type AnyChange, type AnyRecord, type PublishedTable } from './tables.ts';
import { createTlsSender, type TlsSender } from './tls-sender.ts';

/** A worker that is busy longer gets what it is told a little later. */
const tlsWithinMs = 5_000;

/** Rows of one message at most: a message is turned to JSON and parsed in one go, and a worker's turn must stay short. */
const rowsPerMessage = 50;

/** How long control sends rows before whatever else it does gets a turn: a worker that waits for tables serves by old ones, or none. */
const sliceMs = 10;

/** Before a worker that lost track twice in a row is sent everything again: the first time at once, then twice as long each time. */
const firstResyncMs = 1_000;
const mostResyncMs = 60_000;

export interface LinkState {
  readonly slot: number;
  readonly generation: number;
  readonly pid: number;
  /** Version that its planes serve by; -1 before the first. */
  readonly appliedVersion: number;
  readonly report: WorkerReport | null;
}

export interface Published {
  readonly version: number;
  readonly tables: ReadonlyMap<TableName, PublishedTable>;
}

export interface Links {
  add(channel: Channel<ControlMessage, WorkerMessage>): void;
  /** The tables hold changes that are published later: whole tables on their way may hold them or not. */
  note(changes: Changes): void;
  /** A change of the tables, which already hold it. */
  publish(from: number, changes: Changes): void;
  /** The first complete tables are there. */
  publishWhole(): void;
  /** The material for TLS is another one; resolves when every worker that is there serves by it, or after `tlsWithinMs`. */
  publishTls(material: TlsMaterial): Promise<void>;
  /** Functions may open their listeners; also told to workers that come later. */
  start(): void;
  reopenLogs(): void;
  readMetrics(timeoutMs: number): Promise<readonly (readonly MetricJson[])[]>;
  /** What is under way at these backends in all workers; null where one of them does not answer. */
  countInFlight(backends: readonly BackendKey[], timeoutMs: number): Promise<number | null>;
  states(): readonly LinkState[];
  close(): void;
}

export interface LinksOptions {
  readonly published: () => Published | null;
  readonly generation: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** A worker came, went, reported or applied. */
  readonly onChange: () => void;
  readonly onTries?: (reports: readonly TryReport[]) => void;
}

interface Link {
  readonly channel: Channel<ControlMessage, WorkerMessage>;
  slot: number;
  generation: number;
  pid: number;
  appliedVersion: number;
  report: HeldReport | null;
  readonly tls: TlsSender;
  tlsVersion: number;
  protocol: number;
  /** Of what it was sent. */
  version: number;
  /** Tables that it was not sent because they were torn. */
  readonly missing: Set<TableName>;
  /** How often it asked for everything since it last served by what it was sent. */
  resyncs: number;
  resync: Timer | null;
  /** While rows are on their way, the keys of those that changed meanwhile; null otherwise. */
  changed: ChangedKeys | null;
}

type Changes = Readonly<Partial<Record<TableName, AnyChange>>>;
type ChangedKeys = ReadonlyMap<TableName, Set<string>>;

export function createLinks(options: LinksOptions): Links {
  const links = new Set<Link>();
  const questions = new Map<number, { readonly link: Link; answer(message: WorkerMessage | null): void }>();
  let nextQuestion = 0;
  let started = false;
  let tls: { readonly version: number; readonly material: TlsMaterial } | null = null;
  const awaitingTls = new Set<() => void>();
  const sendTls = (link: Link): void => {
    if (tls !== null) link.tls.send(tls.version, tls.material);
  };

  const hear = (link: Link, message: WorkerMessage): void => {
    switch (message.type) {
      case 'hello':
        // Closing would make it be tried again without end.
        if (message.protocol !== protocolVersion && !isFormer(message.protocol)) {
          options.log.error(
            { pid: message.pid, protocol: message.protocol },
            'worker speaks another protocol; it is left alone',
          );
          return;
        }
        Object.assign(link, { slot: message.slot, generation: message.generation, pid: message.pid });
        link.protocol = message.protocol;
        sendTls(link);
        void sendAll(link, options, started);
        break;
      case 'applied':
        link.appliedVersion = message.version;
        link.resyncs = 0;
        break;
      case 'tlsApplied':
        link.tlsVersion = message.version;
        for (const look of [...awaitingTls]) look();
        return;
      case 'report':
        link.report = new HeldReport(message);
        break;
      case 'reportChange':
        link.report?.take(message);
        break;
      case 'resync':
        options.log.warn(
          { pid: link.pid, reason: message.reason },
          'worker lost track of the tables; they are sent again',
        );
        resync(link);
        break;
      case 'metrics':
      case 'counted':
        questions.get(message.id)?.answer(message);
        return;
      case 'tries':
        options.onTries?.(message.reports);
        return;
    }
    options.onChange();
  };

  const resync = (link: Link): void => {
    const again = link.resyncs++;
    if (again === 0) return void sendAll(link, options, started);
    link.resync ??= options.clock.after(Math.min(mostResyncMs, firstResyncMs * 2 ** (again - 1)), () => {
      link.resync = null;
      void sendAll(link, options, started);
    });
  };

  /** Null for a worker that does not answer in time, or goes. */
  const ask = (
    link: Link,
    question: (id: number) => ControlMessage,
    timeoutMs: number,
  ): Promise<WorkerMessage | null> =>
    new Promise((resolve) => {
      const id = nextQuestion++;
      const timer = setTimeout(() => answer(null), timeoutMs);
      const answer = (message: WorkerMessage | null): void => {
        clearTimeout(timer);
        questions.delete(id);
        resolve(message);
      };
      questions.set(id, { link, answer });
      link.channel.send(question(id));
    });
  const askAll = (
    question: (id: number) => ControlMessage,
    timeoutMs: number,
  ): Promise<readonly (WorkerMessage | null)[]> =>
    Promise.all([...links].filter((link) => link.slot >= 0).map((link) => ask(link, question, timeoutMs)));

  return {
    add(channel) {
      const link: Link = {
        channel,
        slot: -1,
        generation: -1,
        pid: -1,
        appliedVersion: -1,
        report: null,
        tls: createTlsSender(channel),
        tlsVersion: -1,
        protocol: protocolVersion,
        version: -1,
        missing: new Set(),
        resyncs: 0,
        resync: null,
        changed: null,
      };
      links.add(link);
      channel.onMessage((message) => hear(link, message));
      channel.onClose(() => {
        links.delete(link);
        link.resync?.cancel();
        for (const look of [...awaitingTls]) look();
        for (const question of [...questions.values()]) if (question.link === link) question.answer(null);
        options.onChange();
      });
      const { generation } = options;
      const takesChanges = true;
      channel.send({ type: 'hello', protocol: protocolVersion, generation, pid: process.pid, takesChanges });
    },
    note(changes) {
      for (const { changed } of links) if (changed !== null) noteKeys(changed, changes);
    },
    publish(from, changes) {
      const published = options.published();
      if (published === null) return;
      for (const link of links) {
        if (link.slot < 0) continue;
        if (link.changed !== null) noteKeys(link.changed, changes);
        else if (canHaveMissing(link, published)) void sendAll(link, options, started);
        // Whole tables that went out while the change was held back are newer than what it starts from, and hold part of it.
        else sendChange(link, Math.max(from, link.version), changes, published);
      }
    },
    publishWhole() {
      for (const link of links) if (link.slot >= 0) void sendAll(link, options, started);
    },
    publishTls(material) {
      const version = (tls?.version ?? 0) + 1;
      tls = { version, material };
      const told = [...links].filter((link) => link.slot >= 0);
      for (const link of told) sendTls(link);
      return new Promise((resolve) => {
        const timer = setTimeout(() => settle(), tlsWithinMs);
        const settle = (): void => {
          clearTimeout(timer);
          awaitingTls.delete(look);
          resolve();
        };
        const look = (): void => {
          if (told.every((link) => link.tlsVersion >= version || !links.has(link))) settle();
        };
        awaitingTls.add(look);
        look();
      });
    },
    start() {
      if (started) return;
      started = true;
      // Who is being sent the tables is told behind them: it would answer for a cluster that it does not know yet.
      for (const link of links) if (link.slot >= 0 && link.changed === null) link.channel.send({ type: 'start' });
    },
    reopenLogs: () => links.forEach((link) => link.channel.send({ type: 'reopen' })),
    async readMetrics(timeoutMs) {
      const answers = await askAll((id) => ({ type: 'read', id }), timeoutMs);
      return answers.map((answer) => (answer?.type === 'metrics' ? answer.metrics : []));
    },
    async countInFlight(backends, timeoutMs) {
      const answers = await askAll((id) => ({ type: 'count', id, backends }), timeoutMs);
      let sum = 0;
      for (const answer of answers) {
        if (answer?.type !== 'counted') return null;
        sum += answer.inFlight;
      }
      return sum;
    },
    states: () => [...links].filter((link) => link.slot >= 0).sort((a, b) => a.slot - b.slot),
    close: () => links.forEach((link) => link.channel.close()),
  };
}

/**
 * Sends the tables row by row while they go on changing: what changes meanwhile is left out, or sent once more behind the rest. A copy of
 * them to send from would be the largest thing that control ever holds.
 */
async function sendAll(link: Link, options: LinksOptions, started: boolean): Promise<void> {
  if (link.changed !== null) return;
  const published = options.published();
  if (published === null) {
    if (started) link.channel.send({ type: 'start' });
    return;
  }
  // It would take a table that is left out for an empty one.
  if (link.protocol === firstProtocol && [...published.tables.values()].some(({ isTorn }) => isTorn)) return;
  const changed = new Map(tableNames.map((name) => [name, new Set<string>()]));
  link.changed = changed;
  const { hashes, without } = await sendRows(link, published.tables, changed);
  const now = options.published() ?? published;
  link.changed = null;
  link.version = now.version;
  link.missing.clear();
  for (const name of without) {
    link.missing.add(name);
    changed.delete(name);
  }
  tell(link, { type: 'whole', version: link.version, hashes, without });
  const changes = changesOf(changed, published.tables);
  if (Object.keys(changes).length > 0) sendChange(link, link.version, changes, now);
  link.channel.send({ type: 'start' });
  if (canHaveMissing(link, now)) await sendAll(link, options, started);
}

const tell = ({ channel, protocol }: Link, message: ControlMessage): void =>
  channel.send(isFormer(protocol) ? toFormer(message) : message);

function sendChange(link: Link, from: number, changes: Changes, published: Published): void {
  const { version } = published;
  tell(link, { type: 'change', from, version, changes, hashes: hashesOf(published, link.missing) });
  link.version = version;
}

/** Whether a table that the worker was not sent is whole again. */
const canHaveMissing = ({ missing }: Link, { tables }: Published): boolean =>
  [...missing].some((name) => tables.get(name)?.isTorn === false);

interface SentRows {
  /** Of what was sent. */
  readonly hashes: TableHashes;
  /** Tables that were torn meanwhile. */
  readonly without: readonly TableName[];
}

async function sendRows(link: Link, tables: Published['tables'], changed: ChangedKeys): Promise<SentRows> {
  const { channel } = link;
  const hashes: Partial<Record<TableName, number>> = {};
  const without: TableName[] = [];
  let turnedAt = performance.now();
  channel.send({ type: 'begin' });
  for (const name of tableNames) {
    const table = tables.get(name);
    if (table === undefined) continue;
    const { tears } = table;
    const isWell = (): boolean => !table.isTorn && table.tears === tears;
    let rows: (readonly [string, AnyRecord])[] = [];
    let hash = 0;
    for (const [key, record] of isWell() ? table.records : []) {
      if (changed.get(name)?.has(key) === true) continue;
      hash = (hash + table.hashAt(key, record)) >>> 0;
      if (rows.push([key, record]) < rowsPerMessage) continue;
      tell(link, { type: 'rows', table: name, rows });
      rows = [];
      await channel.flushed();
      if (performance.now() - turnedAt >= sliceMs) {
        await new Promise((resolve) => setImmediate(resolve));
        turnedAt = performance.now();
      }
      if (!isWell()) break;
    }
    if (rows.length > 0) tell(link, { type: 'rows', table: name, rows });
    if (isWell()) hashes[name] = hash;
    else without.push(name);
  }
  return { hashes, without };
}

function noteKeys(changed: ChangedKeys, changes: Changes): void {
  for (const [name, keys] of changed) {
    for (const [key] of changes[name]?.set ?? []) keys.add(key);
    for (const key of changes[name]?.removed ?? []) keys.add(key);
  }
}

function changesOf(changed: ChangedKeys, tables: Published['tables']): Partial<Record<TableName, AnyChange>> {
  const changes: Partial<Record<TableName, AnyChange>> = {};
  for (const [name, keys] of changed) {
    const records = tables.get(name)?.records;
    const set: (readonly [string, AnyRecord])[] = [];
    const removed: string[] = [];
    for (const key of keys) {
      const record = records?.get(key);
      if (record === undefined) removed.push(key);
      else set.push([key, record]);
    }
    const change = { set, removed };
    if (!isEmptyChange(change)) changes[name] = change;
  }
  return changes;
}

function hashesOf({ tables }: Published, missing: ReadonlySet<TableName>): TableHashes {
  return Object.fromEntries([...tables].flatMap(([name, table]) => (missing.has(name) ? [] : [[name, table.hash]])));
}
