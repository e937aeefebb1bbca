// Reads what a server needs of a query, once and without making objects for its parts. The hot path starts here.

import { lowerCase, skipName } from './name.ts';
import { rcode, rrType } from './rr-type.ts';

const headerOctets = 12;

/** Offsets of an OPT record that is not there, and of one that cannot be read. */
const absent = -1;
const malformed = -2;

/** `fault` of a packet that is no query at all and gets no reply. */
export const notAQuery = -1;

export interface Query {
  readonly bytes: Buffer;
  /** Second header word: QR, opcode, AA, TC, RD, RA, Z, AD, CD, RCODE. */
  readonly flags: number;
  /** Response code that the packet deserves as it stands: 0 if it can be answered, `notAQuery` if it deserves no reply. */
  readonly fault: number;
  /** The name asked, as key; '' with a fault. Put together when first read: the zone finds names by their octets. */
  readonly key: string;
  /** `hashOfOctets` of that key. */
  readonly keyHash: number;
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
  if (bytes.length < headerOctets) return new Parsed(bytes, notAQuery, headerOctets, absent, 0);
  if (((bytes[2] as number) & 0x80) !== 0) return new Parsed(bytes, notAQuery, headerOctets, absent, 0);
  if (bytes[4] === 0 && bytes[5] === 0) return new Parsed(bytes, rcode.formErr, headerOctets, absent, 0);
  let hash = hashSeed;
  let at = headerOctets;
  for (;;) {
    const length = bytes[at];
    // A pointer has nothing to point at here.
    if (length === undefined || length > 63) return new Parsed(bytes, rcode.formErr, headerOctets, absent, 0);
    const next = at + length + 1;
    if (next - headerOctets > 255 || next > bytes.length)
      return new Parsed(bytes, rcode.formErr, headerOctets, absent, 0);
    for (; at < next; at++) hash = Math.imul(hash ^ (lowerOctets[bytes[at] as number] as number), hashPrime);
    if (length === 0) break;
  }
  if (at + 4 > bytes.length) return new Parsed(bytes, rcode.formErr, headerOctets, absent, 0);
  const opt = findOpt(bytes, at + 4);
  return new Parsed(bytes, opt === malformed ? rcode.formErr : rcode.noError, at + 4, opt, hash);
}

class Parsed implements Query {
  readonly bytes: Buffer;
  readonly flags: number;
  readonly fault: number;
  readonly questionEnd: number;
  readonly keyHash: number;
  readonly type: number;
  readonly class: number;
  readonly hasEdns: boolean;
  readonly ednsVersion: number;
  readonly udpSize: number;
  readonly dnssecOk: boolean;
  readonly optAt: number;
  extendedError = -1;
  #key: string | null = null;

  constructor(bytes: Buffer, fault: number, questionEnd: number, opt: number, keyHash: number) {
    const hasQuestion = questionEnd > headerOctets;
    const hasEdns = opt >= 0;
    this.bytes = bytes;
    this.flags = bytes.length < 4 ? 0 : wordAt(bytes, 2);
    this.fault = fault;
    this.questionEnd = questionEnd;
    this.keyHash = keyHash;
    this.type = hasQuestion ? wordAt(bytes, questionEnd - 4) : 0;
    this.class = hasQuestion ? wordAt(bytes, questionEnd - 2) : 0;
    this.hasEdns = hasEdns;
    this.ednsVersion = hasEdns ? (bytes[opt + 6] as number) : 0;
    this.udpSize = hasEdns ? wordAt(bytes, opt + 3) : 0;
    this.dnssecOk = hasEdns && ((bytes[opt + 7] as number) & 0x80) !== 0;
    this.optAt = opt;
  }

  get key(): string {
    this.#key ??=
      this.questionEnd === headerOctets
        ? ''
        : lowerCase(this.bytes.toString('latin1', headerOctets, this.questionEnd - 4));
    return this.#key;
  }
}

/** Whether the name asked is the one that `zone` is the key of, or below it. */
export function asksWithin({ bytes, questionEnd }: Query, zone: string): boolean {
  const start = questionEnd - 4 - zone.length;
  if (start < headerOctets) return false;
  for (let i = zone.length - 1; i >= 0; i--)
    if (lowerOctets[bytes[start + i] as number] !== zone.charCodeAt(i)) return false;
  let at = headerOctets;
  while (at < start) at += (bytes[at] as number) + 1;
  return at === start;
}

/** Whether the name asked has a star anywhere. */
export function asksForStar({ bytes, questionEnd }: Query): boolean {
  for (let at = headerOctets; at < questionEnd - 4; at++) if (bytes[at] === 0x2a) return true;
  return false;
}

const wordAt = (bytes: Buffer, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);

/** Octets with ASCII letters in lower case; those of lengths are no letters. */
const lowerOctets = Uint8Array.from({ length: 256 }, (_, octet) =>
  octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet,
);
const hashSeed = 0x811c9dc5;
const hashPrime = 0x01000193;

/** FNV-1a of the name whose key are the octets from `start` to `end`, as signed 32 bits: a small integer to V8. */
export function hashOfOctets(octets: Uint8Array, start: number, end: number): number {
  let hash = hashSeed;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (octets[i] as number), hashPrime);
  return hash | 0;
}

/** Whether the name asked is the one whose key stands in `held` at `at`, an octet for its length before it. */
export function asksForOctets({ bytes, questionEnd }: Query, held: Uint8Array, at: number): boolean {
  const length = held[at] as number;
  if (questionEnd - 4 - headerOctets !== length) return false;
  for (let i = length - 1; i >= 0; i--)
    if (lowerOctets[bytes[headerOctets + i] as number] !== held[at + 1 + i]) return false;
  return true;
}

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
