// The PROXY protocol, versions 1 and 2, as balancers in front put it before the first byte of a connection.

export interface ProxyAddresses {
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  readonly localPort: number;
}

export interface ProxyHeader {
  /** Bytes it takes. */
  readonly length: number;
  /** Null: the balancer speaks for itself (`LOCAL`, `UNKNOWN`). */
  readonly addresses: ProxyAddresses | null;
}

export type ProxyParse = ProxyHeader | 'more' | 'bad';

/** What a header of version 2 with all its extras may take. */
export const mostProxyBytes = 4096;

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const longestText = 107;

/** `bytes`: all that came so far. */
export function parseProxyHeader(bytes: Buffer): ProxyParse {
  const compared = Math.min(bytes.length, signature.length);
  if (bytes.subarray(0, compared).equals(signature.subarray(0, compared)))
    return compared < signature.length ? 'more' : parseBinary(bytes);
  return parseText(bytes);
}

function parseText(bytes: Buffer): ProxyParse {
  const start = bytes.toString('latin1', 0, longestText);
  if (!'PROXY '.startsWith(start.slice(0, 6)) || (start.length >= 6 && !start.startsWith('PROXY '))) return 'bad';
  const end = start.indexOf('\r\n');
  if (end < 0) return bytes.length < longestText ? 'more' : 'bad';
  const [, family = '', ...rest] = start.slice(0, end).split(' ');
  if (family === 'UNKNOWN') return { length: end + 2, addresses: null };
  const [address = '', localAddress = '', port = '', localPort = '', ...more] = rest;
  const isAddress = family === 'TCP4' ? /^[\d.]{7,15}$/ : family === 'TCP6' ? /^[0-9a-fA-F:.]{2,45}$/ : /^$/;
  const ports = [port, localPort].map((text) => (/^\d{1,5}$/.test(text) ? Number(text) : -1));
  const [from = -1, to = -1] = ports;
  const isGood = isAddress.test(address) && isAddress.test(localAddress) && more.length === 0;
  if (!isGood || address === '' || from < 0 || to < 0 || from > 65_535 || to > 65_535) return 'bad';
  return { length: end + 2, addresses: { address, port: from, localAddress, localPort: to } };
}

function parseBinary(bytes: Buffer): ProxyParse {
  if (bytes.length < 16) return 'more';
  const command = bytes[12] as number;
  const family = bytes[13] as number;
  const length = 16 + bytes.readUInt16BE(14);
  if (command >> 4 !== 2 || (command & 15) > 1 || length > mostProxyBytes) return 'bad';
  if (bytes.length < length) return 'more';
  const kind = family >> 4;
  if ((command & 15) === 0 || (kind !== 1 && kind !== 2)) return { length, addresses: null };
  const size = kind === 1 ? 4 : 16;
  if (length < 16 + size * 2 + 4) return 'bad';
  const at = 16 + size * 2;
  return {
    length,
    addresses: {
      address: addressText(bytes.subarray(16, 16 + size)),
      port: bytes.readUInt16BE(at),
      localAddress: addressText(bytes.subarray(16 + size, at)),
      localPort: bytes.readUInt16BE(at + 2),
    },
  };
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
