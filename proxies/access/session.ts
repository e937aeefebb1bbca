// Sessions: one log line at the end (and one at the start where a rule says so), and the counters people alarm on.

import {
  messageOf,
  type Cell,
  type Clock,
  type LogFields,
  type Logger,
  type Metrics,
} from '../../src/runtime/index.ts';
import type { TunnelReason } from '../../src/runtime/index.ts';
import type { FailureReason } from './failure.ts';

/** Why a session ended: a failure of §8, or what became of an allowed one. */
export type SessionReason = FailureReason | TunnelReason;

export interface SessionEnd {
  readonly verdict: 'allow' | 'deny';
  readonly reason: SessionReason;
  readonly bytesUp?: number;
  readonly bytesDown?: number;
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
}

const refusalLogMs = 1_000;

export function createSessions(options: SessionsOptions): Sessions {
  const { subsystem, log, clock } = options;
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
      end({ verdict, reason, bytesUp = 0, bytesDown = 0 }) {
        if (ended) return;
        ended = true;
        cells.active.value--;
        cells.up.value += bytesUp;
        cells.down.value += bytesDown;
        cells.total(verdict, reason).value++;
        const durationMs = Math.round(clock.monotonic() - startedAt);
        log.info(
          { id, ...fields, verdict, reason, durationMs, up: bytesUp, down: bytesDown },
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
}

function createCells({ subsystem, metrics }: SessionsOptions): Cells {
  const totals = metrics.counter(`${subsystem}_sessions_total`, 'Sessions that ended, by verdict and reason.', [
    'verdict',
    'reason',
  ]);
  const active = metrics.gauge(`${subsystem}_sessions_active`, 'Sessions that are open.', []);
  const bytes = metrics.counter(`${subsystem}_bytes_total`, 'Payload bytes of ended sessions.', ['direction']);
  return {
    active: active.cell(),
    up: bytes.cell('up'),
    down: bytes.cell('down'),
    total: (verdict, reason) => totals.cell(verdict, reason),
  };
}
