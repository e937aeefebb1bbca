// The DNS function of the daemon: plane, answerers, forwarder, listeners and resolver put together.

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Plane, Resolver, TrafficFunction } from '../src/ports/index.ts';
import {
  compileCidrs,
  type Clock,
  type Logger,
  type Metrics,
  type Random,
  type TcpListener,
  type UdpListener,
} from '../src/runtime/index.ts';
import { emptyZones } from './answerers/empty-zones.ts';
import { createForwardZones, createForwarding, upstreamsOf } from './answerers/forwarding.ts';
import { createOwnZone } from './answerers/own-zone.ts';
import { createPrivateNames } from './answerers/private-names.ts';
import { createRenamedZones } from './answerers/renamed-zones.ts';
import { answererChain } from './chain.ts';
import { createCookies } from './cookies.ts';
import { createForwarder } from './forwarding/forwarder.ts';
import { createLoopGuard } from './forwarding/loop-guard.ts';
import { parseUpstream, type Upstream } from './forwarding/upstreams.ts';
import { createRenamings } from './renaming.ts';
import { createResolver } from './resolver.ts';
import { createRateLimiter } from './rate-limit.ts';
import { flag } from './reply.ts';
import { createDnsServer, type ServerOptions } from './server.ts';
import { keyOfName } from './wire/index.ts';
import { createJournal, noJournal, type Journal } from './transfer/journal.ts';
import { createTransfers, type Transfers } from './transfer/transfers.ts';
import { createZonePlane, type ZoneIndex } from './zone-plane.ts';
import type { RecordText } from './zone/index.ts';

export interface DnsFunctionOptions {
  /** May both be empty: then only the resolver is of use. */
  readonly udp: readonly UdpListener[];
  readonly tcp: readonly TcpListener[];
  /** As the zone view's; default `mesos`. */
  readonly domain?: string;
  /** The cluster's name below `dcos.directory`, under which others see its zones (specs/dns.md §6.8); default none. */
  readonly clusterId?: string;
  /** `ip` or `ip:port`, asked for names of others in this order. */
  readonly upstreams?: readonly string[];
  /** Upstreams by suffix; the longest suffix that holds a name wins. */
  readonly forwardZones?: Readonly<Record<string, readonly string[]>>;
  /** Clients that may have names of others looked up; default: loopback and private ranges. */
  readonly recursionFrom?: readonly string[];
  /** Default true; false keeps Mesos-DNS's departures from the protocol (specs/dns.md §8.2). */
  readonly strict?: boolean;
  /** Default 5. */
  readonly negativeTtlSeconds?: number;
  /** RA in Mesos-DNS's zone; default true. */
  readonly recurseOn?: boolean;
  /** Default true. */
  readonly setTruncateBit?: boolean;
  /** Order of the answers; default `shuffle`: a reply begins with any of them. */
  readonly loadbalance?: 'shuffle' | 'rotate' | 'off';
  /** Networks that may transfer our zones; default none. */
  readonly transferTo?: readonly string[];
  /** Equal answers over UDP to one network in a second, and every how many-th above is sent truncated; default: no limit. */
  readonly rateLimit?: { readonly perSecond: number; readonly slip: number; readonly exempt: readonly string[] };
  /** Replies of upstreams kept; default 10,000. */
  readonly cacheSize?: number;
  /** How long such a reply may stand in past its lifetime where no upstream answers; default a day. */
  readonly staleForMs?: number;
  /** TCP connections open at once; default 1,000. */
  readonly mostConnections?: number;
  /** How long a TCP connection may be idle; default 10,000. */
  readonly tcpIdleMs?: number;
  /** Of one attempt at an upstream, default 2,000, and of a question as a whole, default 6,000. */
  readonly tryMs?: number;
  readonly totalMs?: number;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
}

