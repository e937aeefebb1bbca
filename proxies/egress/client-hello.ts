// The server name that a TLS client asks for, out of the first bytes of a tunnel (RFC 8446 §4.1.2, RFC 6066 §3). Read, never changed.

export type HelloName =
  /** Not all of it is here yet. */
  | { readonly kind: 'more' }
  /** Lower case; null: the client names nobody. */
  | { readonly kind: 'hello'; readonly name: string | null }
  /** No ClientHello that we would believe. */
  | { readonly kind: 'none'; readonly why: string };

const handshakeRecord = 22;
const clientHello = 1;
const serverNameExtension = 0;
const hostName = 0;
const longestRecord = 16_384 + 256;
const longestHello = 65_536;

const more: HelloName = { kind: 'more' };
const none = (why: string): HelloName => ({ kind: 'none', why });

/** A hello may be split over many records, as clients with large key shares do. */
export function readHelloName(bytes: Buffer): HelloName {
  const parts: Buffer[] = [];
  let gathered = 0;
  let wanted = 4;
  let at = 0;
  while (gathered < wanted) {
    if (bytes.length > at && bytes[at] !== handshakeRecord) return none('the first record is no handshake');
    if (bytes.length > at + 1 && bytes[at + 1] !== 3) return none('the first record is of no known version');
    if (bytes.length < at + 5) return more;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > longestRecord) return none('a record has no or too great a length');
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    gathered += part.length;
    if (gathered >= 4 && wanted === 4) {
      const head = Buffer.concat(parts).readUInt32BE(0);
      if (head >>> 24 !== clientHello) return none('the first message is no ClientHello');
      wanted = 4 + (head & 0xffffff);
      if (wanted > longestHello) return none('the ClientHello is too long');
    }
    if (part.length < length && gathered < wanted) return more;
    at += 5 + length;
  }
  return nameIn(Buffer.concat(parts).subarray(4, wanted));
}

function nameIn(hello: Buffer): HelloName {
  try {
    // Version and random; then session id, cipher suites, compression methods.
    let at = 34;
    at += 1 + hello.readUInt8(at);
    at += 2 + hello.readUInt16BE(at);
    at += 1 + hello.readUInt8(at);
    if (at === hello.length) return { kind: 'hello', name: null };
    const end = at + 2 + hello.readUInt16BE(at);
    if (end !== hello.length) return none('the extensions have a wrong length');
    for (at += 2; at < end;) {
      const length = hello.readUInt16BE(at + 2);
      const next = at + 4 + length;
      if (next > end) return none('an extension is longer than the message');
      if (hello.readUInt16BE(at) === serverNameExtension) return nameOf(hello.subarray(at + 4, next));
      at = next;
    }
    return { kind: 'hello', name: null };
  } catch {
    return none('the ClientHello is cut short');
  }
}

/** More than one name, or one that could be read in two ways, is none. */
function nameOf(list: Buffer): HelloName {
  const isOne = list.readUInt16BE(0) === list.length - 2 && list.readUInt8(2) === hostName;
  if (!isOne || list.readUInt16BE(3) !== list.length - 5) return none('the server names are not one name');
  const name = list.toString('latin1', 5).toLowerCase();
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name)) return none('the server name is no host name');
  return { kind: 'hello', name };
}
