// Field names that mean something to a proxy, found by length and letters while a head is parsed, so that nothing compares names later.

/** What a field is to us; `other` is passed on unseen. */
export const fieldId = {
  other: 0,
  /** A name with `_`, which CGI-style backends confuse with `-`. */
  underscored: 1,
  host: 2,
  connection: 3,
  contentLength: 4,
  transferEncoding: 5,
  upgrade: 6,
  expect: 7,
  te: 8,
  trailer: 9,
  keepAlive: 10,
  proxyConnection: 11,
  proxyAuthenticate: 12,
  proxyAuthorization: 13,
  http2Settings: 14,
  /** `Proxy`, which CGI turns into HTTP_PROXY (httpoxy). */
  proxy: 15,
  xForwardedFor: 16,
  xForwardedProto: 17,
  xForwardedPort: 18,
  xForwardedHost: 19,
  forwarded: 20,
  xRealIp: 21,
  /** `X-Forwarded-*` and its like that only a trusted peer may send: see `claims` in this file. */
  claim: 22,
  xRequestId: 23,
  authorization: 24,
  cookie: 25,
  date: 26,
  via: 27,
  maxForwards: 28,
  traceparent: 29,
  tracestate: 30,
  xMarathonAppId: 31,
  proxyStatus: 32,
  proxyAuthenticationInfo: 33,
  userAgent: 34,
  referer: 35,
} as const;

/** How many ids there are: the length of a table indexed by id. */
export const fieldIdCount = 36;

/** Statements about client, certificate or original request that backends believe (specs/l7.md §3.5). */
const claims = ['x-forwarded-prefix', 'x-forwarded-server', 'x-forwarded-uri', 'x-forwarded-method', 'x-rewrite-url'];
const claimPrefixes = [
  'x-forwarded-tls-client-cert',
  'x-forwarded-client-cert',
  'x-original-',
  'x-envoy-',
  'client-cert',
];

interface Known {
  readonly bytes: Uint8Array;
  readonly id: number;
}

const spelled: readonly (readonly [string, number])[] = [
  ...Object.entries(fieldId)
    .filter(([, id]) => id !== fieldId.other && id !== fieldId.underscored && id !== fieldId.claim)
    .map(([key, id]) => [nameOf(key), id] as const),
  ...claims.map((name) => [name, fieldId.claim] as const),
];

const byLength: (Known[] | undefined)[] = [];
for (const [name, id] of spelled) (byLength[name.length] ??= []).push({ bytes: Buffer.from(name), id });
const prefixes: readonly Uint8Array[] = claimPrefixes.map((prefix) => Buffer.from(prefix));
const longestKnown = byLength.length;

/** `xForwardedFor` to `x-forwarded-for`; `http2Settings` keeps its digit in the word. */
function nameOf(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The id of the name in `bytes` from `start` to `end`, whose bytes are known to be tchars. */
export function identifyField(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const candidates = length < longestKnown ? byLength[length] : undefined;
  if (candidates !== undefined) {
    for (const known of candidates) if (equals(bytes, start, known.bytes)) return known.id;
  }
  const first = (bytes[start] as number) | 0x20;
  if (first === 0x78 || first === 0x63) {
    for (const prefix of prefixes) if (length >= prefix.length && equals(bytes, start, prefix)) return fieldId.claim;
  }
  return fieldId.other;
}

/** Folding by `| 0x20` is exact here: among tchars only letters change into something that the known names hold. */
function equals(bytes: Uint8Array, start: number, lower: Uint8Array): boolean {
  for (let i = 0; i < lower.length; i++) if (((bytes[start + i] as number) | 0x20) !== lower[i]) return false;
  return true;
}
