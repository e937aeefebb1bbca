// A contribution: one record under one name, given by one source (a task, the masters, an agent …).

import { canonicalAddress } from '../wire/index.ts';
import { lineOf } from './record-text.ts';
import type { ZoneRr } from './record.ts';

/** Names and records in turn: owner (presentation form, trailing dot, lower case), and the record's line of text. */
export type Contributions = readonly string[];

/** Records under one name. */
export const under = (name: string, lines: readonly string[]): string[] => lines.flatMap((line) => [name, line]);

/** A or AAAA by what `ip` is; null if it is no address. */
function addressLine(ip: string, ttl: number): string | null {
  const address = canonicalAddress(ip);
  if (address === null) return null;
  return [address.includes(':') ? 'AAAA' : 'A', ttl, address].join(' ');
}

/** Records of all that are addresses, each once. */
export function addressLines(ips: readonly string[], ttl: number): readonly string[] {
  const [only] = ips;
  if (only === undefined) return [];
  if (ips.length > 1) return [...new Set(ips)].map((ip) => addressLine(ip, ttl)).filter((line) => line !== null);
  const line = addressLine(only, ttl);
  return line === null ? [] : [line];
}

export const srvLine = (priority: number, weight: number, ttl: number, port: number, target: string): string =>
  lineOf({ type: 'SRV', ttl, priority, weight, port, target });

export const linesOf = (rrs: readonly ZoneRr[]): readonly string[] => rrs.map(lineOf);
