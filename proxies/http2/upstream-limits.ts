// What one backend of HTTP/2 may cost, and how its connections are kept.

export interface Http2UpstreamLimits {
  /** Connections to one backend; more streams than they carry wait. */
  readonly connectionsPerBackend: number;
  /** Streams on one connection, where the backend allows more. */
  readonly streamsPerConnection: number;
  /** Of an answer's fields, as RFC 9113 §6.5.2 counts them; a block longer than that while compressed ends the connection. */
  readonly headerListBytes: number;
  /** Frames that one header block may come in, and for how long. */
  readonly blockFrames: number;
  readonly blockMs: number;
  /** Heads of 1xx before one answer. */
  readonly informational: number;
  /** What a backend may send ahead: on one stream, at most, and on a connection. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** For how long a connection without streams is kept. */
  readonly idleMs: number;
  /** After so long without an octet a PING asks whether the backend is there: where no stream is open, and where some are. */
  readonly pingIdleMs: number;
  readonly pingQuietMs: number;
  /** For the answer to it. */
  readonly pongMs: number;
}

/** Servers of gRPC count a PING within five minutes as a strike where streams are open and nothing comes; three end the connection. */
export const defaultHttp2UpstreamLimits: Http2UpstreamLimits = {
  connectionsPerBackend: 64,
  streamsPerConnection: 256,
  headerListBytes: 64 * 1024,
  blockFrames: 32,
  blockMs: 15_000,
  informational: 32,
  streamWindowBytes: 1024 * 1024,
  connectionWindowBytes: 16 * 1024 * 1024,
  idleMs: 300_000,
  pingIdleMs: 30_000,
  pingQuietMs: 330_000,
  pongMs: 10_000,
};
