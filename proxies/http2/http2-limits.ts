// What one HTTP/2 connection may cost, besides the limits it shares with HTTP/1 (specs/l7.md §3.4).

import type { Http1Limits } from '../http1/index.ts';

export interface Http2Limits extends Http1Limits {
  /** Streams open at once; more are refused. */
  readonly streams: number;
  /** Of a request's fields, as RFC 9113 §6.5.2 counts them; more is 431. A block that is longer while compressed ends the connection. */
  readonly headerListBytes: number;
  /** Frames that one header block may come in. */
  readonly blockFrames: number;
  /** The most that a client may send ahead of one stream that is being read; one that is not gets the protocol's 64 KiB. */
  readonly streamWindowBytes: number;
  /** The same of the connection. Streams get a share of it by their number, so that those nobody reads do not stop the others. */
  readonly connectionWindowBytes: number;
  /** Resets in a burst and a second; more end the connection, tenfold for trusted peers, who forward what others do. */
  readonly streamResetBurst: number;
  readonly streamResetRate: number;
  /** Answers that wait for a connection's client to open its windows; more ends the connection. */
  readonly heldBytes: number;
  /** The same of all connections together, with bodies of requests that nobody reads: beyond, those that hold most are ended. */
  readonly totalHeldBytes: number;
  /** How long a client has to acknowledge our SETTINGS (RFC 9113 §6.5.3). */
  readonly settingsMs: number;
}

export const defaultHttp2Limits = {
  streams: 100,
  headerListBytes: 64 * 1024,
  blockFrames: 32,
  streamWindowBytes: 1024 * 1024,
  connectionWindowBytes: 16 * 1024 * 1024,
  streamResetBurst: 1_000,
  streamResetRate: 33,
  heldBytes: 32 * 1024 * 1024,
  totalHeldBytes: 256 * 1024 * 1024,
  settingsMs: 10_000,
} as const;
