// IP addresses as numbers, to count with, and in one spelling (RFC 5952), to compare.

import { isIPv4, parseIPv6 } from '../src/cluster/index.ts';

export type Family = 4 | 6;

export interface IpNumber {
  readonly family: Family;
  readonly value: bigint;
}

/** IPv6 without brackets and zone; null where `text` is no address. */
export function parseIp(text: string): IpNumber | null {
  if (isIPv4(text)) return { family: 4, value: text.split('.').reduce((sum, octet) => sum * 256n + BigInt(octet), 0n) };
  const groups = parseIPv6(text);
  return groups === null ? null : { family: 6, value: groups.reduce((sum, group) => sum * 65536n + BigInt(group), 0n) };
}

export function formatIp({ family, value }: IpNumber): string {
  if (family === 4) return partsOf(value, 4, 8n).join('.');
  return shortest(partsOf(value, 8, 16n).map((part) => part.toString(16)));
}

function partsOf(value: bigint, count: number, bits: bigint): number[] {
  const mask = (1n << bits) - 1n;
  return Array.from({ length: count }, (_, i) => Number((value >> (bits * BigInt(count - 1 - i))) & mask));
}

/** One spelling for each address; what is no address stays as it is. */
export function canonicalIp(text: string): string {
  if (!text.includes(':')) return text;
  const ip = parseIp(text);
  return ip === null ? text : formatIp(ip);
}

export const familyOf = (ip: string): Family => (ip.includes(':') ? 6 : 4);

/** The longest run of two or more zero groups, the first of equals, becomes `::` (RFC 5952 §4.2). */
function shortest(groups: readonly string[]): string {
  let best = { start: 0, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === '0') length++;
    if (length > best.length) best = { start, length };
  }
  if (best.length === 1) return groups.join(':');
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
}
