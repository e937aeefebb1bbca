// Records as text: how the zone's table holds them, how they travel to the workers and how those keep them. A quarter of what they take as
// objects, and one thing to hash, to write and to compare.

import type { ZoneRecord, ZoneRr } from './record.ts';

/**
 * The records of a name, a line each in their order: its fields as in a zone file, without owner and class; what that cannot say is JSON. A
 * line that follows another is two characters, which say how much of the other it starts and ends with, and what is between: records of
 * one name are of one app, and their targets differ little. Equal for equal records.
 */
export type RecordText = string;

/** Of what two lines share at either end, so that a character of JSON says how much: neither a quote nor a backslash. */
const mostShared = 56;
const none = 0x23;

export const textOf = (rrs: readonly ZoneRr[]): RecordText => joined(rrs.map(lineOf));

/** The text of records by their lines, one at least. */
export function joined(lines: readonly string[]): RecordText {
  const [first = ''] = lines;
  if (lines.length < 2) return first;
  const parts = [first];
  for (let i = 1; i < lines.length; i++) parts.push(shortened(lines[i] as string, lines[i - 1] as string));
  return parts.join('\n');
}

function shortened(line: string, before: string): string {
  const most = Math.min(mostShared, line.length, before.length);
  let start = 0;
  while (start < most && line.charCodeAt(start) === before.charCodeAt(start)) start++;
  const [last, lastBefore] = [line.length - 1, before.length - 1];
  const mostEnd = Math.min(mostShared, line.length - start, before.length - start);
  let end = 0;
  while (end < mostEnd && line.charCodeAt(last - end) === before.charCodeAt(lastBefore - end)) end++;
  return String.fromCharCode(none + start, none + end) + line.slice(start, line.length - end);
}

function linesOf(text: RecordText): readonly string[] {
  if (!text.includes('\n')) return [text];
  const lines: string[] = [];
  let before = '';
  for (const part of text.split('\n')) {
    const [start, end] = [part.charCodeAt(0) - none, part.charCodeAt(1) - none];
    const line = lines.length === 0 ? part : before.slice(0, start) + part.slice(2) + before.slice(before.length - end);
    lines.push(line);
    before = line;
  }
  return lines;
}

export const rrsOf = (text: RecordText): readonly ZoneRr[] => linesOf(text).map(rrOf);

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
  if (isJson(line)) return JSON.parse(line) as ZoneRr;
  const [type, ttlText, ...fields] = line.split(' ');
  const ttl = Number(ttlText);
  const last = fields.at(-1) ?? '';
  if (type === 'SRV') {
    const [priority = 0, weight = 0, port = 0] = fields.map(Number);
    return { type, ttl, priority, weight, port, target: last };
  }
  return type === 'PTR' ? { type, ttl, target: last } : { type: type === 'A' ? 'A' : 'AAAA', ttl, address: last };
}

/** Whether a line is JSON, as that of a SOA always is. */
export const isJson = (line: string): boolean => line.charCodeAt(0) === 0x7b;

/** Types of the records, each once or more often. */
export function typesOf(text: RecordText): readonly ZoneRr['type'][] {
  const first = isJson(text) ? null : plainType(text);
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1))
    // It shares the type with the line before, as nearly all do.
    if (first === null || text.charCodeAt(at + 1) - none <= first.length) return rrsOf(text).map(({ type }) => type);
  return first === null ? [rrOf(text).type] : typeLists[first];
}

type PlainType = 'A' | 'AAAA' | 'SRV' | 'PTR';
const typeLists: Readonly<Record<PlainType, readonly PlainType[]>> = {
  A: ['A'],
  AAAA: ['AAAA'],
  SRV: ['SRV'],
  PTR: ['PTR'],
};

function plainType(line: string): PlainType {
  const code = line.charCodeAt(0);
  if (code === 0x41) return line.charCodeAt(1) === 0x20 ? 'A' : 'AAAA';
  return code === 0x53 ? 'SRV' : 'PTR';
}
