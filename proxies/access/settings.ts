// Limits and timeouts of the three proxies with their defaults (specs/proxies.md §7), in one table.

export interface AccessLimits {
  /** Connections at a time, all clients together. */
  readonly connections: number;
  /** Connections at a time of one client. Loopback is never counted. */
  readonly perClient: number;
  /** New connections a second of one client, after a burst of `burstPerClient`. */
  readonly newPerClient: number;
  readonly burstPerClient: number;
  readonly headerBytes: number;
  readonly headerFields: number;
  /** Wrong passwords a minute of one client. */
  readonly wrongPasswords: number;
}

export interface AccessTimeouts {
  /** From the accept to the complete request, or to the complete head of each HTTP request. */
  readonly headerMs: number;
  /** To the end of a name's resolution. */
  readonly dnsMs: number;
  /** One connect attempt. */
  readonly connectMs: number;
  /** Resolution and all connect attempts together. */
  readonly dialMs: number;
  /** Of an HTTP proxy to the head of the answer; 0: none. */
  readonly responseMs: number;
  /** Of an HTTP exchange without a byte either way, and of a kept connection between two. */
  readonly idleMs: number;
  /** Of a tunnel without a byte either way. */
  readonly tunnelMs: number;
  /** The same once one side has sent FIN. */
  readonly halfCloseMs: number;
}

const limits: AccessLimits = {
  connections: 20_000,
  perClient: 200,
  newPerClient: 50,
  burstPerClient: 100,
  headerBytes: 16_384,
  headerFields: 100,
  wrongPasswords: 10,
};

const timeouts: AccessTimeouts = {
  headerMs: 10_000,
  dnsMs: 6_000,
  connectMs: 4_000,
  dialMs: 10_000,
  responseMs: 60_000,
  idleMs: 300_000,
  tunnelMs: 3_600_000,
  halfCloseMs: 60_000,
};

export type ProxyKind = 'socks' | 'egress' | 'forwards';

/** What a timer can wait at most: 24 days. */
const longestMs = 2 ** 31 - 1;

/** Where a limit is 0 there is none. */
export function limitsOf(kind: ProxyKind, given: Partial<AccessLimits> = {}): AccessLimits {
  const own = kind === 'forwards' ? { connections: 5_000, perClient: 100 } : {};
  const entries = Object.entries({ ...limits, ...own, ...given });
  return Object.fromEntries(
    entries.map(([name, most]) => [name, most === 0 ? Infinity : most]),
  ) as unknown as AccessLimits;
}

/** Where a timeout is 0 there is none; those that go on to tunnels and HTTP stay 0, which means the same there. */
export function timeoutsOf(kind: ProxyKind, given: Partial<AccessTimeouts> = {}): AccessTimeouts {
  const all = { ...timeouts, ...(kind === 'forwards' ? { headerMs: 3_000 } : {}), ...given };
  const { headerMs, dnsMs, connectMs, dialMs } = all;
  const endless = (ms: number): number => (ms === 0 ? longestMs : ms);
  return {
    ...all,
    headerMs: endless(headerMs),
    dnsMs: endless(dnsMs),
    connectMs: endless(connectMs),
    dialMs: endless(dialMs),
  };
}
