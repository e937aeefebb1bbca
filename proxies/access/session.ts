// Sessions: one log line at the end (and one at the start where a rule says so), and the counters people alarm on.

import {
  latencyBuckets,
  messageOf,
  type Cell,
  type Clock,
  type LogFields,
  type Logger,
  type Metrics,
} from '../../src/runtime/index.ts';
import type { TunnelReason, TunnelResult } from '../../src/runtime/index.ts';
import type { FailureReason } from './failure.ts';
import { formatSession, type SessionLog } from './session-lines.ts';

/** Why a session ended: a failure of §8, or what became of an allowed one. */
export type SessionReason = FailureReason | TunnelReason;

export interface SessionEnd {
  readonly verdict: 'allow' | 'deny';
  readonly reason: SessionReason;
  readonly bytesUp?: number;
  readonly bytesDown?: number;
  /** Of its tunnel, where it had one. */
  readonly halfClosed?: TunnelResult['halfClosed'];
  readonly firstByteMs?: number | null;
}

export interface Session {
  readonly id: string;
  /** Adds fields to its log lines: never credentials, and clients' text only in canonical form. */
  note(fields: LogFields): void;
  /** Logs the opening. */
  announce(): void;
  /** Counts and logs the end; further calls do nothing. */
  end(end: SessionEnd): void;
}

export interface Sessions {
  open(fields: LogFields): Session;
  /** Counts a connection that the gate refused; logs one a second at most. */
  refuse(reason: FailureReason, fields: LogFields): void;
  /** Logs a fault of our own that ended a session. */
  fault(error: unknown): void;
}

export interface SessionsOptions {
  /** `socks`, `egress` or `forwards`: prefix of the metrics. */
  readonly subsystem: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Where ended sessions are told; null or absent: in the log. */
  readonly sessionLog?: SessionLog | null;
}

const refusalLogMs = 1_000;

export function createSessions(options: SessionsOptions): Sessions {
  const { subsystem, log, clock, sessionLog = null } = options;
  const cells = createCells(options);
  const writes = sessionLog !== null ? () => true : () => log.isOn?.('info') ?? true;
  const shared: Shared = { subsystem, cells, log, clock, sessionLog, writes };
  let count = 0;
  let refusalLoggedAt = -Infinity;

  return {
    open: (opening) => new OpenSession(shared, count++, opening),
    refuse(reason, fields) {
      cells.total('deny', reason).value++;
      if (clock.monotonic() - refusalLoggedAt < refusalLogMs) return;
      refusalLoggedAt = clock.monotonic();
      log.warn(
        { ...fields, reason },
        `${subsystem} connection refused at the door; more of them are counted, not logged`,
      );
    },
    fault: (error) => log.error({ error: messageOf(error) }, `a fault ended a ${subsystem} session`),
  };
}

/** What all sessions of a function have in common. */
interface Shared extends Pick<SessionsOptions, 'subsystem' | 'log' | 'clock'> {
  readonly cells: Cells;
  readonly sessionLog: SessionLog | null;
  /** Whether lines of ended sessions go anywhere. */
  writes(): boolean;
}

/** Notes are put together when a line is written, which many a log level spares them all. */
class OpenSession implements Session {
  readonly #shared: Shared;
  readonly #number: number;
  readonly #notes: LogFields[];
  readonly #startedAt: number;
  #ended = false;

  constructor(shared: Shared, number: number, opening: LogFields) {
    this.#shared = shared;
    this.#number = number;
    this.#notes = [opening];
    this.#startedAt = shared.clock.monotonic();
    shared.cells.active.value++;
  }

  get id(): string {
    return `${process.pid.toString(36)}-${this.#number.toString(36)}`;
  }

  note(fields: LogFields): void {
    this.#notes.push(fields);
  }

  announce(): void {
    this.#shared.log.info(this.#fields(), `${this.#shared.subsystem} session opened`);
  }

