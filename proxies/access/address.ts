// One spelling for each address, whoever wrote it: rules, owners and logs compare text.

import { isIPv4, isIPv6, parseIPv6 } from '../../src/cluster/index.ts';

/**
 * The one spelling of an IP address: strict dotted quad, or RFC 5952. A zone id goes, an IPv4-mapped address becomes IPv4. Null where
 * `text` is no address, odd spellings of IPv4 (`127.1`, `0x7f.1`) included.
 */
export function canonicalIp(text: string): string | null {
  if (isIPv4(text)) return text;
  const zone = text.indexOf('%');
  const groups = parseIPv6(zone < 0 ? text : text.slice(0, zone));
  if (groups === null) return null;
  return isMapped(groups) ? quadOf(groups, 6) : formatIPv6(groups);
}

/** The address of whoever is at the other end of a socket; '' where the socket is gone already. */
export const clientAddress = (socket: { readonly remoteAddress?: string | undefined }): string =>
  canonicalIp(socket.remoteAddress ?? '') ?? '';

/**
 * IPv4 addresses that an IPv6 address leads to through a translator: NAT64 (RFC 6052 §2.1), 6to4 (RFC 3056 §2), and Teredo's server and
 * client (RFC 4380 §4). Empty for all others.
 */
export function embeddedIPv4(ip: string): readonly string[] {
  const groups = ip.includes(':') ? parseIPv6(ip) : null;
  if (groups === null) return [];
  const [first, second] = groups;
  if (first === 0x64 && second === 0xff9b && groups.slice(2, 6).every((group) => group === 0))
    return [quadOf(groups, 6)];
  if (first === 0x2002) return [quadOf(groups, 1)];
  if (first === 0x2001 && second === 0) {
    return [quadOf(groups, 2), quadOf([(groups[6] ?? 0) ^ 0xffff, (groups[7] ?? 0) ^ 0xffff], 0)];
  }
  return [];
}

/** `ip:port`, IPv6 in brackets. */
export const hostPort = (host: string, port: number): string =>
  host.includes(':') && isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;

const isMapped = (groups: readonly number[]): boolean =>
  groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);

function quadOf(groups: readonly number[], at: number): string {
  const high = groups[at] ?? 0;
  const low = groups[at + 1] ?? 0;
  return `${high >>> 8}.${high & 0xff}.${low >>> 8}.${low & 0xff}`;
}

/** RFC 5952 §4: lower case, no leading zeros, the first longest run of two or more zero groups as `::`. */
function formatIPv6(groups: readonly number[]): string {
  const gap = longestZeroRun(groups);
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return gap.length < 2 ? text(0, 8) : `${text(0, gap.start)}::${text(gap.start + gap.length, 8)}`;
}

function longestZeroRun(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  groups.forEach((group, i) => {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: i - length + 1, length };
  });
  return best;
}
