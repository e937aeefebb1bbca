// Makes an upstream's reply the client's: its id, its spelling of the name, our EDNS, and no more octets than it can take.

import { appendOpt, flag, optOctets } from '../reply.ts';
import { rrType, type Query } from '../wire/index.ts';
import type { Reply } from './answer-cache.ts';

/** Of what is past its lifetime (RFC 8767 §4). */
const staleTtlSeconds = 30;

/** `reply` must be to the question of `query`; `ra` is the RA bit or 0. The result is a copy of at most `limit` octets, cut at a record with TC if need be. */
export function relay(
  { bytes, layout, ageSeconds, isStale }: Reply,
  query: Query,
  limit: number,
  ra: number = flag.recursionAvailable,
): Buffer {
  const { records, questionEnd } = layout;
  const opt = records.findIndex(({ type }) => type === rrType.OPT);
  const own = query.hasEdns ? optOctets : 0;
  // Octets behind an OPT in the middle may be pointed at, so they cannot move: the whole additional section is left out instead.
  const whole =
    opt < 0 || opt === records.length - 1 ? (opt < 0 ? records.length : opt) : countOf(records, 'additional');
  let kept = whole;
  const endOf = (count: number): number => (count === 0 ? questionEnd : (records[count - 1]?.end ?? questionEnd));
  while (kept > 0 && endOf(kept) + own > limit) kept--;
  const isCut = kept < countOf(records, 'additional');
  const end = endOf(kept);
  const out = Buffer.allocUnsafe(end + own);
  bytes.copy(out, 0, 0, end);
  query.bytes.copy(out, 0, 0, 2);
  query.bytes.copy(out, 12, 12, questionEnd);
  const flags = (bytes.readUInt16BE(2) & ~0x0180) | (query.flags & 0x0100) | ra | (isCut ? flag.truncated : 0);
  out.writeUInt16BE(flags, 2);
  const counts = { answer: 0, authority: 0, additional: own > 0 ? 1 : 0 };
  for (const { section, fixed } of records.slice(0, kept)) {
    counts[section]++;
    const ttl = bytes.readUInt32BE(fixed + 4);
    if (isStale === true) out.writeUInt32BE(staleTtlSeconds, fixed + 4);
    else if (ageSeconds > 0) out.writeUInt32BE(Math.max(0, ttl - ageSeconds), fixed + 4);
  }
  [1, counts.answer, counts.authority, counts.additional].forEach((count, i) => out.writeUInt16BE(count, 4 + i * 2));
  if (own > 0) appendOpt(out, end, query, flags & 15);
  return out;
}

/** Number of records before the first of `section`. */
function countOf(records: Reply['layout']['records'], section: string): number {
  const at = records.findIndex((record) => record.section === section);
  return at < 0 ? records.length : at;
}
