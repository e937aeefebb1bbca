// The PROXY protocol (HAProxy's, versions 1 and 2), as balancers in front put it before the first byte of a connection.

import { isIPv4, parseIPv6 } from '../../src/cluster/index.ts';

/** In one spelling each: RFC 5952, IPv4 in IPv6 as IPv4. */
export interface ProxyAddresses {
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  readonly localPort: number;
}

export interface ProxyHeader {
  /** Bytes it takes. */
  readonly length: number;
  /** Null: the balancer speaks for itself (`LOCAL`, `UNKNOWN`), or for what is no TCP. */
  readonly addresses: ProxyAddresses | null;
}

/** `more`: not whole yet. `bad`: it will never be one. */
export type ProxyParse = ProxyHeader | 'more' | 'bad';

/** What a header of version 2 with all its extras may take. */
export const mostProxyBytes = 4096;

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** With its line end. */
const longestLine = 107;

/** `bytes`: all that came so far. */
export function parseProxyHeader(bytes: Buffer): ProxyParse {
  const compared = Math.min(bytes.length, signature.length);
  if (compared > 0 && signature.compare(bytes, 0, compared, 0, compared) === 0)
    return bytes.length < 16 ? 'more' : parseBinary(bytes);
  return parseText(bytes);
}

function parseText(bytes: Buffer): ProxyParse {
  const start = bytes.toString('latin1', 0, longestLine);
  if (!start.startsWith('PROXY ')) return 'PROXY '.startsWith(start) ? 'more' : 'bad';
  const end = start.indexOf('\r\n');
  if (end < 0) return bytes.length < longestLine ? 'more' : 'bad';
  const [, family, ...rest] = start.slice(0, end).split(' ');
  if (family === 'UNKNOWN') return { length: end + 2, addresses: null };
  if ((family !== 'TCP4' && family !== 'TCP6') || rest.length !== 4) return 'bad';
  const [address = null, localAddress = null] = rest
    .slice(0, 2)
    .map((text) => (family === 'TCP4' ? quadIn(text) : addressIn(text)));
  const [port, localPort] = rest.slice(2).map((text) => (/^\d{1,5}$/.test(text) ? Number(text) : NaN));
  if (address === null || localAddress === null || !isPort(port) || !isPort(localPort)) return 'bad';
  return { length: end + 2, addresses: { address, port, localAddress, localPort } };
}

const quadIn = (text: string): string | null => (isIPv4(text) ? text : null);

function addressIn(text: string): string | null {
  const groups = parseIPv6(text);
  return groups === null ? null : addressOf(groups);
}

const isPort = (port: number | undefined): port is number => port !== undefined && port <= 65_535;

function parseBinary(bytes: Buffer): ProxyParse {
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const length = 16 + bytes.readUInt16BE(14);
  if (command >> 4 !== 2 || (command & 15) > 1 || length > mostProxyBytes) return 'bad';
  if (bytes.length < length) return 'more';
  // LOCAL, or neither TCP over IPv4 nor over IPv6.
  if ((command & 15) === 0 || (family !== 0x11 && family !== 0x21)) return { length, addresses: null };
  const size = family === 0x11 ? 4 : 16;
  const at = 16 + size * 2;
  if (length < at + 4) return 'bad';
  return {
    length,
    addresses: {
      address: addressAt(bytes, 16, size),
      port: bytes.readUInt16BE(at),
      localAddress: addressAt(bytes, 16 + size, size),
      localPort: bytes.readUInt16BE(at + 2),
    },
  };
}

function addressAt(bytes: Buffer, at: number, size: number): string {
  if (size === 4) return bytes.subarray(at, at + size).join('.');
  return addressOf(Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + i * 2)));
}

function addressOf(groups: readonly number[]): string {
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  if (isMapped)
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 255])
      .join('.');
  return new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]`).hostname.slice(1, -1);
}
