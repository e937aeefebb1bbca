// `dns`: service discovery over DNS and Mesos-DNS's HTTP API, with the switches of specs/dns.md §8.4 under their names.

import { judgeForwardZone, parseDomain, parseSoaName } from './dns-names.ts';
import {
  checked,
  defaulted,
  defaultedOrOff,
  distinct,
  flag,
  integer,
  list,
  mapOf,
  nonEmpty,
  oneOf,
  optional,
  section,
  shorthand,
  text,
  type Fail,
  type Field,
  word,
} from './field.ts';
import type { Address } from './host-port.ts';
import { dnsLimits, dnsTimeouts, type Limits, limitsOf, type Timeouts, timeoutsOf } from './traffic-limits.ts';
import {
  cidrs,
  count,
  duration,
  ipAddress,
  listenAddress,
  listenAddresses,
  nameservers,
  seconds,
} from './value-fields.ts';

/** Addresses that may ask for names that are not ours: private, shared, loopback and link-local ones. */
const privateRanges = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
];

interface DnsRateLimit {
  /** Equal answers to one network (/24, /56) in a second. */
  readonly perSecond: number;
  /** Every n-th answer above that goes out truncated, so that a real client can ask over TCP; 0: none. */
  readonly slip: number;
  readonly exempt: readonly string[];
}

export interface DnsConfig {
  /** UDP and TCP on one number. */
  readonly listen: readonly Address[];
  /** Our zone: lower case, no dot at the end. */
  readonly domain: string;
  /** Mesos-DNS's HTTP API; null: none. */
  readonly http: Address | null;
  /** Empty: the servers of /etc/resolv.conf that are not this machine. */
  readonly upstreams: readonly Address[];
  /** Servers by zone, zones in lower case. */
  readonly forwardZones: Readonly<Record<string, readonly Address[]>>;
  readonly strict: boolean;
  readonly ttlSeconds: number;
  readonly negativeTtlSeconds: number;
  /** With one dot at the end. */
  readonly soaMname: string;
  readonly soaRname: string;
  readonly soaRefreshSeconds: number;
  readonly soaRetrySeconds: number;
  readonly soaExpireSeconds: number;
  readonly soaMinttlSeconds: number;
  readonly srvDefaultWeight: number;
  /** Networks whose questions are forwarded. */
  readonly recursionFrom: readonly string[];
  /** Networks that may transfer a zone. */
  readonly transferTo: readonly string[];
  /** Secondaries that are told of changes. */
  readonly notify: readonly Address[];
  readonly rateLimit: DnsRateLimit | null;
  /** Answers of upstreams that are kept. */
  readonly cacheSize: number;
  /** How long an answer past its TTL may still be given where no upstream answers. */
  readonly staleForMs: number;
  /** The cluster's id in `<id>.dcos.directory`; null: those names are not ours. */
  readonly clusterId: string | null;
  /** `master@IP:PORT` that stands for the leader whatever the cluster says. */
  readonly leaderOverride: string | null;
  readonly ipSources: readonly ('host' | 'netinfo' | 'mesos' | 'docker')[];
  readonly ipSelection: 'first-source' | 'first-per-family';
  readonly enforceRFC952: boolean;
  readonly setTruncateBit: boolean;
  readonly recurseOn: boolean;
  /** Whether anything is forwarded at all. */
  readonly externalOn: boolean;
  readonly enumerationOn: boolean;
  readonly loadbalance: 'shuffle' | 'rotate' | 'off';
  readonly publish: 'running' | 'healthy';
  /** Listen on every address of the machine, on the port of `listen`, except `bindBlacklist`. */
  readonly bindAll: boolean;
  readonly bindBlacklist: readonly string[];
  readonly masterOrder: 'reference' | 'stable';
  readonly limits: Limits<typeof dnsLimits>;
  readonly timeouts: Timeouts<typeof dnsTimeouts>;
}

