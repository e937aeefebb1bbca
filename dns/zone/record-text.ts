// Records as text: how the zone's table holds them, how they travel to the workers and how those keep them. A quarter of what they take as
// objects, and one thing to hash, to write and to compare.

import type { ZoneRecord, ZoneRr } from './record.ts';

/** The records of a name, a line each in their order: its fields as in a zone file, without owner and class; what that cannot say is JSON. */
export type RecordText = string;

export const textOf = (rrs: readonly ZoneRr[]): RecordText => rrs.map(lineOf).join('\n');

export const rrsOf = (text: RecordText): readonly ZoneRr[] => text.split('\n').map(rrOf);

/** The records of `name`, made anew each time. */
export const recordOf = (name: string, text: RecordText): ZoneRecord => ({ name, rrs: rrsOf(text) });

/** Joined, since a sum of texts is kept as such. */
export function lineOf(rr: ZoneRr): string {
  switch (rr.type) {
    case 'A':
    case 'AAAA':
      return [rr.type, rr.ttl, rr.address].join(' ');
    case 'SRV':
      if (/\s/.test(rr.target)) return JSON.stringify(rr);
      return [rr.type, rr.ttl, rr.priority, rr.weight, rr.port, rr.target].join(' ');
    case 'PTR':
      if (/\s/.test(rr.target)) return JSON.stringify(rr);
      return [rr.type, rr.ttl, rr.target].join(' ');
    default:
      return JSON.stringify(rr);
  }
}

export function rrOf(line: string): ZoneRr {
  if (isJson(line, 0)) return JSON.parse(line) as ZoneRr;
  const [type, ttlText, ...fields] = line.split(' ');
  const ttl = Number(ttlText);
  const last = fields.at(-1) ?? '';
  if (type === 'SRV') {
    const [priority = 0, weight = 0, port = 0] = fields.map(Number);
    return { type, ttl, priority, weight, port, target: last };
  }
  return type === 'PTR' ? { type, ttl, target: last } : { type: type === 'A' ? 'A' : 'AAAA', ttl, address: last };
}

/** Whether the line that starts at `at` is JSON, as that of a SOA always is. */
export const isJson = (text: RecordText, at: number): boolean => text.charCodeAt(at) === 0x7b;

/** Type of the line that starts at `at`. */
export function typeAt(text: RecordText, at: number): ZoneRr['type'] {
  switch (text.charCodeAt(at)) {
    case 0x41:
      return text.charCodeAt(at + 1) === 0x20 ? 'A' : 'AAAA';
    case 0x53:
      return 'SRV';
    case 0x50:
      return 'PTR';
    default: {
      const end = text.indexOf('\n', at);
      return rrOf(text.slice(at, end < 0 ? undefined : end)).type;
    }
  }
}
