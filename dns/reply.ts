// Replies that carry no data of the zone: errors and denials, and what all replies have in common.

import { rcode, type Query } from './wire/index.ts';

/** Header bits that replies set themselves. */
export const flag = { authoritative: 0x0400, truncated: 0x0200, recursionAvailable: 0x0080 } as const;

/** UDP payload that we take and never exceed: no fragment on any common path (DNS flag day 2020). */
export const udpOctets = 1232;
const plainUdpOctets = 512;
const referenceUdpOctets = 4096;

/** Octets of an OPT record without options. */
export const optOctets = 11;

/** QR, and from the query: opcode, RD and CD. */
export const replyFlags = (query: Query, flags: number): number => 0x8000 | (query.flags & 0x7910) | flags;

/** How long a reply over UDP may be (RFC 6891 §6.2.5, clamped). Not `strict`: as much as the client takes, as the references do. */
export function udpLimit(query: Query, strict = true): number {
  if (!query.hasEdns) return plainUdpOctets;
  return Math.min(strict ? udpOctets : referenceUdpOctets, Math.max(plainUdpOctets, query.udpSize));
}

/** Writes our OPT; `code` is the whole response code, of which it carries the upper bits. */
export function appendOpt(out: Buffer, at: number, query: Query, code: number): void {
  out[at] = 0;
  out[at + 1] = 0;
  out[at + 2] = 41;
  out[at + 3] = udpOctets >> 8;
  out[at + 4] = udpOctets & 0xff;
  out[at + 5] = code >> 4;
  out[at + 6] = 0;
  out[at + 7] = query.dnssecOk ? 0x80 : 0;
  out[at + 8] = 0;
  out[at + 9] = 0;
  out[at + 10] = 0;
}

/** A reply with the question, if there was one, and nothing else. `code` may be an extended one with EDNS. */
export function emptyReply(query: Query, code: number, flags: number): Buffer {
  return replyWith(query, code, flags, null);
}

/** SOA of a zone for the authority section, put together once and patched with the zone's serial. */
export interface DenialSoa {
  readonly apexOctets: number;
  /** Type, class, TTL, length and data; the owner is a pointer into the question. */
  readonly tail: Buffer;
}

/** NXDOMAIN, or NOERROR without answers, with the zone's SOA (RFC 2308 §3). */
export function denial(query: Query, code: number, flags: number, soa: DenialSoa): Buffer {
  return replyWith(query, code, flags, soa);
}

function replyWith(query: Query, code: number, flags: number, soa: DenialSoa | null): Buffer {
  const { questionEnd } = query;
  const soaEnd = questionEnd + (soa === null ? 0 : 2 + soa.tail.length);
  const out = Buffer.allocUnsafe(soaEnd + (query.hasEdns ? optOctets : 0));
  query.bytes.copy(out, 0, 0, questionEnd);
  const word = replyFlags(query, flags) | (code & 15);
  out[2] = word >> 8;
  out[3] = word & 0xff;
  out.fill(0, 4, 12);
  out[5] = questionEnd > 12 ? 1 : 0;
  out[9] = soa === null ? 0 : 1;
  out[11] = query.hasEdns ? 1 : 0;
  if (soa !== null) {
    out.writeUInt16BE(0xc000 | (questionEnd - 4 - soa.apexOctets), questionEnd);
    soa.tail.copy(out, questionEnd + 2);
  }
  if (query.hasEdns) appendOpt(out, soaEnd, query, code);
  return out;
}

export const servFail = (query: Query, flags: number): Buffer => emptyReply(query, rcode.servFail, flags);
export const refused = (query: Query, flags: number): Buffer => emptyReply(query, rcode.refused, flags);
