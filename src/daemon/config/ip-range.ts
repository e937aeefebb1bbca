// Ranges of addresses to allocate VIPs from: `first-last`, or a CIDR for the whole block.

import { parseNetwork } from './cidr.ts';
import { formatIp, type IpNumber, parseIp } from './ip-number.ts';
import { isMistake, type Mistake } from './mistake.ts';

/** Both ends belong to it; the modulus of the allocation's hash is last − first (specs/l4lb.md §1.9). */
export interface IpRange {
  readonly first: string;
  readonly last: string;
}

const examples = {
  4: '11.0.0.0-11.255.255.255 or 11.0.0.0/8',
  6: 'fd01:c::-fd01:c::ffff:ffff:ffff:ffff or fd01:c::/64',
} as const;

export function parseIpRange(text: string, family: 4 | 6): IpRange | Mistake {
  const range = text.includes('/') ? ofNetwork(text) : ofEnds(text);
  if (range === null) return { wrong: 'is no range', remedy: `write FIRST-LAST or a CIDR: ${examples[family]}` };
  if (isMistake(range)) return range;
  const [first, last] = range;
  if (first.family !== family || last.family !== family) {
    return { wrong: `is no IPv${family} range`, remedy: `write IPv${family} addresses: ${examples[family]}` };
  }
  if (first.value >= last.value) return { wrong: 'ends before it begins', remedy: 'write the lower address first' };
  return { first: formatIp(first), last: formatIp(last) };
}

function ofNetwork(text: string): readonly [IpNumber, IpNumber] | Mistake {
  const network = parseNetwork(text);
  return isMistake(network) ? network : [network.first, network.last];
}

function ofEnds(text: string): readonly [IpNumber, IpNumber] | null {
  const [first, last, ...rest] = text.split('-').map((end) => parseIp(end.trim()));
  return first && last && rest.length === 0 ? [first, last] : null;
}
