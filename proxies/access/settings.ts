// Limits and timeouts of the three proxies with their defaults (specs/proxies.md §7), in one table.

import type { RuleLimits } from './rule-config.ts';

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
  /** Connections at a time of one user, and of one app. */
  readonly perUser: number;
  readonly perApp: number;
  /** Connects under way at a time, and names that are being resolved. */
  readonly dialsPending: number;
  readonly dnsPending: number;
  /** Bytes a second, both ways together: of one connection, of all those of one user, of all on one listener. */
  readonly connectionBytesPerSecond: number;
  readonly userBytesPerSecond: number;
  readonly listenerBytesPerSecond: number;
  /** Of a UDP association: destinations, and datagrams a second both ways together. */
  readonly udpPeers: number;
  readonly udpDatagramsPerSecond: number;
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
  /** Of a tunnel as a whole; 0: any time. */
  readonly lifetimeMs: number;
  /** From the reply to BIND to its peer. */
  readonly bindMs: number;
  /** Of a UDP association without a datagram either way. */
  readonly udpMs: number;
}

const limits: AccessLimits = {
  connections: 20_000,
  perClient: 200,
  newPerClient: 50,
  burstPerClient: 100,
  headerBytes: 16_384,
  headerFields: 100,
  wrongPasswords: 10,
  perUser: 0,
  perApp: 500,
  dialsPending: 1024,
  dnsPending: 256,
  connectionBytesPerSecond: 0,
  userBytesPerSecond: 0,
  listenerBytesPerSecond: 0,
  udpPeers: 64,
  udpDatagramsPerSecond: 2_000,
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
  lifetimeMs: 0,
  bindMs: 60_000,
  udpMs: 60_000,
};

export type ProxyKind = 'socks' | 'egress' | 'forwards';

/** What a timer can wait at most: 24 days. */
const longestMs = 2 ** 31 - 1;

/** Those of one connection or message; all others are over all connections, which the workers share out among themselves. */
const ofOne: ReadonlySet<string> = new Set([
  ...['headerBytes', 'headerFields', 'connectionBytesPerSecond', 'udpPeers', 'udpDatagramsPerSecond'],
]);

export type SharedRuleLimits = Required<RuleLimits>;

/** Limits of one rule, Infinity where there is none. Each of `workers` gets an equal part, rounded up. */
export function ruleLimitsOf(given: RuleLimits, workers: number): SharedRuleLimits {
  const part = (most = 0): number => (most === 0 ? Infinity : Math.ceil(most / workers));
  const { newPerSecond = 0, newBurst = newPerSecond } = given;
  return {
    connections: part(given.connections),
    perClient: part(given.perClient),
    // A rate may be less than one for each worker; a burst that never reaches one would let nobody in.
    newPerSecond: newPerSecond === 0 ? Infinity : newPerSecond / workers,
    newBurst: Math.max(1, part(newBurst)),
    bytesPerSecond: part(given.bytesPerSecond),
    connectionBytesPerSecond: given.connectionBytesPerSecond || Infinity,
  };
}

/** Where a limit is 0 there is none. Each of `workers` gets an equal part, rounded up. */
export function limitsOf(kind: ProxyKind, given: Partial<AccessLimits> = {}, workers = 1): AccessLimits {
  const own = kind === 'forwards' ? { connections: 5_000, perClient: 100 } : {};
  const part = (name: string, most: number): number => (ofOne.has(name) ? most : Math.ceil(most / workers));
  const entries = Object.entries({ ...limits, ...own, ...given });
  return Object.fromEntries(
    entries.map(([name, most]) => [name, most === 0 ? Infinity : part(name, most)]),
  ) as unknown as AccessLimits;
}

/** Where a timeout is 0 there is none; those that go on to tunnels and HTTP stay 0, which means the same there. */
export function timeoutsOf(kind: ProxyKind, given: Partial<AccessTimeouts> = {}): AccessTimeouts {
  const all = { ...timeouts, ...(kind === 'forwards' ? { headerMs: 3_000 } : {}), ...given };
  const { headerMs, dnsMs, connectMs, dialMs, bindMs, udpMs } = all;
  const endless = (ms: number): number => (ms === 0 ? longestMs : ms);
  return {
    ...all,
    headerMs: endless(headerMs),
    dnsMs: endless(dnsMs),
    connectMs: endless(connectMs),
    dialMs: endless(dialMs),
    bindMs: endless(bindMs),
    udpMs: endless(udpMs),
  };
}
