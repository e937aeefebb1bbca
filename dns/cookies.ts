// DNS cookies (RFC 7873, layout of RFC 9018 §4): a client that shows one of ours has the address it claims.

import { createHash } from 'node:crypto';
import { rcode, type Query } from './wire/index.ts';

/** What a query's cookie makes of its reply. */
export interface CookieVerdict {
  /** The client showed a server cookie of ours for its address. */
  readonly isKnown: boolean;
  /** COOKIE option for the reply, code and length included. */
  readonly option: Buffer;
}

export interface Cookies {
  /** Null: the query has no cookie. `rcode.formErr`: it has a malformed one (RFC 7873 §5.2.2). */
  read(query: Query, client: string): CookieVerdict | number | null;
}

export const cookieOptionOctets = 28;
const optionCode = 10;
const clientOctets = 8;
const serverOctets = 16;
/** RFC 9018 §4.3: good for an hour and five minutes ahead; made anew after half an hour. */
const oldestSeconds = 3600;
const newestSeconds = 300;
const renewSeconds = 1800;

/** `secret` must be the same in all processes that share an address. `now` in epoch milliseconds. */
export function createCookies(secret: Buffer, now: () => number): Cookies {
  return {
    read(query, client) {
      const place = placeOf(query);
      if (place === null) return null;
      const { at, length } = place;
      const isSized = length === clientOctets || (length >= 16 && length <= 40);
      if (!isSized) return rcode.formErr;
      const cookie = query.bytes.subarray(at, at + length);
      const seconds = Math.floor(now() / 1000);
      const age = length === clientOctets + serverOctets ? ageOf(cookie, secret, client, seconds) : null;
      const isKnown = age !== null;
      const option = Buffer.alloc(cookieOptionOctets);
      option.writeUInt16BE(optionCode, 0);
      option.writeUInt16BE(clientOctets + serverOctets, 2);
      if (age !== null && age < renewSeconds) cookie.copy(option, 4);
      else write(option, cookie, secret, client, seconds);
      return { isKnown, option };
    },
  };
}

/** Where the first COOKIE option's data stand. */
function placeOf({ bytes, optAt }: Query): { readonly at: number; readonly length: number } | null {
  if (optAt < 0) return null;
  const end = optAt + 11 + bytes.readUInt16BE(optAt + 9);
  for (let at = optAt + 11; at + 4 <= end;) {
    const length = bytes.readUInt16BE(at + 2);
    if (at + 4 + length > end) return null;
    if (bytes.readUInt16BE(at) === optionCode) return { at: at + 4, length };
    at += 4 + length;
  }
  return null;
}

/** Seconds since a server cookie of ours was made for this client; null if it is none, or none any more. */
function ageOf(cookie: Buffer, secret: Buffer, client: string, seconds: number): number | null {
  if (cookie[clientOctets] !== 1) return null;
  const age = (seconds - cookie.readUInt32BE(12)) | 0;
  if (age > oldestSeconds || age < -newestSeconds) return null;
  return sign(cookie, secret, client).equals(cookie.subarray(16, 24)) ? age : null;
}

function write(option: Buffer, cookie: Buffer, secret: Buffer, client: string, seconds: number): void {
  cookie.copy(option, 4, 0, clientOctets);
  option[12] = 1;
  option.writeUInt32BE(seconds >>> 0, 16);
  sign(option.subarray(4), secret, client).copy(option, 20);
}

/** Over client cookie, version, time and address. Cut to eight octets, nothing can be appended to what was signed. */
function sign(cookie: Buffer, secret: Buffer, client: string): Buffer {
  const digest = createHash('sha256').update(secret).update(cookie.subarray(0, 16)).update(client).digest();
  return digest.subarray(0, 8);
}
