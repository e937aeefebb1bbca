// What the zone view can be told, and its defaults (specs/dns.md §4.6, §8.4).

export type IpSource = 'netinfo' | 'docker' | 'mesos' | 'host';

export interface ZoneOptions {
  /** Domain of Mesos-DNS's zone; default `mesos`. */
  readonly domain?: string;
  /** TTL in that zone, default 60. */
  readonly ttlSeconds?: number;
  /** TTL in dcos-net's zones, default 5. */
  readonly dcosTtlSeconds?: number;
  /** For how long a resolver may remember that a name is not there; default 5. */
  readonly negativeTtlSeconds?: number;
  /** Where a task's addresses in the Mesos-DNS zone come from, the first choice first; default netinfo, mesos, host. */
  readonly ipSources?: readonly IpSource[];
  /** Default `first-per-family`: the first IPv4 and the first IPv6 of all sources; `first-source`: all of the first source that has any. */
  readonly ipSelection?: 'first-per-family' | 'first-source';
  readonly enforceRFC952?: boolean;
  /** Default 1. */
  readonly srvDefaultWeight?: number;
  /** Default `ns1.DOMAIN`. */
  readonly soaMname?: string;
  /** Default `root.ns1.DOMAIN`; an `@` reads as a dot. */
  readonly soaRname?: string;
  /** Addresses on which DNS is answered, for the name server's own A and AAAA; wildcards stand for those of the interfaces. */
  readonly listenAddresses?: readonly string[];
  /** Default `reference`: masterN in the order of the source; `stable`: in the order of the addresses, so that a failover moves none. */
  readonly masterOrder?: 'reference' | 'stable';
}

export interface ZoneSettings {
  /** Apex of the Mesos-DNS zone, with trailing dot. */
  readonly zone: string;
  readonly ttl: number;
  readonly dcosTtl: number;
  readonly negativeTtl: number;
  readonly ipSources: readonly IpSource[];
  readonly ipSelection: 'first-per-family' | 'first-source';
  readonly enforceRFC952: boolean;
  readonly srvWeight: number;
  readonly soaMname: string;
  readonly soaRname: string;
  readonly listenAddresses: readonly string[];
  readonly masterOrder: 'reference' | 'stable';
}