  end(end: SessionEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    const { cells, clock, writes } = this.#shared;
    cells.active.value--;
    cells.up.value += end.bytesUp ?? 0;
    cells.down.value += end.bytesDown ?? 0;
    cells.total(end.verdict, end.reason).value++;
    const elapsedMs = clock.monotonic() - this.#startedAt;
    cells.observe(this.#notes, end, elapsedMs);
    if (writes()) this.#write(end, Math.round(elapsedMs));
  }

  #write({ verdict, reason, bytesUp: up = 0, bytesDown: down = 0, ...more }: SessionEnd, durationMs: number): void {
    const { sessionLog, clock, log, subsystem } = this.#shared;
    const fields = this.#fields();
    if (sessionLog !== null) {
      const ended = { fields, verdict, reason, durationMs, up, down, at: clock.now() };
      sessionLog.write(formatSession(sessionLog.format, ended));
      return;
    }
    const { firstByteMs = null, halfClosed = null } = more;
    const ttfbMs = firstByteMs === null ? {} : { ttfbMs: Math.round(firstByteMs) };
    const half = halfClosed === null ? {} : { halfClosed };
    log.info({ ...fields, verdict, reason, durationMs, ...ttfbMs, up, down, ...half }, `${subsystem} session ended`);
  }

  #fields(): LogFields {
    return Object.assign({ id: this.id }, ...this.#notes) as LogFields;
  }
}

interface Cells {
  readonly active: Cell;
  readonly up: Cell;
  readonly down: Cell;
  total(verdict: string, reason: SessionReason): Cell;
  /** `notes`: of the session's log line, later ones first in force; `dnsMs`, `connectMs` and `rule` are looked at. */
  observe(notes: readonly LogFields[], end: SessionEnd, elapsedMs: number): void;
}

/** Reasons that are a word of the rules. */
const denials: ReadonlySet<SessionReason> = new Set(['denied', 'rebind', 'range', 'loop']);
const sessionBuckets: readonly number[] = [0.01, 0.1, 1, 10, 60, 600, 3_600, 36_000];

function createCells({ subsystem, metrics }: SessionsOptions): Cells {
  const totals = metrics.counter(`${subsystem}_sessions_total`, 'Sessions that ended, by verdict and reason.', [
    'verdict',
    'reason',
  ]);
  const active = metrics.gauge(`${subsystem}_sessions_active`, 'Sessions that are open.', []);
  const bytes = metrics.counter(`${subsystem}_bytes_total`, 'Payload bytes of ended sessions.', ['direction']);
  const dns = metrics
    .histogram(`${subsystem}_dns_seconds`, 'Resolution of the names of destinations.', [], latencyBuckets)
    .cell();
  const dial = metrics
    .histogram(`${subsystem}_dial_seconds`, 'Connecting, after the name was resolved.', [], latencyBuckets)
    .cell();
  const whole = metrics
    .histogram(`${subsystem}_session_seconds`, 'Sessions from the accept to the end.', [], sessionBuckets)
    .cell();
  const denied = metrics.counter(`${subsystem}_policy_denied_total`, 'Sessions that the rules denied, by rule.', [
    'rule',
  ]);
  const authFailures = metrics
    .counter(`${subsystem}_auth_failures_total`, 'Sessions without a valid login.', [])
    .cell();
  const allowed = new Map<SessionReason, Cell>();
  const refused = new Map<SessionReason, Cell>();
  return {
    observe(notes, { verdict, reason }, elapsedMs) {
      const dnsMs = lastOf(notes, 'dnsMs');
      const connectMs = lastOf(notes, 'connectMs');
      if (typeof dnsMs === 'number') dns.observe(dnsMs / 1000);
      if (typeof connectMs === 'number') dial.observe(connectMs / 1000);
      whole.observe(elapsedMs / 1000);
      if (reason === 'auth') authFailures.value++;
      if (verdict !== 'deny' || !denials.has(reason)) return;
      const rule = lastOf(notes, 'rule');
      denied.cell(typeof rule === 'number' ? String(rule) : 'none').value++;
    },
    active: active.cell(),
    up: bytes.cell('up'),
    down: bytes.cell('down'),
    total(verdict, reason) {
      const known = verdict === 'allow' ? allowed : refused;
      let cell = known.get(reason);
      if (cell === undefined) known.set(reason, (cell = totals.cell(verdict, reason)));
      return cell;
    },
  };
}

function lastOf(notes: readonly LogFields[], name: string): unknown {
  for (let i = notes.length - 1; i >= 0; i--) {
    const value = notes[i]?.[name];
    if (value !== undefined) return value;
  }
  return undefined;
}
