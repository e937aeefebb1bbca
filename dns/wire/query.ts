// Reads what a server needs of a query, once and without making objects for its parts. The hot path starts here.

import { skipName } from './name.ts';
import { rcode, rrType } from './rr-type.ts';

const headerOctets = 12;
const scratch = Buffer.allocUnsafeSlow(256);

/** `fault` of a packet that is no query at all and gets no reply. */
export const notAQuery = -1;

export interface Query {
  readonly bytes: Buffer;
  /** Second header word: QR, opcode, AA, TC, RD, RA, Z, AD, CD, RCODE. */
  readonly flags: number;
  /** Response code that the packet deserves as it stands: 0 if it can be answered, `notAQuery` if it deserves no reply. */
  readonly fault: number;
  /** The name asked, as key; '' with a fault. */
  readonly key: string;
  /** Offset behind the first question; 12 if there is none. */
  readonly questionEnd: number;
  readonly type: number;
  readonly class: number;
  readonly hasEdns: boolean;
  readonly ednsVersion: number;
  /** What the sender says it can receive over UDP; 0 without EDNS. */
  readonly udpSize: number;
  readonly dnssecOk: boolean;
  /** Offset of the OPT record, -1 without EDNS. */
  readonly optAt: number;
  /** Why the reply is as it is (RFC 8914), told by whoever makes it; -1: nothing to tell. */
  extendedError: number;
}

export const opcodeOf = (query: Query): number => (query.flags >> 11) & 15;
export const questionCount = (query: Query): number => query.bytes.readUInt16BE(4);

/** Parses a packet. Never throws; whatever is wrong is told by `fault`. `bytes` stay the caller's and must not change. */
export function parseQuery(bytes: Buffer): Query {
  if (bytes.length < headerOctets) return faulty(bytes, 0, notAQuery);
  const flags = ((bytes[2] as number) << 8) | (bytes[3] as number);
  if ((flags & 0x8000) !== 0) return faulty(bytes, flags, notAQuery);
  if (bytes[4] === 0 && bytes[5] === 0) return faulty(bytes, flags, rcode.formErr);
  const nameEnd = lowerName(bytes);
  if (nameEnd < 0 || nameEnd + 4 > bytes.length) return faulty(bytes, flags, rcode.formErr);
  const end = nameEnd + 4;
  const edns = findOpt(bytes, end);
  return {
    bytes,
    flags,
    fault: edns === malformed ? rcode.formErr : rcode.noError,
    key: scratch.toString('latin1', 0, nameEnd - headerOctets),
    questionEnd: end,
    type: ((bytes[nameEnd] as number) << 8) | (bytes[nameEnd + 1] as number),
    class: ((bytes[nameEnd + 2] as number) << 8) | (bytes[nameEnd + 3] as number),
    hasEdns: edns >= 0,
    ednsVersion: edns >= 0 ? (bytes[edns + 6] as number) : 0,
    udpSize: edns >= 0 ? ((bytes[edns + 3] as number) << 8) | (bytes[edns + 4] as number) : 0,
    dnssecOk: edns >= 0 && ((bytes[edns + 7] as number) & 0x80) !== 0,
    optAt: edns,
    extendedError: -1,
  };
}

function faulty(bytes: Buffer, flags: number, fault: number): Query {
  const rest = { key: '', questionEnd: headerOctets, type: 0, class: 0, hasEdns: false, ednsVersion: 0, udpSize: 0 };
  return { bytes, flags, fault, ...rest, dnssecOk: false, optAt: absent, extendedError: -1 };
}

/** Copies the question's name to the scratch in lower case; its end, or -1. A pointer has nothing to point at here. */
function lowerName(bytes: Buffer): number {
  let at = headerOctets;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63) return -1;
    const next = at + length + 1;
    if (next - headerOctets > 255 || next > bytes.length) return -1;
    scratch[at - headerOctets] = length;
    for (let i = at + 1; i < next; i++) {
      const octet = bytes[i] as number;
      scratch[i - headerOctets] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
    }
    if (length === 0) return next;
    at = next;
  }
}

const absent = -1;
const malformed = -2;

/** Offset of the OPT record (its root name), `absent`, or `malformed` if records are cut off or there are two OPTs (RFC 6891 §6.1.1). */
function findOpt(bytes: Buffer, questionEnd: number): number {
  const questions = bytes.readUInt16BE(4);
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  if (records === 0 || questions !== 1) return absent;
  let at = questionEnd;
  let found = absent;
  // Each record takes eleven octets at least, so the packet's end bounds the walk whatever the counts say.
  for (let i = 0; i < records; i++) {
    const nameEnd = skipName(bytes, at);
    if (nameEnd < 0 || nameEnd + 10 > bytes.length) return malformed;
    const next = nameEnd + 10 + bytes.readUInt16BE(nameEnd + 8);
    if (next > bytes.length) return malformed;
    if (bytes.readUInt16BE(nameEnd) === rrType.OPT) {
      if (found !== absent || nameEnd !== at + 1) return malformed;
      found = at;
    }
    at = next;
  }
  return found;
}
