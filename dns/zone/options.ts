// What the zone view can be told, and its defaults (specs/dns.md §4.6, §8.4).

import type { MasterAddress } from '../../src/cluster/index.ts';
import type { KeptSerials } from './serials.ts';

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
  /** Default `running`; `healthy`: of tasks that share a name only the healthy ones, unless none is. */
  readonly publish?: 'running' | 'healthy';
  /** `master@IP:PORT` that stands for the leader whatever the cluster says. */
  readonly leaderOverride?: string;
  /** Of Mesos-DNS's zone, in seconds; defaults 60, 600, 86,400 and the negative TTL. */
  readonly soaRefreshSeconds?: number;
  readonly soaRetrySeconds?: number;
  readonly soaExpireSeconds?: number;
  readonly soaMinttlSeconds?: number;
  /** Epoch milliseconds. Given, the zones' serials are kept in their apexes, one for all planes; default: each plane counts its own. */
  readonly now?: () => number;
  /** Where those serials outlive this process; default: nowhere. */
  readonly kept?: KeptSerials;
  /** dcos-net's zones have the serial 1 for ever, as dcos-net's do; default false. */
  readonly fixedSerials?: boolean;
  /** Told of each new serial, apex with its trailing dot. */
  readonly onSerial?: (zone: string, serial: number) => void;
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
  readonly publish: 'running' | 'healthy';
  /** Null: the cluster says who leads. */
  readonly leader: MasterAddress | null;
  readonly soaRefresh: number;
  readonly soaRetry: number;
  readonly soaExpire: number;
  readonly soaMinimum: number;
  /** Of dcos-net's zones; 0: whatever is counted. */
  readonly dcosSerial: number;
}
