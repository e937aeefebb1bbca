// Fills the zone's options up with their defaults.

import { networkInterfaces } from 'node:os';
import { splitHostPort, type MasterAddress } from '../../src/cluster/index.ts';
import { canonicalAddress } from '../wire/index.ts';
import { mesosZone } from '../zones.ts';
import type { ZoneOptions, ZoneSettings } from './options.ts';

export function zoneSettings(options: ZoneOptions): ZoneSettings {
  const zone = mesosZone(options.domain ?? 'mesos');
  return {
    zone,
    ttl: options.ttlSeconds ?? 60,
    dcosTtl: options.dcosTtlSeconds ?? 5,
    negativeTtl: options.negativeTtlSeconds ?? 5,
    ipSources: options.ipSources ?? ['netinfo', 'mesos', 'host'],
    ipSelection: options.ipSelection ?? 'first-per-family',
    enforceRFC952: options.enforceRFC952 ?? false,
    srvWeight: options.srvDefaultWeight ?? 1,
    soaMname: withDot(options.soaMname ?? `ns1.${zone}`),
    soaRname: withDot((options.soaRname ?? `root.ns1.${zone}`).replace('@', '.')),
    listenAddresses: (options.listenAddresses ?? []).flatMap(reachable),
    masterOrder: options.masterOrder ?? 'reference',
    publish: options.publish ?? 'running',
    leader: leaderOf(options.leaderOverride),
    soaRefresh: options.soaRefreshSeconds ?? 60,
    soaRetry: options.soaRetrySeconds ?? 600,
    soaExpire: options.soaExpireSeconds ?? 86_400,
    dcosSerial: options.fixedSerials === true ? 1 : 0,
    soaMinimum: Math.min(options.soaMinttlSeconds ?? 5, options.negativeTtlSeconds ?? 5),
  };
}

/** The address of `master@IP:PORT`; null where it is none. */
function leaderOf(text: string | undefined): MasterAddress | null {
  const place = text === undefined ? null : splitHostPort(text.replace(/^[^@]*@/, ''));
  const ip = place === null ? null : canonicalAddress(place.host);
  return place === null || ip === null ? null : { ip, port: place.port };
}

const withDot = (name: string): string => `${name.toLowerCase().replace(/\.+$/, '')}.`;

/** A wildcard stands for every address of the machine that others can use: neither loopback nor IPv6 link-local. */
function reachable(address: string): readonly string[] {
  const canonical = canonicalAddress(address);
  if (canonical !== '0.0.0.0' && canonical !== '::') return canonical === null ? [] : [canonical];
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, family }) => !internal && (canonical === '::' || family === 'IPv4'))
    .flatMap((entry) => canonicalAddress(entry.address.replace(/%.*$/, '')) ?? [])
    .filter((text) => !/^fe[89ab]/.test(text));
}
