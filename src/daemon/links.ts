// Links: control's side of its workers. Sends each worker the tables once as rows, then changes; sends everything again to one that lost
// track; knows what each worker serves and how far it is.

import type { TlsMaterial } from '../../certs/index.ts';
import type { TryReport } from '../../lb/index.ts';
import type { BackendKey } from '../cluster/index.ts';
import type { Logger, MetricJson } from '../runtime/index.ts';
import type { Channel } from './channel.ts';
import {
  protocolVersion,
  tableNames,
  type ControlMessage,
  type TableHashes,
  type TableName,
  type WorkerMessage,
  type WorkerReport,
} from './message.ts';
import type { AnyChange, AnyRecord, FollowedTable } from './tables.ts';
import { createTlsSender, type TlsSender } from './tls-sender.ts';

/** A worker that is busy longer gets what it is told a little later. */
const tlsWithinMs = 5_000;

/** Rows of one message at most: a message is turned to JSON and parsed in one go, and a worker's turn must stay short. */
const rowsPerMessage = 200;

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
  readonly tables: ReadonlyMap<TableName, FollowedTable>;
}

export interface Links {
  add(channel: Channel<ControlMessage, WorkerMessage>): void;
  /** A change of the tables, which already hold it. */
  publish(from: number, changes: Readonly<Partial<Record<TableName, AnyChange>>>): void;
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
  report: WorkerReport | null;
  readonly tls: TlsSender;
  tlsVersion: number;
  /** While rows are on their way, the changes that came meanwhile; null otherwise. */
  waiting: ControlMessage[] | null;
}

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
        if (message.protocol !== protocolVersion) {
          options.log.error(
            { pid: message.pid, protocol: message.protocol },
            'worker speaks another protocol; it is left alone',
          );
          link.channel.close();
          return;
        }
        Object.assign(link, { slot: message.slot, generation: message.generation, pid: message.pid });
        sendTls(link);
        void sendAll(link, options, started);
        break;
      case 'applied':
        link.appliedVersion = message.version;
        break;
      case 'tlsApplied':
        link.tlsVersion = message.version;
        for (const look of [...awaitingTls]) look();
        return;
      case 'report':
        link.report = message;
        break;
      case 'resync':
        options.log.warn(
          { pid: link.pid, reason: message.reason },
          'worker lost track of the tables; they are sent again',
        );
        void sendAll(link, options, started);
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
        waiting: null,
      };
      links.add(link);
      channel.onMessage((message) => hear(link, message));
      channel.onClose(() => {
        links.delete(link);
        for (const look of [...awaitingTls]) look();
        for (const question of [...questions.values()]) if (question.link === link) question.answer(null);
        options.onChange();
      });
      channel.send({ type: 'hello', protocol: protocolVersion, generation: options.generation, pid: process.pid });
    },
    publish(from, changes) {
      const published = options.published();
      if (published === null) return;
      const hashes = hashesOf(published);
      const message: ControlMessage = { type: 'change', from, version: published.version, changes, hashes };
      for (const link of links) {
        if (link.slot < 0) continue;
        if (link.waiting === null) link.channel.send(message);
        else link.waiting.push(message);
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
      for (const link of links) if (link.slot >= 0) link.channel.send({ type: 'start' });
    },
    reopenLogs() {
      for (const link of links) link.channel.send({ type: 'reopen' });
    },
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
    close() {
      for (const link of links) link.channel.close();
    },
  };
}

/**
 * Sends the tables as they are now, then what changed while they were on their way. The rows are gathered first: a table that changes
 * under way would give a mixture of versions.
 */
async function sendAll(link: Link, options: LinksOptions, started: boolean): Promise<void> {
  if (link.waiting !== null) return;
  const published = options.published();
  if (published === null) {
    if (started) link.channel.send({ type: 'start' });
    return;
  }
  link.waiting = [];
  const whole: ControlMessage = { type: 'whole', version: published.version, hashes: hashesOf(published) };
  await sendRows(link.channel, gatherRows(published.tables));
  link.channel.send(whole);
  link.channel.send({ type: 'start' });
  for (const message of link.waiting) link.channel.send(message);
  link.waiting = null;
}

function gatherRows(
  tables: ReadonlyMap<TableName, FollowedTable>,
): (readonly [TableName, readonly (readonly [string, AnyRecord])[]])[] {
  return tableNames.map((name) => [name, [...(tables.get(name)?.records ?? [])]] as const);
}

async function sendRows(channel: Link['channel'], tables: ReturnType<typeof gatherRows>): Promise<void> {
  channel.send({ type: 'begin' });
  for (const [table, rows] of tables) {
    for (let start = 0; start < rows.length; start += rowsPerMessage) {
      channel.send({ type: 'rows', table, rows: rows.slice(start, start + rowsPerMessage) });
      await channel.flushed();
    }
  }
}

function hashesOf(published: Published): TableHashes {
  return Object.fromEntries([...published.tables].map(([name, table]) => [name, table.hash]));
}