export interface DnsFunction extends TrafficFunction {
  readonly name: 'dns';
  readonly plane: Plane<RecordText>;
  readonly resolver: Resolver;
  /** `ip:port` of every listener, UDP's and TCP's. */
  readonly localAddresses: readonly string[];
}

/** RFC 1918, RFC 4193, RFC 6598, link-local and loopback. */
const privateRanges: readonly string[] = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '::1',
  'fc00::/7',
  'fe80::/10',
];

const mostForwarded = 1024;
/** Records by which a zone has changed that are kept for secondaries. */
const mostJournalled = 50_000;

export function createDnsFunction(options: DnsFunctionOptions): DnsFunction {
  const { clock, log, metrics } = options;
  const canTransfer = (options.transferTo ?? []).length > 0;
  const journal = canTransfer ? createJournal(mostJournalled) : noJournal;
  const { plane, index } = createZonePlane({
    ...(canTransfer ? { journal } : {}),
    domain: options.domain ?? 'mesos',
    negativeTtlSeconds: options.negativeTtlSeconds ?? 5,
    now: clock.now,
    zoneNames: metrics.gauge('dns_zone_names', 'Names in the zones of our own.', [], 'max').cell(),
    compiledNames: metrics.counter('dns_compiled_names_total', 'Answers compiled from the zone.', []).cell(),
  });
  const forwarder = createForwarder({
    clock,
    tryMs: options.tryMs ?? 2000,
    totalMs: options.totalMs ?? 6000,
    cacheSize: options.cacheSize ?? 10_000,
    staleForMs: options.staleForMs ?? 86_400_000,
    mostUnderWay: mostForwarded,
    outcomes: metrics.counter('dns_forwarded_total', 'Questions passed on to upstream DNS servers.', ['outcome']),
  });
  const { upstreams, zones } = upstreamsFrom(options);
  const turn = turnBy(options.loadbalance ?? 'shuffle', options.random);
  const renamings = createRenamings(options.domain ?? 'mesos', options.clusterId ?? '');
  const shuffle = (options.loadbalance ?? 'shuffle') === 'shuffle' ? options.random : null;
  const recursionAvailable = options.recurseOn ?? true;
  const recursionFrom = recursionFromOptions(options);
  const strict = options.strict ?? true;
  // The references never say RA here; what can be had should be told all the same (specs/dns.md §8.2.5).
  const recursionElsewhere = strict && recursionAvailable && (upstreams.length > 0 || zones.size > 0);
  const chain = answererChain({
    ownZone: createOwnZone({
      index,
      strict,
      recursionAvailable,
      recursionElsewhere,
      turn,
      shuffle,
      renamings,
    }),
    renamedZones: createRenamedZones({
      index,
      renamings,
      turn,
      shuffle,
      strict,
      recursionAvailable: recursionElsewhere,
    }),
    privateNames: createPrivateNames(recursionElsewhere ? flag.recursionAvailable : 0),
    forwardZones: createForwardZones({ forwarder, recursionFrom, recursionAvailable }, zones),
    emptyZones,
    forwarder: createForwarding({ forwarder, recursionFrom, recursionAvailable }, upstreams),
  });
  const server = createDnsServer({
    udp: options.udp,
    tcp: options.tcp,
    chain,
    strict,
    recursionAvailable: recursionElsewhere,
    setTruncateBit: options.setTruncateBit ?? true,
    queries: metrics.counter('dns_queries_total', 'DNS queries answered.', ['type', 'rcode']),
    cookies: createCookies(machineSecret(), clock.now),
    ...rateLimiting(options),
    ...(canTransfer ? { transfers: transfersTo(options, index, journal) } : {}),
    connections: metrics.gauge('dns_tcp_connections', 'Open TCP connections of DNS clients.', []).cell(),
    mostConnections: options.mostConnections ?? 1000,
    idleMs: options.tcpIdleMs ?? 10_000,
    clock,
    log,
  });
  return {
    name: 'dns',
    plane,
    resolver: createResolver({
      index,
      forwarder,
      renamings,
      turn,
      upstreamsFor: (key) => upstreamsOf(zones, key) ?? upstreams,
    }),
    localAddresses: [...new Set([...options.udp, ...options.tcp].map(addressOf))],
    start: server.start,
    drain: server.drain,
    handOver: server.handOver,
    async stop() {
      forwarder.stop();
      await server.stop();
    },
  };
}

