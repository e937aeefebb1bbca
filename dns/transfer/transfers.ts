// Zone transfer over TCP: the whole zone (RFC 5936), or what changed since the serial that a secondary has (RFC 1995).

import type { CidrMatcher, CellFamily } from '../../src/runtime/index.ts';

import { flag, replyFlags } from '../reply.ts';
import { decodeMessage, encodeRdata, keyOfName, parseQuery, rdataType, rrType, type Query } from '../wire/index.ts';
import type { OwnZone } from '../name-entry.ts';
import type { ZoneIndex } from '../zone-plane.ts';
import type { ZoneRr } from '../zone/index.ts';
import type { Journal, KeyedRr } from './journal.ts';

export interface TransferOptions {
  readonly index: ZoneIndex;
  readonly journal: Journal;
  /** Clients that may have a zone. */
  readonly transferTo: CidrMatcher;
  /** Counter by `whole`, `changes` and `current`. */
  readonly transfers: CellFamily;
}

export interface Transfers {
  /** Messages of a transfer, made as they are asked for; null where `bytes` ask for none that this client may have. */
  begin(bytes: Buffer, client: string): Iterator<Buffer> | null;
  /** To a question for changes over UDP: the serial there is now, so that the client comes over TCP (RFC 1995 §4). Null as above. */
  current(query: Query, client: string): Buffer | null;
}

/** Of a message: large enough to be few, small enough to be made in well under a millisecond or two. */
const messageOctets = 16_384;

export function createTransfers(options: TransferOptions): Transfers {
  const zoneFor = (query: Query, client: string): OwnZone | null => {
    const isTransfer = query.type === rrType.AXFR || query.type === rrType.IXFR;
    if (query.fault !== 0 || !isTransfer || query.class !== 1 || !options.transferTo.has(client)) return null;
    const zone = options.index.zoneOf(query.key);
    const isWhole = zone !== undefined && zone.apex === query.key && !zone.isSparse && zone.denialSoa !== null;
    return isWhole ? zone : null;
  };
  return {
    begin(bytes, client) {
      const query = parseQuery(bytes);
      const zone = zoneFor(query, client);
      return zone === null ? null : messages(query, recordsFor(query, zone, options));
    },
    current(query, client) {
      const zone = query.type === rrType.IXFR ? zoneFor(query, client) : null;
      const apex = zone === null ? null : apexOf(zone, options.index);
      return zone === null || apex === null
        ? null
        : message(query, [encode(soaOf(apex, zone.serial), zone.apex.length)]);
    },
  };
}

function apexOf(zone: OwnZone, index: ZoneIndex): Apex | null {
  const soa = index.find(zone.apex)?.record?.rrs.find((rr) => rr.type === 'SOA');
  return soa === undefined ? null : { key: zone.apex, soa, serial: zone.serial };
}

function recordsFor(query: Query, zone: OwnZone, { index, journal, transfers }: TransferOptions): Iterable<KeyedRr> {
  const start = apexOf(zone, index);
  if (start === null) return [];
  const held = query.type === rrType.IXFR ? serialIn(query.bytes) : null;
  // RFC 1995 §2: who has this serial or a later one is told so by the SOA alone.
  if (held !== null && ((zone.serial - held) | 0) <= 0) {
    transfers.cell('current').value++;
    return [soaOf(start, zone.serial)];
  }
  const changes = held === null ? null : journal.since(zone.apex, held);
  transfers.cell(changes === null ? 'whole' : 'changes').value++;
  return changes === null ? whole(start, index.recordsOf(zone)) : difference(start, changes);
}

interface Apex {
  readonly key: string;
  readonly soa: ZoneRr & { readonly type: 'SOA' };
  readonly serial: number;
}

const soaOf = ({ key, soa }: Apex, serial: number): KeyedRr => ({ key, rr: { ...soa, serial } });

function* whole(apex: Apex, records: ReturnType<ZoneIndex['recordsOf']>): Iterable<KeyedRr> {
  yield soaOf(apex, apex.serial);
  for (const { name, rrs } of records) {
    const key = keyOfName(name);
    if (key !== null) for (const rr of rrs) if (rr.type !== 'SOA') yield { key, rr };
  }
  yield soaOf(apex, apex.serial);
}

function* difference(apex: Apex, changes: NonNullable<ReturnType<Journal['since']>>): Iterable<KeyedRr> {
  yield soaOf(apex, apex.serial);
  for (const { from, to, deleted, added } of changes) {
    yield soaOf(apex, from);
    yield* deleted;
    yield soaOf(apex, to);
    yield* added;
  }
  yield soaOf(apex, apex.serial);
}

/** The serial that the client says it has; null if it says none. */
function serialIn(bytes: Buffer): number | null {
  const soa = decodeMessage(bytes)?.authorities.find(({ rdata }) => rdata.type === 'SOA')?.rdata;
  return soa?.type === 'SOA' ? soa.serial : null;
}

/** Records as messages, each with the question, so that owners can point to the zone's name in it. */
function* messages(query: Query, records: Iterable<KeyedRr>): Iterator<Buffer> {
  let parts: Buffer[] = [];
  let octets = query.questionEnd;
  for (const record of records) {
    const part = encode(record, query.key.length);
    if (octets + part.length > messageOctets && parts.length > 0) {
      yield message(query, parts);
      parts = [];
      octets = query.questionEnd;
    }
    parts.push(part);
    octets += part.length;
  }
  yield message(query, parts);
}

function encode({ key, rr }: KeyedRr, apexOctets: number): Buffer {
  const data = encodeRdata(rr);
  if (data === null) throw new RangeError(`a ${rr.type} record of the zone cannot be encoded`);
  const own = key.length - apexOctets;
  const bytes = Buffer.allocUnsafe(own + 12 + data.length);
  bytes.write(key.slice(0, own), 0, 'latin1');
  bytes.writeUInt16BE(0xc00c, own);
  bytes.writeUInt16BE(rdataType(rr), own + 2);
  bytes.writeUInt16BE(1, own + 4);
  bytes.writeUInt32BE(rr.ttl, own + 6);
  bytes.writeUInt16BE(data.length, own + 10);
  data.copy(bytes, own + 12);
  return bytes;
}

function message(query: Query, parts: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(query.questionEnd);
  query.bytes.copy(header, 0, 0, query.questionEnd);
  header.writeUInt16BE(replyFlags(query, flag.authoritative), 2);
  header.fill(0, 4, 12);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(parts.length, 6);
  return Buffer.concat([header, ...parts]);
}
