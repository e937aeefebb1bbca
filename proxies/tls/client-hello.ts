// Reads as much of a ClientHello (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301) as routing needs, however it is split over records and segments.

export interface ClientHello {
  /** As sent; null: none. */
  readonly serverName: string | null;
  /** Protocols offered, in the client's order. */
  readonly protocols: readonly string[];
}

/** `more`: not whole yet. `bad`: it will never be one. */
export type HelloParse = ClientHello | 'more' | 'bad';

/** Bytes of a ClientHello with its record headers at most; no client is near it. */
export const mostHelloBytes = 65_536;

const handshakeRecord = 22;
const clientHello = 1;
const mostRecordBytes = 16_384;

/** `bytes`: all that came so far. */
export function parseClientHello(bytes: Buffer): HelloParse {
  const message = joinRecords(bytes);
  if (typeof message === 'string') return message;
  try {
    return readHello(message);
  } catch (error) {
    if (error instanceof RangeError) return 'bad';
    throw error;
  }
}

/** The handshake message out of its records. */
function joinRecords(bytes: Buffer): Buffer | 'more' | 'bad' {
  const parts: Buffer[] = [];
  let gathered = 0;
  let wanted = -1;
  let at = 0;
  while (wanted < 0 || gathered < wanted) {
    if (bytes.length - at < 5) return couldBeHello(bytes, at) ? 'more' : 'bad';
    const length = bytes.readUInt16BE(at + 3);
    if (!couldBeHello(bytes, at) || length === 0 || length > mostRecordBytes) return 'bad';
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    gathered += part.length;
    if (wanted < 0 && gathered >= 4) {
      const head = Buffer.concat(parts).subarray(0, 4);
      wanted = 4 + head.readUIntBE(1, 3);
      if (head[0] !== clientHello || wanted > mostHelloBytes) return 'bad';
    }
    if (part.length < length && (wanted < 0 || gathered < wanted)) return 'more';
    at += 5 + length;
  }
  return Buffer.concat(parts).subarray(4, wanted);
}

const couldBeHello = (bytes: Buffer, at: number): boolean =>
  (at >= bytes.length || bytes[at] === handshakeRecord) && (at + 1 >= bytes.length || bytes[at + 1] === 3);

/** Reads vectors one after another; a length that leads outside throws a RangeError. */
class Cursor {
  #at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(size: number): number {
    return this.take(size).readUIntBE(0, size);
  }

  take(length: number): Buffer {
    if (length > this.left) throw new RangeError('vector leads outside');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** A vector whose length stands in front in `size` bytes. */
  vector(size: number): Buffer {
    return this.take(this.number(size));
  }
}

function readHello(message: Buffer): HelloParse {
  const cursor = new Cursor(message);
  // legacy_version, random.
  cursor.take(34);
  // legacy_session_id, cipher_suites, legacy_compression_methods.
  cursor.vector(1);
  cursor.vector(2);
  cursor.vector(1);
  if (cursor.left === 0) return { serverName: null, protocols: [] };
  const extensions = new Cursor(cursor.vector(2));
  let serverName: string | null = null;
  let protocols: readonly string[] = [];
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (type === 0) {
      const names = readNames(body);
      if (names === null) return 'bad';
      serverName = names;
    } else if (type === 16) protocols = readProtocols(body);
  }
  return { serverName, protocols };
}

/** The one host name; null where there are several, or bytes that no name has. */
function readNames(body: Buffer): string | null {
  const list = new Cursor(new Cursor(body).vector(2));
  let name: string | null = null;
  while (list.left > 0) {
    const kind = list.number(1);
    const value = list.vector(2);
    if (kind !== 0) continue;
    if (name !== null || value.includes(0)) return null;
    name = value.toString('latin1');
  }
  return name;
}

function readProtocols(body: Buffer): readonly string[] {
  const list = new Cursor(new Cursor(body).vector(2));
  const protocols: string[] = [];
  while (list.left > 0) protocols.push(list.vector(1).toString('latin1'));
  return protocols;
}
