// The messages of SOCKS5 (RFC 1928, RFC 1929) and SOCKS4/4a. Each reader looks at the bytes that came so far: it says how long the message
// was, that more is needed, or that no message can start like this. Longest: greeting 257, user and password 513, request 262 octets.

import { isIPv4, parseIPv6 } from '../../src/cluster/index.ts';

export interface Incomplete {
  readonly kind: 'incomplete';
}

export interface Malformed {
  readonly kind: 'malformed';
}

export interface Greeting {
  readonly kind: 'greeting';
  readonly length: number;
  readonly methods: ReadonlySet<number>;
}

export interface Credentials {
  readonly kind: 'credentials';
  readonly length: number;
  readonly name: string;
  readonly password: string;
}

export interface SocksRequest {
  readonly kind: 'request';
  readonly length: number;
  readonly command: number;
  /** As it came: an address as text, or a name with one character for each octet. */
  readonly host: string;
  readonly port: number;
}

/** A message that is answered and nothing more: the reply code says why. */
export interface Unsupported {
  readonly kind: 'unsupported';
  readonly reply: number;
}

export const methods = { none: 0x00, password: 0x02, unacceptable: 0xff } as const;
export const commands = { connect: 0x01, bind: 0x02, udp: 0x03 } as const;
const replies = { commandNotSupported: 0x07, addressTypeNotSupported: 0x08 } as const;

const incomplete: Incomplete = { kind: 'incomplete' };
const malformed: Malformed = { kind: 'malformed' };

/** VER NMETHODS METHODS. */
export function readGreeting(bytes: Buffer): Greeting | Incomplete | Malformed {
  if (bytes.length < 2) return incomplete;
  if (bytes[0] !== 0x05) return malformed;
  const length = 2 + (bytes[1] as number);
  if (bytes.length < length) return incomplete;
  return { kind: 'greeting', length, methods: new Set(bytes.subarray(2, length)) };
}

/** VER=1 ULEN UNAME PLEN PASSWD. */
export function readCredentials(bytes: Buffer): Credentials | Incomplete | Malformed {
  if (bytes.length > 0 && bytes[0] !== 0x01) return malformed;
  const nameEnd = 2 + (bytes[1] ?? 0);
  const length = nameEnd + 1 + (bytes[nameEnd] ?? 0);
  if (bytes.length < 2 || bytes.length <= nameEnd || bytes.length < length) return incomplete;
  const name = bytes.toString('utf8', 2, nameEnd);
  return { kind: 'credentials', length, name, password: bytes.toString('utf8', nameEnd + 1, length) };
}

/** VER CMD RSV ATYP ADDR PORT. What cannot be supported is known from the first four octets. */
export function readRequest(bytes: Buffer): SocksRequest | Incomplete | Malformed | Unsupported {
  if (bytes.length > 0 && bytes[0] !== 0x05) return malformed;
  if (bytes.length < 4) return incomplete;
  const command = bytes[1] as number;
  if (command < commands.connect || command > commands.udp) {
    return { kind: 'unsupported', reply: replies.commandNotSupported };
  }
  const start = bytes[3] === 0x03 ? 5 : 4;
  const addressLength = addressLengthOf(bytes);
  if (addressLength === null) return { kind: 'unsupported', reply: replies.addressTypeNotSupported };
  const length = start + addressLength + 2;
  if (bytes.length < length) return incomplete;
  const host = hostOf(bytes.subarray(start, start + addressLength), bytes[3] === 0x03);
  return { kind: 'request', length, command, host, port: bytes.readUInt16BE(length - 2) };
}

