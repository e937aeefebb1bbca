// Reverse names of private and local ranges that neither the cluster nor a forward zone knows: not there, and never asked of the
// world, which knows nothing of them (RFC 6303, RFC 7793).

import type { Answerer } from '../chain.ts';
import { denial, flag, type DenialSoa } from '../reply.ts';
import { encodeRdata, isWithin, keyOfName, rcode, rrType, type Query } from '../wire/index.ts';

const names: readonly string[] = [
  '0.in-addr.arpa',
  '10.in-addr.arpa',
  '127.in-addr.arpa',
  '254.169.in-addr.arpa',
  '168.192.in-addr.arpa',
  '255.255.255.255.in-addr.arpa',
  ...range(16, 31).map((octet) => `${octet}.172.in-addr.arpa`),
  ...range(64, 127).map((octet) => `${octet}.100.in-addr.arpa`),
  `${'0.'.repeat(32)}ip6.arpa`,
  `1.${'0.'.repeat(31)}ip6.arpa`,
  'd.f.ip6.arpa',
  ...['8', '9', 'a', 'b'].map((nibble) => `${nibble}.e.f.ip6.arpa`),
];

const zones = names.flatMap((name) => keyOfName(name) ?? []);
const arpa = keyOfName('arpa') ?? '';
const ttlSeconds = 10_800;

export const emptyZones: Answerer = {
  name: 'empty zones',
  answer(query) {
    const zone = zoneOf(query.key);
    if (zone === undefined || query.type === rrType.DS) return null;
    return deny(query, zone);
  },
};

const zoneOf = (key: string): string | undefined =>
  key.endsWith(arpa) ? zones.find((candidate) => isWithin(key, candidate)) : undefined;

/** Whether a name (as key) is denied here unless the cluster or a forward zone knows it. */
export const isInEmptyZone = (key: string): boolean => zoneOf(key) !== undefined;

function deny(query: Query, zone: string): Buffer {
  const code = query.key === zone ? rcode.noError : rcode.nxDomain;
  return denial(query, code, flag.authoritative | flag.recursionAvailable, { ...soa, apexOctets: zone.length });
}

/** RFC 6303 §3: `localhost` for a server that nobody should ask. */
const soa: Pick<DenialSoa, 'tail'> = { tail: soaTail() };

function soaTail(): Buffer {
  const data = encodeRdata({
    type: 'SOA',
    mname: 'localhost.',
    rname: 'nobody.invalid.',
    serial: 1,
    refresh: 3600,
    retry: 1200,
    expire: 604_800,
    minimum: ttlSeconds,
  });
  if (data === null) throw new RangeError('a SOA that cannot be encoded');
  const tail = Buffer.alloc(10 + data.length);
  tail.writeUInt16BE(rrType.SOA, 0);
  tail.writeUInt16BE(1, 2);
  tail.writeUInt32BE(ttlSeconds, 4);
  tail.writeUInt16BE(data.length, 8);
  data.copy(tail, 10);
  return tail;
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
