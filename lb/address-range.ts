// Ranges that named VIPs get their addresses from: `first-last`, or a CIDR for the whole block.

import type { VipRejection } from '../src/cluster/index.ts';
import { formatIp, parseIp, type Family, type IpNumber } from './ip-number.ts';

export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

const examples = {
  4: '11.0.0.0-11.255.255.255 or 11.0.0.0/8',
  6: 'fd01:c::-fd01:c::ffff:ffff:ffff:ffff or fd01:c::/64',
} as const;

/** Both ends belong to the range. At least two addresses: the modulus of the hash is last − first (specs/l4lb.md §1.9). */
export function parseRange(text: string, family: Family): AddressRange | VipRejection {
  const ends = text.includes('/') ? endsOfNetwork(text) : endsOfSpan(text);
  const hint = `write ${examples[family]}`;
  if (ends === null) return { rejected: `"${text}" is no range of addresses`, hint };
  const [first, last] = ends;
  if (first.family !== family || last.family !== family)
    return { rejected: `"${text}" is no IPv${family} range`, hint };
  if (first.value >= last.value) return { rejected: `"${text}" does not end after it begins`, hint };
  return { family, first: first.value, last: last.value };
}

export function isInRange(range: AddressRange, ip: string): boolean {
  const address = parseIp(ip);
  return address?.family === range.family && address.value >= range.first && address.value <= range.last;
}

/** The address `offset` after the first; the last is followed by the first. `offset` is at most twice the size. */
export function addressAt({ family, first, last }: AddressRange, offset: bigint): string {
  const value = first + offset;
  return formatIp({ family, value: value > last ? value - (last - first + 1n) : value });
}

function endsOfSpan(text: string): readonly [IpNumber, IpNumber] | null {
  const [first, last, ...rest] = text.split('-').map((end) => parseIp(end.trim()));
  return rest.length > 0 || !first || !last ? null : [first, last];
}

function endsOfNetwork(text: string): readonly [IpNumber, IpNumber] | null {
  const [, address = '', prefix = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text.trim()) ?? [];
  const ip = parseIp(address);
  const free = ip === null ? -1 : (ip.family === 4 ? 32 : 128) - Number(prefix);
  if (ip === null || free < 0) return null;
  const value = (ip.value >> BigInt(free)) << BigInt(free);
  return [
    { family: ip.family, value },
    { family: ip.family, value: value + (1n << BigInt(free)) - 1n },
  ];
}

/** The fewest networks in CIDR notation that hold the range and nothing else. */
export function networksOf({ family, first, last }: AddressRange): readonly string[] {
  const bits = family === 4 ? 32n : 128n;
  const networks: string[] = [];
  for (let value = first; value <= last;) {
    let free = 0n;
    while (free < bits && value % (1n << (free + 1n)) === 0n && value + (1n << (free + 1n)) - 1n <= last) free++;
    networks.push(`${formatIp({ family, value })}/${bits - free}`);
    value += 1n << free;
  }
  return networks;
}
