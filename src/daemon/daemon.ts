// The composition root: the one place that names concrete sources, views, planes and functions, and joins them by the configuration.

import { createDnsFunction, createZoneView, explainName, type DnsFunction } from '../../dns/index.ts';
import { createAddressAllocator, createVipView, type AllocatorState } from '../../lb/index.ts';
import { createOwners, createOwnerView, type Owners } from '../../proxies/access/index.ts';
import { createSocksFunction } from '../../proxies/socks/index.ts';
import { createMesosOrchestrator } from '../orchestrator/index.ts';
import type { Orchestrator, Plane, Store, TrafficFunction, View } from '../ports/index.ts';
import type { Clock, Logger, Metrics, Random } from '../runtime/index.ts';
import { createFileStore } from '../store/index.ts';
import type { ControlServer } from './admin/server.ts';
import { createAllocation, loadAddresses, noAllocation } from './allocation.ts';
import type { ClusterSource, Config } from './config/index.ts';
import type { ControlOptions } from './control.ts';
import type { ReadySocket } from './inherit.ts';
import type { ListenerAddresses } from './message.ts';
import {
  addressText,
  notServed,
  ofKey,
  rangeText,
  sourceAuth,
  sourceTls,
  tcpListeners,
  udpListeners,
} from './options-of.ts';
import type { Allocation } from './pipeline.ts';
import { formatAddress } from './sockets.ts';
import type { AnyRecord } from './tables.ts';
import type { WorkerFunction, WorkerParts } from './worker.ts';

export interface Explanation {
  readonly lines: readonly string[];
}

export interface ControlParts {
  readonly views: readonly View<AnyRecord>[];
  readonly allocation: Allocation;
  /** Null: nothing is kept over a restart. */
  readonly store: Store | null;
  /** What could not be composed as configured, `FUNCTION: what, why`. */
  readonly problems: readonly string[];
  /** Control's own listeners beside the admin address. */
  readonly servers: readonly ControlServer[];
  openOrchestrator(): Orchestrator;
  readonly explain: {
    url(url: URL, method: string, headers: Readonly<Record<string, string>>): Explanation | null;
    name(name: string, type: string): Explanation;
    vip(target: string): Explanation | null;
  };
}

export async function composeControl(options: ControlOptions): Promise<ControlParts> {
  const { config, clock, log } = options;
  const problems = [...notServed(config)];
  const store = config.store?.kind === 'file' ? createFileStore(config.store.dir) : null;
  const owners = createOwnerView();
  const zone = createZoneView(zoneOptions(config, options.sockets));
  const vips = config.vips === null ? null : createVipView({ ipv6: config.vips.ipv6 });
  let allocation = noAllocation;
  if (vips !== null && config.vips !== null) {
    const { range, range6, ipv6 } = config.vips;
    const state = (await loadAddresses(store, log)) as AllocatorState | undefined;
    const texts = { range: rangeText(range), range6: rangeText(range6) };
    const allocator = createAddressAllocator({ ...texts, ipv6, clock, ...(state === undefined ? {} : { state }) });
    if ('rejected' in allocator) problems.push(`vips: range ${allocator.rejected}; ${allocator.hint}`);
    else allocation = createAllocation(vips, allocator, store, log);
  }
  return {
    views: [owners, zone, ...(vips === null ? [] : [vips])],
    allocation,
    store,
    problems,
    servers: [],
    openOrchestrator: () => openOrchestrator(options),
    explain: {
      url: () => null,
      name: (name, type) =>
        explainName(zone.table, name, type, { sourcesOf: (owner) => zone.sourcesOf(owner), ...explainOptions(config) }),
      vip: () => null,
    },
  };
}

function openOrchestrator(options: ControlOptions): Orchestrator {
  const sources = options.config.cluster.map((source) => openSource(source, options));
  return sources[0] as Orchestrator;
}

function openSource(source: ClusterSource, { clock, random, log, metrics }: ControlOptions): Orchestrator {
  const common = { name: source.name, clock, random, log, metrics };
  switch (source.kind) {
    case 'mesos':
      return createMesosOrchestrator({
        ...common,
        masters: source.masters,
        auth: sourceAuth(source.auth),
        tls: sourceTls(source.tls),
        recordBytes: source.recordBytes,
      });
    default:
      throw new Error('later');
  }
}

