// The PROXY header that a backend is sent first: who called, and which address was called (HAProxy's "The PROXY protocol", versions 1 and 2).

import { isIPv4, parseIPv6 } from '../../src/cluster/index.ts';

export interface ProxiedAddresses {
  readonly clientIp: string;
  readonly clientPort: number;
  readonly ownIp: string;
  readonly ownPort: number;
}

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
/** Version 2, command PROXY. */
const versionAndCommand = 0x21;
const tcpOverIPv4 = 0x11;
const tcpOverIPv6 = 0x21;

/** Of a TCP connection. What is no pair of addresses of one family is told as unknown, which backends have to take. */
export function proxyHeader(version: 'v1' | 'v2', { clientIp, clientPort, ownIp, ownPort }: ProxiedAddresses): Buffer {
  const [client, own] = [plain(clientIp), plain(ownIp)];
  const family = isIPv4(client) && isIPv4(own) ? 4 : client.includes(':') && own.includes(':') ? 6 : null;
  if (version === 'v1') {
    const line = family === null ? 'UNKNOWN' : `TCP${family} ${client} ${own} ${clientPort} ${ownPort}`;
    return Buffer.from(`PROXY ${line}\r\n`, 'latin1');
  }
  const addresses = family === null ? null : [bytesOf(client), bytesOf(own)];
  if (addresses === null || addresses.includes(null)) return head(0, 0);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(clientPort, 0);
  ports.writeUInt16BE(ownPort, 2);
  const body = Buffer.concat([...(addresses as Buffer[]), ports]);
  return Buffer.concat([head(family === 4 ? tcpOverIPv4 : tcpOverIPv6, body.length), body]);
}

function head(familyAndProtocol: number, length: number): Buffer {
  return Buffer.concat([signature, Buffer.of(versionAndCommand, familyAndProtocol, length >> 8, length & 0xff)]);
}

function bytesOf(ip: string): Buffer | null {
  if (isIPv4(ip)) return Buffer.from(ip.split('.').map(Number));
  const groups = parseIPv6(ip);
  return groups === null ? null : Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

const plain = (ip: string): string => ip.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