/** VN=4 CD DSTPORT DSTIP USERID NUL, and for 4a (address 0.0.0.x) a name and a NUL. */
export function readRequest4(bytes: Buffer): SocksRequest | Incomplete | Malformed {
  if (bytes.length < 8) return incomplete;
  const userEnd = bytes.indexOf(0, 8);
  if (userEnd < 0) return bytes.length > 8 + 255 ? malformed : incomplete;
  if (userEnd > 8 + 255) return malformed;
  const [command = 0, port] = [bytes[1], bytes.readUInt16BE(2)];
  const isName = bytes[4] === 0 && bytes[5] === 0 && bytes[6] === 0 && bytes[7] !== 0;
  if (!isName) {
    return { kind: 'request', length: userEnd + 1, command, host: hostOf(bytes.subarray(4, 8), false), port };
  }
  const nameEnd = bytes.indexOf(0, userEnd + 1);
  if (nameEnd < 0) return bytes.length - userEnd > 256 ? malformed : incomplete;
  const host = bytes.toString('latin1', userEnd + 1, nameEnd);
  return { kind: 'request', length: nameEnd + 1, command, host, port };
}

export const methodReply = (method: number): Buffer => Buffer.from([0x05, method]);
export const credentialsReply = (ok: boolean): Buffer => Buffer.from([0x01, ok ? 0x00 : 0x01]);

/** VER REP RSV ATYP BND.ADDR BND.PORT: 10 or 22 octets, whatever the reply says. */
export function reply5(reply: number, address: string, port: number): Buffer {
  const octets = octetsOf(address) ?? Buffer.alloc(4);
  const bytes = Buffer.alloc(6 + octets.length);
  bytes.set([0x05, reply, 0x00, octets.length === 4 ? 0x01 : 0x04]);
  bytes.set(octets, 4);
  bytes.writeUInt16BE(port, 4 + octets.length);
  return bytes;
}

/** VN=0 CD DSTPORT DSTIP; 90: granted, 91: rejected or failed. An address that is not IPv4 is told as 0.0.0.0. */
export function reply4(code: 90 | 91, address = '', port = 0): Buffer {
  const octets = isIPv4(address) ? address.split('.').map(Number) : [0, 0, 0, 0];
  return Buffer.from([0x00, code, port >>> 8, port & 0xff, ...octets]);
}

export interface Datagram {
  readonly kind: 'datagram';
  /** As in `SocksRequest`. */
  readonly host: string;
  readonly port: number;
  readonly payload: Buffer;
}

/** RSV RSV FRAG ATYP ADDR PORT DATA (RFC 1928 §7). Fragments are told apart: nobody puts them together. */
export function readDatagram(bytes: Buffer): Datagram | Malformed | { readonly kind: 'fragment' } {
  if (bytes.length < 5 || bytes[0] !== 0 || bytes[1] !== 0) return malformed;
  if (bytes[2] !== 0) return { kind: 'fragment' };
  const isName = bytes[3] === 0x03;
  const start = isName ? 5 : 4;
  const addressLength = addressLengthOf(bytes);
  if (addressLength === null) return malformed;
  const length = start + addressLength + 2;
  if (bytes.length < length) return malformed;
  const host = hostOf(bytes.subarray(start, start + addressLength), isName);
  return { kind: 'datagram', host, port: bytes.readUInt16BE(length - 2), payload: bytes.subarray(length) };
}

/** What goes before a payload from `address`, which is canonical. */
export function datagramHead(address: string, port: number): Buffer {
  const head = reply5(0x00, address, port);
  head[0] = 0x00;
  return head;
}

function addressLengthOf(bytes: Buffer): number | null {
  if (bytes[3] === 0x01) return 4;
  if (bytes[3] === 0x04) return 16;
  // Until the length octet is there the message is too short either way.
  return bytes[3] === 0x03 ? (bytes[4] ?? 0) : null;
}

function hostOf(octets: Buffer, isName: boolean): string {
  if (isName) return octets.toString('latin1');
  if (octets.length === 4) return octets.join('.');
  return Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(2 * i).toString(16)).join(':');
}

/** The octets of a canonical address; null where it is none. */
function octetsOf(address: string): Buffer | null {
  const groups = parseIPv6(address);
  if (groups !== null) return Buffer.from(groups.flatMap((group) => [group >>> 8, group & 0xff]));
  return isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : null;
}
