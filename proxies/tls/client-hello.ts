// Reads as much of a ClientHello (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301) as routing needs, however it is split over records and segments.

export interface ClientHello {
  /** As sent, in octets of latin1; null: none. */
  readonly serverName: string | null;
  /** Protocols offered, in the client's order. */
  readonly protocols: readonly string[];
}

/** Why it will never be one that anybody believes. */
export interface NoHello {
  readonly refused: string;
}

/** `more`: not whole yet. */
export type HelloParse = ClientHello | NoHello | 'more';

/** Bytes of a ClientHello with its record headers at most; no client is near it. */
export const mostHelloBytes = 65_536;

const handshakeRecord = 22;
const clientHello = 1;
const mostRecordBytes = 16_384;

const refuse = (refused: string): NoHello => ({ refused });

/** `bytes`: all that came so far. More than one server name, or one with NUL in it, is none: others could read it in another way. */
export function parseClientHello(bytes: Buffer): HelloParse {
  const message = joinRecords(bytes);
  if (message === 'more' || 'refused' in message) return message;
  try {
    return readHello(new Cursor(message));
  } catch (error) {
    if (error instanceof RangeError) return refuse('a part of the ClientHello is longer than what it is in');
    throw error;
  }
}

/** The handshake message out of its records, without its head. */
function joinRecords(bytes: Buffer): Buffer | NoHello | 'more' {
  const parts: Buffer[] = [];
  let gathered = 0;
  let wanted = 4;
  let at = 0;
  while (gathered < wanted) {
    if (at < bytes.length && bytes[at] !== handshakeRecord) return refuse('a record is no handshake');
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return refuse('a record is of no known version');
    if (bytes.length < at + 5) return 'more';
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > mostRecordBytes) return refuse('a record has no or too great a length');
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    gathered += part.length;
    if (wanted === 4 && gathered >= 4) {
      const [kind, ...size] = headOf(parts);
      if (kind !== clientHello) return refuse('the first message is no ClientHello');
      wanted = 4 + Buffer.from(size).readUIntBE(0, 3);
      if (wanted > mostHelloBytes) return refuse('the ClientHello is too long');
    }
    if (part.length < length && gathered < wanted) return 'more';
    at += 5 + length;
  }
  // Nearly all come in one record.
  const [first] = parts;
  return parts.length === 1 && first !== undefined
    ? first.subarray(4, wanted)
    : Buffer.concat(parts).subarray(4, wanted);
}

/** Kind and length of the message. */
const headOf = (parts: readonly Buffer[]): Buffer =>
  (parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)).subarray(0, 4);

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

function readHello(cursor: Cursor): ClientHello | NoHello {
  // legacy_version, random.
  cursor.take(34);
  // legacy_session_id, cipher_suites, legacy_compression_methods.
  cursor.vector(1);
  cursor.vector(2);
  cursor.vector(1);
  if (cursor.left === 0) return { serverName: null, protocols: [] };
  const extensions = new Cursor(cursor.vector(2));
  if (cursor.left > 0) return refuse('the extensions have a wrong length');
  let serverName: string | null = null;
  let protocols: readonly string[] = [];
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (type === 0) {
      const name: string | null = serverName === null ? readName(body) : null;
      if (name === null) return refuse('the server names are not one name');
      serverName = name;
    } else if (type === 16) protocols = readProtocols(body);
  }
  return { serverName, protocols };
}

/** The one host name; null where there is none or several, one of another kind, or bytes that no name has. */
function readName(body: Buffer): string | null {
  const extension = new Cursor(body);
  const list = new Cursor(extension.vector(2));
  const kind = list.number(1);
  const name = list.vector(2);
  const isOne = kind === 0 && name.length > 0 && !name.includes(0) && list.left === 0 && extension.left === 0;
  return isOne ? name.toString('latin1') : null;
}

function readProtocols(body: Buffer): readonly string[] {
  const list = new Cursor(new Cursor(body).vector(2));
  const protocols: string[] = [];
  while (list.left > 0) protocols.push(list.vector(1).toString('latin1'));
  return protocols;
}