export function dnsSection(): Field<DnsConfig> {
  const fields = section({
    listen: defaulted(nonEmpty(listenAddresses, 'write listen: ["127.0.0.1:53"], or remove the section'), [
      '127.0.0.1:53',
    ]),
    domain: defaulted(text(parseDomain), 'mesos'),
    http: defaultedOrOff(listenAddress, '127.0.0.1:8123'),
    upstreams: defaulted(nameservers, []),
    forwardZones: defaulted(
      mapOf(nameservers, () => null),
      {},
    ),
    strict: defaulted(flag, true),
    ttl: defaulted(seconds, 60),
    negativeTtl: defaulted(seconds, 5),
    soaMname: optional(text(parseSoaName), null),
    soaRname: optional(text(parseSoaName), null),
    soaRefresh: defaulted(seconds, 60),
    soaRetry: defaulted(seconds, 600),
    soaExpire: defaulted(seconds, 86_400),
    soaMinttl: defaulted(seconds, 60),
    ...sources,
    ...service,
  });
  return checkedDns(fields).transform(
    ({ ttl, negativeTtl, soaRefresh, soaRetry, soaExpire, soaMinttl, staleFor, ...rest }): DnsConfig => ({
      ...rest,
      soaMname: rest.soaMname ?? `ns1.${rest.domain}.`,
      soaRname: rest.soaRname ?? `root.ns1.${rest.domain}.`,
      forwardZones: lowerCased(rest.forwardZones),
      ttlSeconds: ttl,
      negativeTtlSeconds: negativeTtl,
      soaRefreshSeconds: soaRefresh,
      soaRetrySeconds: soaRetry,
      soaExpireSeconds: soaExpire,
      soaMinttlSeconds: soaMinttl,
      staleForMs: staleFor,
    }),
  );
}

/** Which records there are, and what is in them. */
const sources = {
  srvDefaultWeight: defaulted(integer(0, 65_535), 1),
  ipSources: defaulted(
    nonEmpty(distinct(oneOf('host', 'netinfo', 'mesos', 'docker')), 'write some of host, netinfo, mesos and docker'),
    ['netinfo', 'mesos', 'host'],
  ),
  ipSelection: defaulted(oneOf('first-source', 'first-per-family'), 'first-source'),
  enforceRFC952: defaulted(flag, false),
  publish: defaulted(oneOf('running', 'healthy'), 'running'),
  masterOrder: defaulted(oneOf('reference', 'stable'), 'reference'),
  clusterId: optional(word, null),
  leaderOverride: optional(text(parseLeader), null),
};

/** How they are served, to whom, and what happens to other questions. */
const service = {
  setTruncateBit: defaulted(flag, true),
  recurseOn: defaulted(flag, true),
  externalOn: defaulted(flag, true),
  enumerationOn: defaulted(flag, true),
  loadbalance: defaulted(oneOf('shuffle', 'rotate', 'off'), 'shuffle'),
  bindAll: defaulted(flag, false),
  bindBlacklist: defaulted(list(ipAddress), []),
  recursionFrom: defaulted(cidrs, privateRanges),
  transferTo: defaulted(cidrs, []),
  notify: defaulted(nameservers, []),
  rateLimit: optional(
    shorthand(
      section({
        perSecond: defaulted(integer(1, 1_000_000), 200),
        slip: defaulted(integer(0, 100), 2),
        exempt: defaulted(cidrs, []),
      }),
      'perSecond',
    ),
    null,
  ),
  cacheSize: defaulted(count, 10_000),
  staleFor: defaulted(duration, '1d'),
  limits: limitsOf(dnsLimits),
  timeouts: timeoutsOf(dnsTimeouts),
};

type DnsChecked = Pick<DnsConfig, 'listen' | 'domain' | 'forwardZones' | 'upstreams'>;

function checkedDns<T extends DnsChecked>(fields: Field<T>): Field<T> {
  const zoned = checked(fields, ['domain', 'forwardZones'], (value, fail) => checkForwardZones(value, fail));
  return checked(zoned, ['listen', 'upstreams'], ({ listen, upstreams }, fail) => {
    upstreams.forEach((upstream, index) => {
      if (!listen.some(({ host, port }) => port === upstream.port && host === upstream.host)) return;
      fail(['upstreams', index], {
        wrong: 'is our own listen address: questions would go round in a circle',
        remedy: 'name another server',
      });
    });
  });
}

function checkForwardZones({ domain, forwardZones }: Pick<DnsConfig, 'domain' | 'forwardZones'>, fail: Fail): void {
  for (const [zone, servers] of Object.entries(forwardZones)) {
    const mistake = judgeForwardZone(zone, domain);
    if (mistake !== null) fail(['forwardZones', zone], { ...mistake, wrong: `"${zone}" ${mistake.wrong}` });
    if (servers.length === 0) fail(['forwardZones', zone], { wrong: 'has no server', remedy: 'write ["10.0.0.2:53"]' });
  }
}

function parseLeader(text: string): string | { readonly wrong: string; readonly remedy: string } {
  return /^[^@\s]+@[^@\s]+:\d{1,5}$/.test(text) ? text : { wrong: 'is no leader', remedy: 'write master@IP:PORT' };
}

function lowerCased<T>(map: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key.toLowerCase(), value]));
}