export interface WorkerOptions {
  readonly config: Config;
  readonly sockets: readonly ReadySocket[];
  /** Other workers bind the same addresses: listeners that workers bind for themselves share them. */
  readonly shared: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export function composeWorker(options: WorkerOptions): WorkerParts & { reopenLogs(): void } {
  const { config, sockets } = options;
  const functions: WorkerFunction[] = [];
  const planes: Plane<AnyRecord>[] = [];
  const dns = createDns(options);
  const owners = createOwners();
  planes.push(dns.plane, owners.plane);
  functions.push(asFunction(dns));
  const ownListeners = (): readonly string[] => sockets.map((socket) => formatAddress(socket.host, socket.boundPort));
  if (config.socks !== null && ofKey(sockets, 'socks').length > 0)
    functions.push(asFunction(createSocks(options, config.socks, dns, owners, ownListeners)));
  return { functions, planes, reopenLogs: () => undefined };
}

function createDns({ config, sockets, ...tools }: WorkerOptions): DnsFunction {
  const dns = config.dns;
  return createDnsFunction({
    ...tools,
    udp: udpListeners(sockets, 'dns'),
    tcp: tcpListeners(sockets, 'dns'),
    ...(dns === null
      ? {}
      : {
          domain: dns.domain,
          upstreams: dns.externalOn ? dns.upstreams.map(addressText) : [],
          forwardZones: Object.fromEntries(
            Object.entries(dns.forwardZones).map(([zone, servers]) => [zone, servers.map(addressText)]),
          ),
          recursionFrom: dns.recursionFrom,
          strict: dns.strict,
          negativeTtlSeconds: dns.negativeTtlSeconds,
          recurseOn: dns.recurseOn,
          setTruncateBit: dns.setTruncateBit,
          loadbalance: dns.loadbalance,
          cacheSize: dns.cacheSize,
          mostConnections: dns.limits.connections,
          tcpIdleMs: dns.timeouts.idleMs,
          tryMs: dns.timeouts.upstreamMs,
          totalMs: dns.timeouts.upstreamTotalMs,
        }),
  });
}

function createSocks(
  { config: _config, sockets, ...tools }: WorkerOptions,
  socks: NonNullable<Config['socks']>,
  dns: DnsFunction,
  owners: Owners,
  ownListeners: () => readonly string[],
): TrafficFunction & { problems(): readonly string[] } {
  return createSocksFunction({
    ...tools,
    listeners: tcpListeners(sockets, 'socks'),
    resolver: dns.resolver,
    owners,
    ownListeners,
    rules: socks.rules,
    users: socks.users,
    clearAuth: socks.clearAuth,
    versions: socks.versions,
  });
}

function zoneOptions(config: Config, sockets: readonly ReadySocket[]): Parameters<typeof createZoneView>[0] {
  const dns = config.dns;
  if (dns === null) return {};
  return {
    domain: dns.domain,
    ttlSeconds: dns.ttlSeconds,
    negativeTtlSeconds: dns.negativeTtlSeconds,
    ipSources: dns.ipSources,
    ipSelection: dns.ipSelection,
    enforceRFC952: dns.enforceRFC952,
    srvDefaultWeight: dns.srvDefaultWeight,
    soaMname: dns.soaMname,
    soaRname: dns.soaRname,
    masterOrder: dns.masterOrder,
    listenAddresses: [...new Set(ofKey(sockets, 'dns').map((socket) => socket.host))],
  };
}

function explainOptions(config: Config): { domain?: string; forwardZones?: readonly string[]; hasUpstreams?: boolean } {
  const dns = config.dns;
  return dns === null
    ? {}
    : { domain: dns.domain, forwardZones: Object.keys(dns.forwardZones), hasUpstreams: dns.upstreams.length > 0 };
}

function asFunction(
  traffic: TrafficFunction & { problems?(): readonly string[]; listeners?(): Readonly<Record<string, string>> },
  key?: string,
): WorkerFunction {
  return {
    traffic,
    problems: () => traffic.problems?.() ?? [],
    listeners: (): ListenerAddresses =>
      key === undefined || traffic.listeners === undefined ? {} : { [key]: traffic.listeners() },
  };
}
