// Puts EDNS options at the end of a finished reply: cookies and extended errors (RFC 8914).

import type { Query } from './wire/index.ts';
import { optOctets } from './reply.ts';

/** Extended errors that we tell (RFC 8914 §5.2). */
export const extendedError = {
  none: -1,
  staleAnswer: 3,
  notReady: 14,
  prohibited: 18,
  staleNxDomain: 19,
  notAuthoritative: 20,
  notSupported: 21,
  noReachableAuthority: 22,
  networkError: 23,
} as const;

const extendedErrorOctets = 6;
const extendedErrorCode = 15;

/** The reply with options in its OPT, which is its last record; unchanged if it has none, or where the error would not fit `limit`. */
export function withOptions(reply: Buffer, query: Query, cookie: Buffer | null, limit: number): Buffer {
  const ownAt = reply.length - optOctets;
  if (!query.hasEdns || !endsWithOpt(reply, ownAt)) return reply;
  const room = limit - reply.length - (cookie?.length ?? 0);
  const tellsError = query.extendedError >= 0 && room >= extendedErrorOctets;
  if (cookie === null && !tellsError) return reply;
  const added = (cookie?.length ?? 0) + (tellsError ? extendedErrorOctets : 0);
  const out = Buffer.allocUnsafe(reply.length + added);
  reply.copy(out);
  out.writeUInt16BE(added, reply.length - 2);
  cookie?.copy(out, reply.length);
  if (tellsError) {
    const at = out.length - extendedErrorOctets;
    out.writeUInt16BE(extendedErrorCode, at);
    out.writeUInt16BE(2, at + 2);
    out.writeUInt16BE(query.extendedError, at + 4);
  }
  return out;
}

function endsWithOpt(reply: Buffer, at: number): boolean {
  if (at < 12 || (reply[10] === 0 && reply[11] === 0)) return false;
  return reply[at] === 0 && reply.readUInt16BE(at + 1) === 41 && reply.readUInt16BE(at + 9) === 0;
}