const addressOf = ({ address, port }: { readonly address: string; readonly port: number }): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

function recursionFromOptions({ recursionFrom, log }: DnsFunctionOptions): ReturnType<typeof compileCidrs>['matcher'] {
  const { matcher, problems } = compileCidrs(recursionFrom ?? privateRanges);
  if (problems.length > 0) log.warn({ problems }, 'some networks of dns.recursionFrom are left out');
  return matcher;
}

function transfersTo({ transferTo, log, metrics }: DnsFunctionOptions, index: ZoneIndex, journal: Journal): Transfers {
  const { matcher, problems } = compileCidrs(transferTo ?? []);
  if (problems.length > 0) log.warn({ problems }, 'some networks of dns.transferTo are left out');
  const transfers = metrics.counter('dns_transfers_total', 'Zone transfers begun.', ['kind']);
  return createTransfers({ index, journal, transferTo: matcher, transfers });
}

function rateLimiting({
  rateLimit,
  log,
  metrics,
  clock,
}: DnsFunctionOptions): Pick<ServerOptions, 'rateLimiter' | 'rateLimited'> {
  if (rateLimit === undefined) return {};
  const { matcher, problems } = compileCidrs(rateLimit.exempt);
  if (problems.length > 0) log.warn({ problems }, 'some networks of dns.rateLimit.exempt are left out');
  const help = 'DNS answers cut or dropped because one network asked too much.';
  return {
    rateLimiter: createRateLimiter({ ...rateLimit, exempt: matcher }, clock.monotonic),
    rateLimited: metrics.counter('dns_rate_limited_total', help, ['action']),
  };
}

/** Known to every process of this machine until it restarts, and to nobody on the network: all that a cookie needs. */
function machineSecret(): Buffer {
  try {
    return createHash('sha256').update('dns cookie ').update(readFileSync('/proc/sys/kernel/random/boot_id')).digest();
  } catch {
    return randomBytes(32);
  }
}

interface UpstreamSets {
  readonly upstreams: readonly Upstream[];
  /** By suffix as key. */
  readonly zones: ReadonlyMap<string, readonly Upstream[]>;
}

/** Upstreams that can be asked: no names, and none of our own listeners, which would ask us in turn. */
function upstreamsFrom(options: DnsFunctionOptions): UpstreamSets {
  const isOwn = createLoopGuard([...options.udp, ...options.tcp]);
  const usable = (texts: readonly string[]): readonly Upstream[] =>
    texts.flatMap((text) => {
      const upstream = parseUpstream(text);
      if (upstream !== null && !isOwn(upstream.ip, upstream.port)) return [upstream];
      const reason = upstream === null ? 'it is no address' : 'it is a listener of this server';
      options.log.warn({ upstream: text, reason }, 'an upstream DNS server is left out');
      return [];
    });
  const zones = new Map<string, readonly Upstream[]>();
  for (const [suffix, texts] of Object.entries(options.forwardZones ?? {})) {
    const key = keyOfName(suffix);
    if (key === null) options.log.warn({ suffix }, 'a forward zone is left out: its suffix is no domain name');
    else zones.set(key, usable(texts));
  }
  return { upstreams: usable(options.upstreams ?? []), zones };
}

function turnBy(order: 'shuffle' | 'rotate' | 'off', random: Random): (answers: number) => number {
  if (order === 'shuffle') return (answers) => Math.floor(random() * answers);
  if (order === 'off') return () => 0;
  let count = 0;
  return (answers) => (count = (count + 1) >>> 0) % answers;
}
