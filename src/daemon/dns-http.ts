// Mesos-DNS's HTTP API in control: what the configuration says of it, joined with the zone view.

import manifest from '../../package.json' with { type: 'json' };
import { createDnsHttp, type ZoneView } from '../../dns/index.ts';
import type { ControlServer } from './admin/control-server.ts';
import type { Config, DnsConfig } from './config/index.ts';
import type { ControlOptions } from './control.ts';
import { addressText, tcpListeners } from './options-of.ts';

/** None where the configuration asks for none, or where its address could not be bound. */
export function dnsHttpServers({ config, sockets, log }: ControlOptions, view: ZoneView): ControlServer[] {
  const { dns } = config;
  const listeners = tcpListeners(sockets, 'dns.http');
  if (dns === null || listeners.length === 0) return [];
  const source = {
    view,
    get snapshot() {
      return view.snapshot;
    },
    version: manifest.version,
    domain: dns.domain,
    ttlSeconds: dns.ttlSeconds,
    soaMname: dns.soaMname,
    soaRname: dns.soaRname,
    enumerationOn: dns.enumerationOn,
    configuration: shown(config, dns),
    serial: () => view.serialOf(`${dns.domain}.`),
  };
  return [createDnsHttp({ listeners, source, log })];
}

/** The configuration under Mesos-DNS's names (specs/dns.md §4.6); what it has no name for, and whatever is secret, is left out. */
function shown({ cluster }: Config, dns: DnsConfig): Readonly<Record<string, unknown>> {
  const mesos = cluster.filter((source) => source.kind === 'mesos');
  const { http } = dns;
  const masters = mesos.flatMap((source) => source.masters);
  const ensemble = mesos.flatMap(({ zookeeper }) => zookeeper ?? [])[0];
  const [waits] = mesos.map(({ timeouts }) => timeouts);
  return {
    Masters: masters.map((url) => url.replace(/^https?:\/\//, '')),
    Zk: ensemble === undefined ? '' : `zk://${ensemble.servers.map(addressText).join(',')}${ensemble.path}`,
    MesosHTTPSOn: masters.some((url) => url.startsWith('https:')),
    RefreshSeconds: (waits?.pollMs ?? 0) / 1000,
    StateTimeoutSeconds: (waits?.requestMs ?? 0) / 1000,
    ZkDetectionTimeout: (waits?.leaderMs ?? 0) / 1000,
    Timeout: dns.timeouts.upstreamMs / 1000,
    Domain: dns.domain,
    Port: dns.listen[0]?.port ?? 53,
    Listener: dns.listen[0]?.host ?? '',
    HTTPListener: http?.host ?? '',
    HttpPort: http?.port ?? 0,
    Resolvers: dns.upstreams.map(addressText),
    ZoneResolvers: Object.fromEntries(
      Object.entries(dns.forwardZones).map(([zone, servers]) => [zone, servers.map(addressText)]),
    ),
    TTL: dns.ttlSeconds,
    SOAMname: dns.soaMname,
    SOARname: dns.soaRname,
    SOARefresh: dns.soaRefreshSeconds,
    SOARetry: dns.soaRetrySeconds,
    SOAExpire: dns.soaExpireSeconds,
    SOAMinttl: dns.soaMinttlSeconds,
    IPSources: dns.ipSources,
    EnforceRFC952: dns.enforceRFC952,
    RecurseOn: dns.recurseOn,
    ExternalOn: dns.externalOn,
    EnumerationOn: dns.enumerationOn,
    SetTruncateBit: dns.setTruncateBit,
    SRVRecordDefaultWeight: dns.srvDefaultWeight,
    DnsOn: true,
    HttpOn: true,
  };
}
