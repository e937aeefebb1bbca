// Sets of IPv4 addresses as sorted ranges of numbers: the one form from which every client's dialect of "not by the proxy" is written.

import { isIPv4 } from '../../src/cluster/index.ts';

export interface Range4 {
  /** Both inclusive, as unsigned 32-bit numbers. */
  readonly first: number;
  readonly last: number;
}

/** `a.b.c.d`, `a.b.c.d/n` or `first-last`; null for everything else, IPv6 included. */
export function parseRange4(text: string): Range4 | null {
  const [from = '', to = ''] = text.split('-');
  if (to !== '') return isIPv4(from) && isIPv4(to) ? ordered(numberOf(from), numberOf(to)) : null;
  const [ip = '', bits = '32'] = from.split('/');
  if (!isIPv4(ip) || !/^\d{1,2}$/.test(bits) || Number(bits) > 32) return null;
  const size = 2 ** (32 - Number(bits));
  const first = Math.floor(numberOf(ip) / size) * size;
  return { first, last: first + size - 1 };
}

const ordered = (first: number, last: number): Range4 | null => (first <= last ? { first, last } : null);

/** `wanted` without what is in `except`, sorted, and joined where ranges meet. */
export function subtract4(wanted: readonly Range4[], except: readonly Range4[]): readonly Range4[] {
  const left = except.reduce<readonly Range4[]>(
    (ranges, hole) => ranges.flatMap((range) => without(range, hole)),
    wanted,
  );
  const joined: Range4[] = [];
  for (const range of [...left].sort((a, b) => a.first - b.first)) {
    const former = joined.at(-1);
    if (former === undefined || range.first > former.last + 1) joined.push(range);
    else joined[joined.length - 1] = { first: former.first, last: Math.max(former.last, range.last) };
  }
  return joined;
}

function without({ first, last }: Range4, hole: Range4): readonly Range4[] {
  if (hole.last < first || hole.first > last) return [{ first, last }];
  return [ordered(first, hole.first - 1), ordered(hole.last + 1, last)].filter((range) => range !== null);
}

/** The fewest networks that make up a range, as `a.b.c.d/n`. */
export function cidrsOf({ first, last }: Range4): readonly string[] {
  const cidrs: string[] = [];
  for (let at = first; at <= last;) {
    let bits = 32;
    while (bits > 0 && at % 2 ** (33 - bits) === 0 && at + 2 ** (33 - bits) - 1 <= last) bits--;
    cidrs.push(`${ipOf(at)}/${bits}`);
    at += 2 ** (32 - bits);
  }
  return cidrs;
}

/** Patterns of whole octets that make up a range, such as `10.*`; what would take more than `most` of them is left out. */
export function octetPatterns(range: Range4, most: number): readonly string[] {
  const patterns = cidrsOf(range).flatMap((cidr) => {
    const [ip = '', bits = ''] = cidr.split('/');
    const octets = Math.ceil(Number(bits) / 8);
    const count = 2 ** (octets * 8 - Number(bits));
    if (octets === 0 || count > most) return [];
    const size = 2 ** (32 - octets * 8);
    return Array.from({ length: count }, (_, i) => {
      const text = ipOf(numberOf(ip) + i * size);
      return octets === 4 ? text : `${text.split('.').slice(0, octets).join('.')}.*`;
    });
  });
  return patterns.length > most ? [] : patterns;
}

export const rangeText4 = ({ first, last }: Range4): string => `${ipOf(first)}-${ipOf(last)}`;

const numberOf = (ip: string): number => ip.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);

const ipOf = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
