// IP addresses as numbers, for ranges and prefixes. Text in and text out; no address is looked up.

import { isIPv4, parseIPv6 } from '../../cluster/index.ts';

export interface IpNumber {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** The address of strict IPv4 or IPv6 text without brackets, or null. */
export function parseIp(text: string): IpNumber | null {
  if (isIPv4(text)) return { family: 4, value: text.split('.').reduce((sum, octet) => sum * 256n + BigInt(octet), 0n) };
  const groups = parseIPv6(text);
  return groups === null ? null : { family: 6, value: groups.reduce((sum, group) => sum * 65536n + BigInt(group), 0n) };
}

/** The one spelling of an address: RFC 5952 for IPv6. */
export function formatIp({ family, value }: IpNumber): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 65535n).toString(16));
  const gap = longestZeros(groups);
  if (gap.length < 2) return groups.join(':');
  return `${groups.slice(0, gap.start).join(':')}::${groups.slice(gap.start + gap.length).join(':')}`;
}

export const bitsOf = (family: 4 | 6): number => (family === 4 ? 32 : 128);

function longestZeros(groups: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === '0') length++;
    if (length > best.length) best = { start, length };
    start += length;
  }
  return best;
}
