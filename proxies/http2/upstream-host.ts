// What a stream to a backend needs of its connection, and that of the shelf that opened it.

import type { Deadlines, UpstreamFailure, UpstreamLimits, UpstreamTimeouts } from '../http1/index.ts';
import type { FrameOutput } from './frame-output.ts';
import type { HpackEncoder } from './hpack-encoder.ts';
import type { SendSchedule } from './send-schedule.ts';
import type { UpstreamConnection } from './upstream-connection.ts';
import type { Http2UpstreamLimits } from './upstream-limits.ts';
import type { UpstreamStream } from './upstream-stream.ts';

export interface UpstreamHost {
  readonly encoder: HpackEncoder;
  readonly output: FrameOutput;
  readonly schedule: SendSchedule;
  readonly deadlines: Deadlines;
  readonly limits: Http2UpstreamLimits;
  readonly isSecure: boolean;
  /** Of the peer's SETTINGS. */
  readonly mostFrameBytes: number;
  /** What the backend takes on a new stream before it says more. */
  readonly streamWindow: number;
  /** Gives the stream its id: its header block is to follow in the call. */
  open(stream: UpstreamStream): number;
  /** `bytes` of the connection's receiving window are free again. */
  credit(bytes: number): void;
  /** How much a stream that is read may be sent ahead, as many as there are. */
  windowShare(): number;
  /** Looks after the stream at its `deadlineAt`. */
  watch(deadlineAt: number): void;
  /** The stream is over; with a code it is reset, and what still comes on it is ignored. */
  leave(stream: UpstreamStream, code: number | null): void;
}

/** Who opened a connection, and hears of it. */
export interface UpstreamOwner {
  readonly limits: UpstreamLimits;
  readonly http2: Http2UpstreamLimits;
  readonly timeouts: UpstreamTimeouts;
  readonly deadlines: Deadlines;
  /** Whether the backend bears PINGs while it has nothing to do. */
  readonly pings: boolean;
  /** The backend has said its settings: streams may be opened. */
  onReady(connection: UpstreamConnection): void;
  /** No connection, or none that speaks HTTP/2; `onClosed` follows. */
  onFailed(connection: UpstreamConnection, failure: UpstreamFailure): void;
  /** It may carry another stream, or will carry no more. */
  onChange(connection: UpstreamConnection): void;
  /** The last stream has ended. True: the connection is kept. */
  keeps(connection: UpstreamConnection): boolean;
  /** The backend finds that we ask too much. */
  onCalm(): void;
  onClosed(connection: UpstreamConnection): void;
}
