// From the section `dns` to the options of the zone view, in control, and of the DNS function, in workers.

import type { DnsFunctionOptions, ExplainOptions, ZoneOptions } from '../../dns/index.ts';
import type { Config, DnsConfig } from './config/index.ts';
import type { ControlOptions } from './control.ts';
import type { WorkerOptions } from './compose-worker.ts';
import { addressText, ofKey, tcpListeners, udpListeners } from './options-of.ts';
import { keepSerials } from './dns-serials.ts';
import { systemResolvers } from './system-resolvers.ts';

/** Without the section nobody listens, and the resolver knows the cluster alone. */
export function functionOptions({ config, sockets, log, metrics, clock, random }: WorkerOptions): DnsFunctionOptions {
  const dns = config.dns;
  return {
    log,
    metrics,
    clock,
    random,
    udp: udpListeners(sockets, 'dns'),
    tcp: tcpListeners(sockets, 'dns'),
    ...(dns === null
      ? {}
      : {
          domain: dns.domain,
          upstreams: upstreamsOf(dns),
          forwardZones: Object.fromEntries(
            Object.entries(dns.forwardZones).map(([zone, servers]) => [zone, servers.map(addressText)]),
          ),
          recursionFrom: dns.recursionFrom,
          strict: dns.strict,
          negativeTtlSeconds: dns.negativeTtlSeconds,
          recurseOn: dns.recurseOn,
          setTruncateBit: dns.setTruncateBit,
          loadbalance: dns.loadbalance,
          ...(dns.clusterId === null ? {} : { clusterId: dns.clusterId }),
          transferTo: dns.transferTo,
          ...(dns.rateLimit === null ? {} : { rateLimit: dns.rateLimit }),
          cacheSize: dns.cacheSize,
          staleForMs: dns.staleForMs,
          mostConnections: dns.limits.connections,
          tcpIdleMs: dns.timeouts.idleMs,
          tryMs: dns.timeouts.upstreamMs,
          totalMs: dns.timeouts.upstreamTotalMs,
        }),
  };
}

/** Whom to ask for names of others: nobody with `externalOn: false`, the machine's own servers where none are named. */
function upstreamsOf({ externalOn, upstreams }: DnsConfig): readonly string[] {
  if (!externalOn) return [];
  return upstreams.length > 0 ? upstreams.map(addressText) : systemResolvers();
}

/** Mesos-DNS's defaults without the section: proxies look names up all the same. */
export function zoneOptions({ config, sockets, clock, log }: ControlOptions): ZoneOptions {
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
    publish: dns.publish,
    soaRefreshSeconds: dns.soaRefreshSeconds,
    soaRetrySeconds: dns.soaRetrySeconds,
    soaExpireSeconds: dns.soaExpireSeconds,
    soaMinttlSeconds: dns.soaMinttlSeconds,
    ...(dns.leaderOverride === null ? {} : { leaderOverride: dns.leaderOverride }),
    now: clock.now,
    kept: keepSerials(config.store?.kind === 'file' ? config.store.dir : null, clock.now, log),
    // Secondaries need serials that move; without them dcos-net's are what they always were.
    fixedSerials: !dns.strict && dns.transferTo.length === 0,
    listenAddresses: [...new Set(ofKey(sockets, 'dns').map((socket) => socket.host))],
  };
}

/** What `explain dns` is told. */
export function explainOptions({ dns }: Config): Omit<ExplainOptions, 'sourcesOf'> {
  if (dns === null) return {};
  return {
    domain: dns.domain,
    forwardZones: Object.keys(dns.forwardZones),
    hasUpstreams: upstreamsOf(dns).length > 0,
    ...(dns.clusterId === null ? {} : { clusterId: dns.clusterId }),
  };
}
