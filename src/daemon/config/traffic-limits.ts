// Limits and timeouts of everything that listens, one table each: names, defaults, and the sections that have them (specs/l7.md §3.4 and
// §3.9, specs/proxies.md §7). Keys that end in `Bytes` or `BytesPerSecond` take sizes, other limits counts; 0 and `off` mean none. Timeouts take durations
// and come out as `…Ms`.

import { defaulted, section, type Field, mapped } from './field.ts';
import { bytes, count, duration } from './value-fields.ts';

type Table = Readonly<Record<string, number | string>>;
export type Limits<T extends Table> = { readonly [K in keyof T]: number };
export type Timeouts<T extends Table> = { readonly [K in keyof T & string as `${K}Ms`]: number };

export const routerLimits = {
  connections: 10_000,
  /** Of one client address (IPv6: /64); never counts loopback and `trustedProxies`. */
  perClient: 200,
  headerBytes: '16k',
  headerFields: 128,
  requestLineBytes: '8k',
  hostBytes: 253,
  bodyBytes: 'off',
  /** The least that a client must send of a body in a second, after 20 s. */
  bodyBytesPerSecond: 'off',
  requestsPerConnection: 10_000,
  streams: 100,
  streamWindowBytes: '1M',
  connectionWindowBytes: '16M',
  headerListBytes: '64k',
  streamResetBurst: 1000,
  streamResetRate: 33,
} as const;

export const routerTimeouts = {
  handshake: '10s',
  header: '15s',
  /** Gap between bytes of a request's body. */
  body: '30s',
  /** Kept-alive connection of a client; behind a balancer longer than that one's. */
  idle: '15s',
  connect: '3s',
  queue: '30s',
  responseHeader: '30s',
  /** Gap between bytes of an answer. */
  response: '30s',
  upstreamIdle: '4s',
  tunnel: '1h',
  /** After one side of a tunnel has ended. */
  halfClosed: '60s',
  /** The whole request. */
  request: 'off',
  drain: '30s',
  /** What tunnels get on top of `drain`. */
  tunnelDrain: '60s',
} as const;

const sessionLimits = {
  connections: 20_000,
  perClient: 200,
  /** Of one name of the users file; loopback counts too. */
  perUser: 'off',
  perApp: 500,
  newPerSecond: 50,
  newBurst: 100,
  dnsPending: 256,
  /** Connects under way. */
  dialsPending: 1024,
  /** Both ways together. */
  connectionBytesPerSecond: 'off',
  userBytesPerSecond: 'off',
  listenerBytesPerSecond: 'off',
} as const;

export const socksLimits = {
  ...sessionLimits,
  headerBytes: 262,
  authPerMinute: 10,
  udpPeers: 64,
  udpDatagramsPerSecond: 2000,
} as const;

export const httpProxyLimits = {
  ...sessionLimits,
  headerBytes: '16k',
  headerFields: 100,
  authAttempts: 3,
  authPerMinute: 10,
} as const;

export const forwardLimits = {
  connections: 5000,
  perClient: 100,
  newPerSecond: 50,
  newBurst: 100,
  dnsPending: 256,
  dialsPending: 1024,
  connectionBytesPerSecond: 'off',
  listenerBytesPerSecond: 'off',
} as const;

const sessionTimeouts = {
  /** From accept to the complete request. */
  header: '10s',
  dns: '2s',
  dnsTotal: '6s',
  connect: '4s',
  connectTotal: '10s',
  tunnel: '1h',
  halfClosed: '60s',
  lifetime: 'off',
  keepAlive: '60s',
  drain: '30s',
} as const;

export const socksTimeouts = { ...sessionTimeouts, bind: '60s', udp: '60s' } as const;
export const httpProxyTimeouts = { ...sessionTimeouts, idle: '5m', responseHeader: '60s' } as const;
/** `header`: the PROXY header, where one is due. */
export const forwardTimeouts = { ...sessionTimeouts, header: '3s' } as const;

/** Over TCP; UDP has no connections. `pending`: queries under way to upstreams. */
export const dnsLimits = { connections: 1000, perClient: 50, pending: 1024 } as const;
export const dnsTimeouts = { idle: '10s', upstream: '5s', upstreamTotal: '10s', drain: '5s' } as const;

export const vipLimits = { connections: 20_000, perClient: 0 } as const;
export const vipTimeouts = {
  connect: '4s',
  connectTotal: '10s',
  tunnel: '1h',
  halfClosed: '60s',
  udp: '60s',
  drain: '30s',
} as const;

export const adminLimits = { connections: 500, perClient: 100, headerBytes: '16k' } as const;
export const adminTimeouts = { header: '10s', idle: '15s', drain: '5s' } as const;

/** `limits:` of a section. */
export function limitsOf<const T extends Table>(table: T): Field<Limits<T>> {
  const shape = Object.fromEntries(
    Object.entries(table).map(([key, value]) => [
      key,
      defaulted(/Bytes(PerSecond)?$/.test(key) ? bytes : count, value),
    ]),
  );
  return defaulted(section(shape), {}) as Field<Limits<T>>;
}

/** `timeouts:` of a section. */
export function timeoutsOf<const T extends Table>(table: T): Field<Timeouts<T>> {
  const shape = Object.fromEntries(Object.entries(table).map(([key, value]) => [key, defaulted(duration, value)]));
  const inMs = (durations: Readonly<Record<string, number>>): Timeouts<T> =>
    Object.fromEntries(Object.entries(durations).map(([key, ms]) => [`${key}Ms`, ms])) as Timeouts<T>;
  return mapped(defaulted(section(shape), {}), inMs);
}
