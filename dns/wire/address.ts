// IP addresses between text and the octets of A and AAAA records.

import { isIPv4, parseIPv6 } from '../../src/cluster/index.ts';

/** Four or sixteen octets; null if `text` is no IP address. */
export function addressOctets(text: string): Buffer | null {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number));
  const groups = parseIPv6(text);
  return groups === null ? null : Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** Text of the address at `offset`; IPv6 as RFC 5952 §4 writes it. */
export function addressText(bytes: Uint8Array, offset: number, length: 4 | 16): string {
  if (length === 4) return bytes.subarray(offset, offset + 4).join('.');
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[offset + i] as number) << 8) | (bytes[offset + i + 1] as number));
  const { start, count } = longestZeros(groups);
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  return count < 2 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + count))}`;
}

function longestZeros(groups: readonly number[]): { readonly start: number; readonly count: number } {
  let best = { start: 0, count: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best.count) best = { start, count: end - start };
    start = Math.max(start, end - 1);
  }
  return best;
}

/** One spelling for each address; null if `text` is none. IPv4 in IPv6 clothes (`::ffff:10.0.0.1`) becomes IPv4. */
export function canonicalAddress(text: string): string | null {
  if (isIPv4(text)) return text;
  const octets = addressOctets(text);
  if (octets === null) return null;
  const mapped = octets.readUInt32BE(0) === 0 && octets.readUInt32BE(4) === 0 && octets.readUInt32BE(8) === 0xffff;
  return mapped ? addressText(octets, 12, 4) : addressText(octets, 0, 16);
}
