// Record data in words and on the wire. Types that are not known stay opaque octets (RFC 3597).

import { decodeName, encodeName } from './name.ts';
import { rrType, rrTypeName } from './rr-type.ts';
import { addressOctets, addressText } from './address.ts';

export type Rdata =
  | { readonly type: 'A'; readonly address: string }
  | { readonly type: 'AAAA'; readonly address: string }
  | { readonly type: 'NS' | 'CNAME' | 'PTR'; readonly target: string }
  | {
      readonly type: 'SRV';
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  | { readonly type: 'TXT'; readonly texts: readonly string[] }
  | ({ readonly type: 'SOA' } & SoaFields)
  | { readonly type: 'other'; readonly number: number; readonly octets: Uint8Array };

export interface SoaFields {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

/** The number of the type that `rdata` has on the wire. */
export const rdataType = (rdata: Rdata): number => (rdata.type === 'other' ? rdata.number : rrType[rdata.type]);

/** `A`, `SRV`, `TYPE123` … */
export const rdataTypeName = (rdata: Rdata): string => (rdata.type === 'other' ? rrTypeName(rdata.number) : rdata.type);

/** Wire form; names in it are written whole, as RFC 2782 asks for SRV. Null if a name, text or address in it is no such thing. */
export function encodeRdata(rdata: Rdata): Buffer | null {
  switch (rdata.type) {
    case 'A':
    case 'AAAA': {
      const octets = addressOctets(rdata.address);
      return octets?.length === (rdata.type === 'A' ? 4 : 16) ? octets : null;
    }
    case 'NS':
    case 'CNAME':
    case 'PTR':
      return encodeName(rdata.target);
    case 'SRV': {
      const target = encodeName(rdata.target);
      return target === null ? null : Buffer.concat([words(rdata.priority, rdata.weight, rdata.port), target]);
    }
    case 'TXT':
      return encodeTexts(rdata.texts);
    case 'SOA':
      return encodeSoa(rdata);
    case 'other':
      return Buffer.from(rdata.octets);
  }
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 2);
  values.forEach((value, i) => bytes.writeUInt16BE(value, i * 2));
  return bytes;
}

function encodeTexts(texts: readonly string[]): Buffer | null {
  const parts = texts.map((text) => Buffer.from(text));
  if (parts.length === 0 || parts.some((part) => part.length > 255)) return null;
  return Buffer.concat(parts.flatMap((part) => [Buffer.from([part.length]), part]));
}

function encodeSoa(soa: SoaFields): Buffer | null {
  const mname = encodeName(soa.mname);
  const rname = encodeName(soa.rname);
  if (mname === null || rname === null) return null;
  const numbers = Buffer.allocUnsafe(20);
  [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum].forEach((value, i) =>
    numbers.writeUInt32BE(value, i * 4),
  );
  return Buffer.concat([mname, rname, numbers]);
}

/** Data of a record of type `type` at `start`…`end` of a message; null if it does not fit its type. */
export function decodeRdata(bytes: Buffer, type: number, start: number, end: number): Rdata | null {
  const length = end - start;
  switch (type) {
    case rrType.A:
      return length === 4 ? { type: 'A', address: addressText(bytes, start, 4) } : null;
    case rrType.AAAA:
      return length === 16 ? { type: 'AAAA', address: addressText(bytes, start, 16) } : null;
    case rrType.NS:
      return decodeTarget(bytes, 'NS', start, end);
    case rrType.CNAME:
      return decodeTarget(bytes, 'CNAME', start, end);
    case rrType.PTR:
      return decodeTarget(bytes, 'PTR', start, end);
    case rrType.SRV:
      return decodeSrv(bytes, start, end);
    case rrType.TXT:
      return decodeTexts(bytes, start, end);
    case rrType.SOA:
      return decodeSoa(bytes, start, end);
    default:
      return { type: 'other', number: type, octets: bytes.subarray(start, end) };
  }
}

function decodeTarget(bytes: Buffer, type: 'NS' | 'CNAME' | 'PTR', start: number, end: number): Rdata | null {
  const name = decodeName(bytes, start);
  return name?.end === end ? { type, target: name.text } : null;
}

function decodeSrv(bytes: Buffer, start: number, end: number): Rdata | null {
  if (end - start < 7) return null;
  const name = decodeName(bytes, start + 6);
  if (name?.end !== end) return null;
  const word = (offset: number): number => bytes.readUInt16BE(start + offset);
  return { type: 'SRV', priority: word(0), weight: word(2), port: word(4), target: name.text };
}

function decodeTexts(bytes: Buffer, start: number, end: number): Rdata | null {
  const texts: string[] = [];
  let at = start;
  while (at < end) {
    const next = at + 1 + (bytes[at] as number);
    if (next > end) return null;
    texts.push(bytes.toString('utf8', at + 1, next));
    at = next;
  }
  return texts.length === 0 ? null : { type: 'TXT', texts };
}

function decodeSoa(bytes: Buffer, start: number, end: number): Rdata | null {
  const mname = decodeName(bytes, start);
  const rname = mname === null ? null : decodeName(bytes, mname.end);
  if (mname === null || rname === null || rname.end + 20 !== end) return null;
  const number = (index: number): number => bytes.readUInt32BE(rname.end + index * 4);
  return {
    type: 'SOA',
    mname: mname.text,
    rname: rname.text,
    serial: number(0),
    refresh: number(1),
    retry: number(2),
    expire: number(3),
    minimum: number(4),
  };
}
