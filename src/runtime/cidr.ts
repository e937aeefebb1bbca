// Networks in CIDR notation, compiled once and asked for each connection: `has` parses the address in place and allocates nothing.

export interface CidrMatcher {
  /** How many networks were compiled; 0 matches nothing. */
  readonly size: number;
  /**
   * Whether one of the networks holds `ip`. IPv4-mapped IPv6 (`::ffff:10.0.0.1`) counts as IPv4, a zone id (`%eth0`) is skipped, and what
   * is no address is in no network.
   */
  has(ip: string): boolean;
}

export interface CompiledCidrs {
  readonly matcher: CidrMatcher;
  /** One line for each text that is no network; the others are in the matcher. */
  readonly problems: readonly string[];
}

interface Network {
  readonly words: readonly number[];
  readonly masks: readonly number[];
}

/** Compiles `10.0.0.0/8`, `fd00::/8` and single addresses; bits behind the prefix are ignored. */
export function compileCidrs(texts: readonly string[]): CompiledCidrs {
  const networks4: Network[] = [];
  const networks6: Network[] = [];
  const problems: string[] = [];
  for (const text of texts) {
    const network = parseNetwork(text);
    if (network === null) problems.push(`"${text}" is no network; write an address and a prefix, such as 10.0.0.0/8`);
    else (network.words.length === 1 ? networks4 : networks6).push(network);
  }
  return { matcher: createMatcher(networks4, networks6), problems };
}

function createMatcher(networks4: readonly Network[], networks6: readonly Network[]): CidrMatcher {
  const words4 = Uint32Array.from(networks4.flatMap((network) => network.words));
  const masks4 = Uint32Array.from(networks4.flatMap((network) => network.masks));
  const words6 = Uint32Array.from(networks6.flatMap((network) => network.words));
  const masks6 = Uint32Array.from(networks6.flatMap((network) => network.masks));
  return {
    size: networks4.length + networks6.length,
    has(ip) {
      const address4 = readIPv4(ip, 0, ip.length);
      if (address4 >= 0) return holds4(words4, masks4, address4);
      if (!readIPv6(ip, endOfAddress(ip), groups)) return false;
      return isMapped() ? holds4(words4, masks4, groupPair(6)) : holds6(words6, masks6);
    },
  };
}

function holds4(words: Uint32Array, masks: Uint32Array, address: number): boolean {
  for (let i = 0; i < words.length; i++) {
    if ((address & (masks[i] as number)) >>> 0 === words[i]) return true;
  }
  return false;
}

/** Looks for the address that stands in `groups`. */
function holds6(words: Uint32Array, masks: Uint32Array): boolean {
  for (let i = 0; i < words.length; i += 4) {
    let same = true;
    for (let j = 0; same && j < 4; j++) same = (groupPair(2 * j) & (masks[i + j] as number)) >>> 0 === words[i + j];
    if (same) return true;
  }
  return false;
}

function parseNetwork(text: string): Network | null {
  const slash = text.indexOf('/');
  const end = slash < 0 ? text.length : slash;
  const bits = slash < 0 ? null : parsePrefix(text.slice(slash + 1));
  if (slash >= 0 && bits === null) return null;
  const address4 = readIPv4(text, 0, end);
  if (address4 >= 0) return makeNetwork([address4], bits ?? 32);
  if (!readIPv6(text, end, groups)) return null;
  // A mapped network is the IPv4 network it means; a prefix that reaches above ::ffff:0:0/96 is IPv6's own.
  if (isMapped() && (bits ?? 128) >= 96) return makeNetwork([groupPair(6)], (bits ?? 128) - 96);
  return makeNetwork([groupPair(0), groupPair(2), groupPair(4), groupPair(6)], bits ?? 128);
}

function makeNetwork(words: readonly number[], bits: number): Network | null {
  if (bits > words.length * 32) return null;
  const masks = words.map((_, i) => maskOf(Math.min(32, Math.max(0, bits - 32 * i))));
  return { words: words.map((word, i) => (word & (masks[i] as number)) >>> 0), masks };
}

const maskOf = (bits: number): number => (bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0);

function parsePrefix(text: string): number | null {
  return /^(0|[1-9]\d{0,2})$/.test(text) ? Number(text) : null;
}

/** The groups of the IPv6 address read last. */
const groups = new Uint16Array(8);

const groupPair = (at: number): number => (((groups[at] as number) << 16) | (groups[at + 1] as number)) >>> 0;

const isMapped = (): boolean => groupPair(0) === 0 && groupPair(2) === 0 && groupPair(4) === 0xffff;

function endOfAddress(text: string): number {
  const zone = text.indexOf('%');
  return zone < 0 ? text.length : zone;
}

/** The address in `text` from `start` to `end` as a number, -1 where it is no strict dotted quad. */
function readIPv4(text: string, start: number, end: number): number {
  let address = 0;
  let octet = -1;
  let dots = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e) {
      if (octet < 0 || ++dots > 3) return -1;
      address = address * 256 + octet;
      octet = -1;
    } else if (code < 0x30 || code > 0x39 || octet === 0) {
      return -1;
    } else {
      octet = (octet < 0 ? 0 : octet * 10) + code - 0x30;
      if (octet > 255) return -1;
    }
  }
  return dots === 3 && octet >= 0 ? address * 256 + octet : -1;
}

/** Reads RFC 4291 §2.2 text up to `end` into eight groups; false where it is none. */
function readIPv6(text: string, end: number, into: Uint16Array): boolean {
  const leading = text.startsWith('::');
  let gap = leading ? 0 : -1;
  let count = 0;
  let i = leading ? 2 : 0;
  while (i < end) {
    const start = i;
    let value = 0;
    for (let digit = hexDigit(text, i, end); digit >= 0 && i - start < 5; digit = hexDigit(text, ++i, end))
      value = value * 16 + digit;
    if (i < end && text.charCodeAt(i) === 0x2e) {
      const quad = readIPv4(text, start, end);
      if (quad < 0 || count > 6) return false;
      into[count++] = quad >>> 16;
      into[count++] = quad & 0xffff;
      break;
    }
    if (i === start || i - start > 4 || count === 8) return false;
    into[count++] = value;
    if (i === end) break;
    if (text.charCodeAt(i) !== 0x3a || ++i === end) return false;
    if (text.charCodeAt(i) !== 0x3a) continue;
    if (gap >= 0) return false;
    gap = count;
    i++;
  }
  return spread(into, count, gap);
}

/** Opens the gap that `::` stands for, which is one group at least. */
function spread(into: Uint16Array, count: number, gap: number): boolean {
  if (gap < 0) return count === 8;
  if (count > 7) return false;
  const tail = 8 - (count - gap);
  into.copyWithin(tail, gap, count);
  into.fill(0, gap, tail);
  return true;
}

function hexDigit(text: string, at: number, end: number): number {
  if (at >= end) return -1;
  const code = text.charCodeAt(at);
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
