// Record types by name and number (IANA DNS parameters), the few that this server speaks about.

const numbers = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  DS: 43,
  OPT: 41,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  TLSA: 52,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
} as const;

export type RrTypeName = keyof typeof numbers;

/** Numbers by name. */
export const rrType: Readonly<Record<RrTypeName, number>> = numbers;

const names = new Map<number, string>(Object.entries(numbers).map(([name, number]) => [number, name]));

/** Known names, for tables that are made once per type. */
export const rrTypeNames: readonly RrTypeName[] = Object.keys(numbers) as RrTypeName[];

/** `A`, `SRV` …, or `TYPE123` (RFC 3597 §5). */
export const rrTypeName = (type: number): string => names.get(type) ?? `TYPE${type}`;

/** The number of a type's name in any case, `TYPE123` included; null if there is no such type. */
export function rrTypeNumber(name: string): number | null {
  const upper = name.toUpperCase();
  if (Object.hasOwn(numbers, upper)) return numbers[upper as RrTypeName];
  const match = /^TYPE(\d{1,5})$/.exec(upper);
  const number = match === null ? NaN : Number(match[1]);
  return number <= 0xffff ? number : null;
}

/** Response codes (RFC 1035 §4.1.1, RFC 6891 §9). */
export const rcode = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5, badVers: 16 } as const;

const rcodeNames = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** `NOERROR` …; codes that this server never makes are `OTHER`. */
export const rcodeName = (code: number): string => (code === rcode.badVers ? 'BADVERS' : (rcodeNames[code] ?? 'OTHER'));
