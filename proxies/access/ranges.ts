// Address ranges that matter to rules: those that are always refused, and those that are not out on the Internet (specs/proxies.md §2.6).

import { networkInterfaces } from 'node:os';
import { splitHostPort } from '../../src/cluster/index.ts';
import { compileCidrs, type Clock } from '../../src/runtime/index.ts';
import { canonicalIp, embeddedIPv4, hostPort } from './address.ts';

const refusedRanges = [
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4'],
  ...['::/128', '::1/128', 'fe80::/10', 'ff00::/8'],
  // Metadata of AWS on IPv6, Azure, Alibaba and Oracle; that of the others is link-local.
  ...['fd00:ec2::254', '168.63.129.16', '100.100.100.200', '192.0.0.192'],
];

/** Special-purpose ranges (RFC 6890 and the registries that follow it) beside the refused ones. */
const innerRanges = [
  ...[
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '100.64.0.0/10',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '192.88.99.0/24',
  ],
  ...['198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['2001::/23', '2001:db8::/32', '3fff::/20', '5f00::/16'],
];

const refused = compileCidrs(refusedRanges).matcher;
const inner = compileCidrs(innerRanges).matcher;
/** What has been given out for global unicast, and the translators that lead to IPv4. */
const global6 = compileCidrs(['2000::/3', '64:ff9b::/96']).matcher;

/** Whether `ip` lies in a range that only an unsafe rule opens, also by way of a translator. */
export const isRefusedRange = (ip: string): boolean =>
  refused.has(ip) || embeddedIPv4(ip).some((inside) => refused.has(inside));

/** Whether `ip` is globally routable unicast; what it leads to through a translator must be so too. */
export function isGlobal(ip: string): boolean {
  if (refused.has(ip) || inner.has(ip)) return false;
  return (!ip.includes(':') || global6.has(ip)) && embeddedIPv4(ip).every(isGlobal);
}

/** Whether a connection to `ip` and `port` would come back to this daemon. */
export type LoopCheck = (ip: string, port: number) => boolean;

const interfaceAgeMs = 10_000;

/**
 * Compares with the daemon's own listeners (`host:port`, as of now). A listener on every address is met at each address of this machine;
 * those are read anew every 10 s at most.
 */
export function createLoopCheck(ownListeners: () => readonly string[], clock: Clock): LoopCheck {
  let ownAddresses: ReadonlySet<string> = new Set();
  let readAt = -Infinity;
  const isOwnAddress = (ip: string): boolean => {
    if (clock.monotonic() - readAt > interfaceAgeMs) {
      readAt = clock.monotonic();
      ownAddresses = interfaceAddresses();
    }
    return ip.startsWith('127.') || ip.startsWith('0.') || ip === '::' || ownAddresses.has(ip);
  };
  const parsed = new Map<string, Place>();
  const placeOf = (listener: string): Place => {
    let place = parsed.get(listener);
    if (place === undefined) {
      // Listeners that come and go leave nothing behind for long.
      if (parsed.size >= mostParsed) parsed.clear();
      parsed.set(listener, (place = parsePlace(listener)));
    }
    return place;
  };
  const leadsHome = ({ bound }: Place, ip: string): boolean => {
    if (bound === ip) return true;
    // Connecting to an unspecified address reaches this machine too.
    return bound === '0.0.0.0' || bound === '::' || ip === '0.0.0.0' || ip === '::' ? isOwnAddress(ip) : false;
  };
  return (ip, port) => {
    for (const listener of ownListeners()) {
      const place = placeOf(listener);
      if (place.port !== port) continue;
      if (leadsHome(place, ip) || embeddedIPv4(ip).some((inside) => leadsHome(place, inside))) return true;
    }
    return false;
  };
}

/** A listener of ours; port -1: none that could be dialled. */
interface Place {
  readonly bound: string;
  readonly port: number;
}

const mostParsed = 10_000;

function parsePlace(listener: string): Place {
  const own = splitHostPort(listener);
  return own === null ? { bound: '', port: -1 } : { bound: canonicalIp(own.host) ?? own.host, port: own.port };
}

function interfaceAddresses(): ReadonlySet<string> {
  const found = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set(found.map(({ address }) => canonicalIp(address) ?? address));
}

/** The listener's own address as `ownListeners` writes it. */
export const listenerText = (listener: { readonly address: string; readonly port: number }): string =>
  hostPort(listener.address, listener.port);
