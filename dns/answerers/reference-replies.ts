// Replies as the references give them where they differ from the protocol (specs/dns.md §4.3, §6.7): for `strict: false`.

import { appendOpt, flag, optOctets, servFail } from '../reply.ts';
import {
  decodeName,
  encodeMessage,
  nameOfKey,
  rcode,
  rdataType,
  rrType,
  type Query,
  type ResourceRecord,
} from '../wire/index.ts';
import type { NameEntry, OwnZone } from '../name-entry.ts';
import type { ZoneIndex } from '../zone-plane.ts';

/**
 * The reference's reply, or null where it gives the same as the protocol asks for. `entry` is null for an unknown name, which then
 * needs its `zone`.
 */
export function referenceReply(
  query: Query,
  limit: number,
  entry: NameEntry | null,
  index: ZoneIndex,
  flags: number,
  zone: OwnZone | undefined = entry?.zone,
): Buffer | null {
  const apex = zone === undefined ? undefined : index.find(zone.apex);
  if (apex === undefined) return servFail(query, flags & ~flag.authoritative);
  const isKnown = hasData(entry);
  const authority = authorities(query, apex, index.serial);
  switch (query.type) {
    case rrType.SOA:
      return write(query, limit, flags, authority.soa);
    case rrType.NS:
      return write(query, limit, flags, authority.ns);
    case rrType.SRV:
      if (isKnown && entry !== null && index.templateOf(entry, rrType.SRV) !== null) return null;
      return write(query, limit, flags, []);
    case rrType.ANY:
      if (isKnown) return write(query, limit, flags, [...authority.soa, ...authority.ns], dataOf(query, entry));
      return write(query, limit, flags | rcode.nxDomain, [...authority.soa, ...authority.ns, ...authority.soa]);
    default:
      if (isKnown && entry !== null && index.templateOf(entry, query.type) !== null)
        return spelledAsHeld(query, limit, entry, flags);
      return write(query, limit, isKnown ? flags : flags | rcode.nxDomain, authority.soa);
  }
}

/** The reference knows names by their addresses and SRV records: neither apexes nor empty non-terminals. */
function hasData(entry: NameEntry | null): boolean {
  return entry !== null && (entry.has(rrType.A) || entry.has(rrType.AAAA) || entry.has(rrType.SRV));
}

function dataOf(query: Query, entry: NameEntry | null): ResourceRecord[] {
  const name = decodeName(query.bytes, 12)?.text ?? '.';
  return (entry?.record?.rrs ?? []).map((rr) => ({ name, class: 1, ttl: rr.ttl, rdata: rr }));
}

/**
 * Addresses in Mesos-DNS's zone, and all records of dcos-net's, have the name as the reference holds it: in lower case and without stars.
 * Null where that is how it was asked, or where nothing is held of the type.
 */
export function spelledAsHeld(
  query: Query,
  limit: number,
  entry: NameEntry,
  flags: number,
  turn: (answers: number) => number = () => 0,
): Buffer | null {
  const name = nameOfKey(entry.key);
  if ((decodeName(query.bytes, 12)?.text ?? '.') === name) return null;
  const answers = dataOf(query, entry).filter(({ rdata }) => rdataType(rdata) === query.type);
  if (answers.length === 0) return null;
  const start = turn(answers.length);
  const turned = [...answers.slice(start), ...answers.slice(0, start)];
  const isEdns = query.hasEdns && !entry.zone.isMesos;
  const octets = limit - (isEdns ? optOctets : 0);
  const held = turned.map((answer) => ({ ...answer, name }));
  const message = write(query, octets, flags, [], held);
  return isEdns ? withOpt(message, query) : message;
}

function withOpt(message: Buffer, query: Query): Buffer {
  const out = Buffer.concat([message, Buffer.alloc(optOctets)]);
  appendOpt(out, message.length, query, 0);
  out.writeUInt16BE(out.readUInt16BE(10) + 1, 10);
  return out;
}

/** SOA and NS under the name asked, the SOA's minimum being the zone's TTL. */
function authorities(query: Query, apex: NameEntry, serial: number): { soa: ResourceRecord[]; ns: ResourceRecord[] } {
  const name = decodeName(query.bytes, 12)?.text ?? '.';
  const under = (type: string): ResourceRecord[] =>
    (apex.record?.rrs ?? [])
      .filter((rr) => rr.type === type)
      .map((rr) => ({
        name,
        class: 1,
        ttl: rr.ttl,
        rdata: rr.type === 'SOA' ? { ...rr, serial: rr.serial === 0 ? serial : rr.serial, minimum: rr.ttl } : rr,
      }));
  return { soa: under('SOA'), ns: under('NS') };
}

function write(
  query: Query,
  limit: number,
  flags: number,
  authority: readonly ResourceRecord[],
  answers: readonly ResourceRecord[] = [],
): Buffer {
  const name = decodeName(query.bytes, 12)?.text ?? '.';
  const message = {
    id: query.bytes.readUInt16BE(0),
    flags: 0x8000 | (query.flags & 0x7910) | flags,
    question: { name, type: query.type, class: query.class },
    answers,
    authorities: authority,
    additionals: [],
  };
  return encodeMessage(message, limit);
}
