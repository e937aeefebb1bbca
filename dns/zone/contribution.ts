// A contribution: one record under one name, given by one source (a task, the masters, an agent …).

import { canonicalAddress } from '../wire/index.ts';
import type { ZoneRr } from './record.ts';

export interface Contribution {
  /** Owner in presentation form, with trailing dot; lower case. */
  readonly name: string;
  readonly rr: ZoneRr;
}

/** A or AAAA by what `ip` is; null if it is no address. */
function addressRr(ip: string, ttl: number): ZoneRr | null {
  const address = canonicalAddress(ip);
  if (address === null) return null;
  return Object.freeze({ type: address.includes(':') ? 'AAAA' : 'A', ttl, address } as const);
}

/** Records of all that are addresses, each once. */
export function addressRrs(ips: readonly string[], ttl: number): readonly ZoneRr[] {
  return [...new Set(ips)].map((ip) => addressRr(ip, ttl)).filter((rr) => rr !== null);
}

export function srvRr(priority: number, weight: number, ttl: number, port: number, target: string): ZoneRr {
  return Object.freeze({ type: 'SRV', ttl, priority, weight, port, target } as const);
}
