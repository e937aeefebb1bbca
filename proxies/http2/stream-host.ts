// What a stream needs of its connection, and a connection of the front that accepted it.

import type { Deadlines, Exchange, Http1Timeouts, LocalAnswer, Peer, RequestView } from '../http1/index.ts';
import type { FrameOutput } from './frame-output.ts';
import type { HeldBytes } from './held-bytes.ts';
import type { Http2Connection } from './http2-connection.ts';
import type { HpackEncoder } from './hpack-encoder.ts';
import type { Http2Limits } from './http2-limits.ts';
import type { SendSchedule } from './send-schedule.ts';

/** Why we end a connection, besides errors of the protocol; label values of a metric. */
export type FaultReason =
  | 'protocol'
  | 'compression'
  | 'frame-size'
  | 'flow-control'
  | 'stream-closed'
  | 'reset-flood'
  | 'control-flood'
  | 'window-update-flood'
  | 'empty-data-flood'
  | 'continuation-flood'
  | 'header-block'
  | 'held-answers'
  | 'memory'
  | 'settings-timeout'
  | 'timeout';

/** Why we reset a stream. */
export type StreamReason = 'malformed' | 'refused' | 'flow-control' | 'closed' | 'frame-size' | 'stalled' | 'aborted';

export interface Http2ConnectionFront {
  readonly limits: Http2Limits;
  readonly timeouts: Http1Timeouts;
  readonly deadlines: Deadlines;
  readonly date: () => string;
  readonly draining: boolean;
  /** Of all its connections. */
  readonly held: HeldBytes;
  onExchange(exchange: Exchange): void;
  onRefused(status: number, request: RequestView | null, peer: Peer, handled: boolean): LocalAnswer;
  onClosed(connection: Http2Connection): void;
  onFault(reason: FaultReason): void;
  onStreamReset(reason: StreamReason): void;
}

export interface StreamHost {
  readonly front: Http2ConnectionFront;
  readonly peer: Peer;
  readonly encoder: HpackEncoder;
  readonly output: FrameOutput;
  readonly schedule: SendSchedule;
  /** Of the peer's SETTINGS. */
  readonly mostFrameBytes: number;
  /** `bytes` of the connection's receiving window are free again. */
  credit(bytes: number): void;
  /** How much a stream that is read may be sent ahead, as many as there are. */
  windowShare(): number;
  /** Looks after the stream at its `deadlineAt`. */
  watch(deadlineAt: number): void;
  /** The stream is over; with a code it is reset, and what still comes on it is ignored. */
  leave(id: number, code: number | null): void;
  /** `bytes` more of a request's body wait for their reader; fewer where it is negative. */
  keep(bytes: number): void;
  /** Looks whether too much is held back for this client, or for all. */
  checkHeld(): void;
}
