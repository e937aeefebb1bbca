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
  let count = 0;
  let refusalLoggedAt = -Infinity;

  function open(opening: LogFields): Session {
    const id = `${process.pid.toString(36)}-${(count++).toString(36)}`;
    const startedAt = clock.monotonic();
    let fields = opening;
    let ended = false;
    cells.active.value++;
    return {
      id,
      note: (more) => void (fields = { ...fields, ...more }),
      announce: () => log.info({ id, ...fields }, `${subsystem} session opened`),
      end({ verdict, reason, bytesUp = 0, bytesDown = 0, halfClosed = null, firstByteMs = null }) {
        if (ended) return;
        ended = true;
        cells.active.value--;
        cells.up.value += bytesUp;
        cells.down.value += bytesDown;
        cells.total(verdict, reason).value++;
        const elapsedMs = clock.monotonic() - startedAt;
        cells.observe(fields, verdict, reason, elapsedMs);
        const durationMs = Math.round(elapsedMs);
        if (sessionLog !== null) {
          const ended = { fields: { id, ...fields }, verdict, reason, durationMs, up: bytesUp, down: bytesDown };
          sessionLog.write(formatSession(sessionLog.format, { ...ended, at: clock.now() }));
          return;
        }
        const ttfbMs = firstByteMs === null ? {} : { ttfbMs: Math.round(firstByteMs) };
        const half = halfClosed === null ? {} : { halfClosed };
        log.info(
          { id, ...fields, verdict, reason, durationMs, ...ttfbMs, up: bytesUp, down: bytesDown, ...half },
          `${subsystem} session ended`,
        );
      },
    };
  }

  return {
    open,
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

interface Cells {
  readonly active: Cell;
  readonly up: Cell;
  readonly down: Cell;
  total(verdict: string, reason: SessionReason): Cell;
  /** `fields`: of the session's log line; `dnsMs`, `connectMs` and `rule` are looked at. */
  observe(fields: LogFields, verdict: string, reason: SessionReason, elapsedMs: number): void;
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
  return {
    observe(fields, verdict, reason, elapsedMs) {
      const { ['dnsMs']: dnsMs, ['connectMs']: connectMs } = fields;
      if (typeof dnsMs === 'number') dns.observe(dnsMs / 1000);
      if (typeof connectMs === 'number') dial.observe(connectMs / 1000);
      whole.observe(elapsedMs / 1000);
      if (reason === 'auth') authFailures.value++;
      const rule = fields['rule'];
      if (verdict === 'deny' && denials.has(reason))
        denied.cell(typeof rule === 'number' ? String(rule) : 'none').value++;
    },
    active: active.cell(),
    up: bytes.cell('up'),
    down: bytes.cell('down'),
    total: (verdict, reason) => totals.cell(verdict, reason),
  };
}
