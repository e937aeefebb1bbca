// What the zone table holds: everything under one owner name, as plain data that travels to the workers as JSON.

import type { Rdata } from '../wire/index.ts';

/** One record without its owner. Names in it are in presentation form with their trailing dot. `serial` 0 of a SOA: planes put theirs in. */
export type ZoneRr = Exclude<Rdata, { readonly type: 'other' }> & {
  /** Seconds. */
  readonly ttl: number;
};

export interface ZoneRecord {
  /** Owner: lower case, presentation form (RFC 1035 §5.1), with trailing dot. Also the record's key in the table. */
  readonly name: string;
  /** Without duplicates, in the order of `compareRrs`. */
  readonly rrs: readonly ZoneRr[];
}

/** Type, then data; equal records give 0. TTLs do not count: one name has one record of the same data. */
export function compareRrs(a: ZoneRr, b: ZoneRr): number {
  if (a === b) return 0;
  if (a.type !== b.type) return a.type < b.type ? -1 : 1;
  if (a.type === 'SRV' && b.type === 'SRV' && a.priority === b.priority && a.weight === b.weight)
    return a.port === b.port ? compareTexts(a.target, b.target) : compareTexts(`${a.port} `, `${b.port} `);
  return compareTexts(rdataText(a), rdataText(b));
}

const compareTexts = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

/** The record's data as a zone file has it (RFC 1035 §5, RFC 2782). */
export function rdataText(rr: ZoneRr): string {
  switch (rr.type) {
    case 'A':
    case 'AAAA':
      return rr.address;
    case 'NS':
    case 'CNAME':
    case 'PTR':
      return rr.target;
    case 'SRV':
      return `${rr.priority} ${rr.weight} ${rr.port} ${rr.target}`;
    case 'TXT':
      return rr.texts.map((text) => JSON.stringify(text)).join(' ');
    case 'SOA':
      return `${rr.mname} ${rr.rname} ${rr.serial} ${rr.refresh} ${rr.retry} ${rr.expire} ${rr.minimum}`;
  }
}

/** `NAME TTL IN TYPE RDATA`. */
export const rrLine = (name: string, rr: ZoneRr): string => `${name} ${rr.ttl} IN ${rr.type} ${rdataText(rr)}`;
