// How much and how long: what one HTTP/1 connection may cost (specs/l7.md §3.4, §3.9).

/** 0: no limit. */
export interface Http1Limits {
  /** Bytes of a head, request line included; more is 431. */
  readonly headerBytes: number;
  /** Fields of a head or trailer section; more is 431. */
  readonly fields: number;
  /** Bytes of a request line; more is 414. */
  readonly requestLineBytes: number;
  /** Characters of a host name, 253 at most; more is 400. */
  readonly hostBytes: number;
  /** Bytes of a request body; more is 413. */
  readonly bodyBytes: number;
  /** The least that a client must send of a body in a second, once it has had 20 s; less is 408. */
  readonly bodyBytesPerSecond: number;
  /** Connections of one front, and of one client address (IPv6: of one /64) among them; loopback and trusted peers are not counted. */
  readonly connections: number;
  readonly perClient: number;
  /** Requests on one connection before it is closed. */
  readonly requestsPerConnection: number;
}

export const defaultLimits: Http1Limits = {
  headerBytes: 16 * 1024,
  fields: 128,
  requestLineBytes: 8 * 1024,
  hostBytes: 253,
  bodyBytes: 0,
  bodyBytesPerSecond: 0,
  connections: 10_000,
  perClient: 200,
  requestsPerConnection: 10_000,
};

/** What is given over the defaults; a limit of 0 is none. */
export function effectiveLimits(given: Partial<Http1Limits> = {}): Http1Limits {
  const entries = Object.entries({ ...defaultLimits, ...given });
  return Object.fromEntries(
    entries.map(([name, most]) => [name, most === 0 ? Infinity : most]),
  ) as unknown as Http1Limits;
}

/** What is still read of a body that goes on after its answer, and after a refusal (specs/l7.md §3.1, §3.8). */
export const linger = { bodyBytes: 1024 * 1024, bodyMs: 5_000, refusedBytes: 64 * 1024 } as const;

/** Waits for what the client does; 0 switches one off. */
export interface Http1Timeouts {
  /** From the first byte of a head to its last; then 408. The first head of a connection counts from the accept. */
  readonly headerMs: number;
  /** Between two bytes of a request body; then 408. */
  readonly bodyMs: number;
  /** Between an answer and the next request; then the connection closes. */
  readonly idleMs: number;
  /** Between two signs that the client takes what was written; then the connection is cut. */
  readonly sendMs: number;
  /** For the next byte of an answer to a client that has ended its side: longer, and it is taken for gone rather than half-closed. */
  readonly endedMs: number;
  /** For what the client still sends after a refusal. */
  readonly lingerMs: number;
}

export const defaultTimeouts: Http1Timeouts = {
  headerMs: 15_000,
  bodyMs: 30_000,
  idleMs: 15_000,
  sendMs: 60_000,
  endedMs: 500,
  lingerMs: 1_000,
};

export interface UpstreamLimits {
  /** Connections to one backend; requests beyond wait for one. 0: no limit. */
  readonly connectionsPerBackend: number;
  /** Idle connections kept for one backend. */
  readonly idlePerBackend: number;
  /** Requests that wait for one backend; more fail at once. */
  readonly queued: number;
  readonly headerBytes: number;
  readonly fields: number;
}

export const defaultUpstreamLimits: UpstreamLimits = {
  connectionsPerBackend: 0,
  idlePerBackend: 256,
  queued: 1_000,
  headerBytes: 64 * 1024,
  fields: 256,
};

/** Waits for what a backend does; 0 switches one off. */
export interface UpstreamTimeouts {
  readonly connectMs: number;
  /** For a connection, where their number is limited. */
  readonly queueMs: number;
  /** From the request's last byte to the answer's head. */
  readonly responseMs: number;
  /** Between two reads of an answer's body. */
  readonly answerMs: number;
  /** How long an idle connection is kept; shorter than Node backends' 5 s, so that they do not close it under a request. */
  readonly idleMs: number;
}

export const defaultUpstreamTimeouts: UpstreamTimeouts = {
  connectMs: 3_000,
  queueMs: 30_000,
  responseMs: 30_000,
  answerMs: 30_000,
  idleMs: 4_000,
};
