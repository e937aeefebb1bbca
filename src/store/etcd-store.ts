// A store in etcd, which several edges may share. A value is one key with a header (version, length, checksum); one that is larger than
// a request may be is cut into parts beside it, and becomes the value with the key, which is written last.

import { createHash, randomBytes } from 'node:crypto';
import type { Store } from '../ports/index.ts';
import { IsthmusError, type Clock } from '../runtime/index.ts';
import type { EtcdClient } from './etcd-client.ts';
import { checkedKey } from './store-key.ts';

export interface EtcdStoreOptions {
  readonly client: EtcdClient;
  /** What all keys begin with, such as `/isthmus`. */
  readonly prefix: string;
  readonly clock: Clock;
  /** etcd takes requests of 1.5 MiB. */
  readonly partBytes?: number;
}

const format = 1;
const mebibyte = 1024 * 1024;
/** A transaction has at most 128 conditions, and each part is one. */
const mostParts = 100;
/** Parts that are older and belong to no value were left by a writer that died. */
const mostWritingMs = 600_000;
/** A value that is replaced while it is read is read again. */
const mostReadings = 5;
/** etcd keeps what was replaced until it is compacted. */
const largeEveryMs = 300_000;

interface Header {
  readonly isthmus: number;
  readonly bytes: number;
  readonly sha256: string;
  /** Under which the parts are; null: the value follows the header. */
  readonly parts: string | null;
}

interface Head {
  readonly header: Header;
  readonly inline: Buffer;
  /** Of etcd, as text: larger than numbers are exact. */
  readonly revision: string;
}

/** A condition or an operation of a transaction, in the words of the gateway. */
type Piece = Readonly<Record<string, unknown>>;

export function createEtcdStore(options: EtcdStoreOptions): Store {
  const store = new EtcdStore(options);
  return {
    largeEveryMs,
    read: async (key) => store.read(checkedKey(key)),
    write: async (key, value) => store.write(checkedKey(key), value),
    compareAndSet: async (key, expected, value) => store.compareAndSet(checkedKey(key), expected, value),
    list: (prefix) => store.list(prefix),
  };
}

class EtcdStore {
  readonly #client: EtcdClient;
  readonly #root: string;
  readonly #clock: Clock;
  readonly #partBytes: number;

  constructor({ client, prefix, clock, partBytes = mebibyte }: EtcdStoreOptions) {
    this.#client = client;
    this.#root = `${prefix}/`;
    this.#clock = clock;
    this.#partBytes = partBytes;
  }

  async read(key: string): Promise<Uint8Array | null> {
    return (await this.#readWhole(key)).value;
  }

  async write(key: string, value: Uint8Array): Promise<void> {
    const head = await this.#head(key).catch(damageAsAbsent);
    if (await this.#replace(key, head, [], value)) return;
    throw new IsthmusError('STORE_CONFLICT', `parts of ${key} were removed while it was written`, {
      side: 'upstream',
      retryable: true,
    });
  }

  async compareAndSet(key: string, expected: Uint8Array | null, value: Uint8Array | null): Promise<boolean> {
    const { head, value: held } = await this.#readWhole(key);
    const isSame = held === null || expected === null ? held === expected : Buffer.compare(held, expected) === 0;
    if (!isSame) return false;
    const unchanged =
      head === null
        ? { key: this.#name(key), target: 'VERSION', result: 'EQUAL', version: '0' }
        : { key: this.#name(key), target: 'MOD', result: 'EQUAL', mod_revision: head.revision };
    if (value !== null) return this.#replace(key, head, [unchanged], value);
    if (head === null) return true;
    const gone = { request_delete_range: { key: this.#name(key) } };
    return (await this.#transact([unchanged], [gone, ...this.#dropParts(key, head)])) !== null;
  }

  async list(prefix: string): Promise<readonly string[]> {
    const from = Buffer.from(this.#root + prefix);
    const answer = await this.#client.call('kv/range', {
      key: from.toString('base64'),
      range_end: endOf(from).toString('base64'),
      keys_only: true,
    });
    const keys = kvsOf(answer).map((kv) => Buffer.from(kv.key, 'base64').toString().slice(this.#root.length));
    return keys.filter((key) => !key.startsWith(':')).sort();
  }

  async #readWhole(key: string): Promise<{ readonly head: Head | null; readonly value: Buffer | null }> {
    let last = '';
    for (let reading = 0; reading < mostReadings; reading++) {
      const head = await this.#head(key);
      if (head === null) return { head, value: null };
      const value = head.header.parts === null ? head.inline : await this.#readParts(key, head.header);
      if (value !== null) return { head, value: verified(key, head.header, value) };
      // The same value without its parts is not one that was replaced meanwhile.
      if (head.revision === last) break;
      last = head.revision;
    }
    throw damaged(key, 'parts of it are missing');
  }

  async #head(key: string): Promise<Head | null> {
    const [kv] = kvsOf(await this.#client.call('kv/range', { key: this.#name(key) }));
    if (kv === undefined) return null;
    const bytes = Buffer.from(kv.value ?? '', 'base64');
    const end = bytes.indexOf(0x0a);
    const header = headerOf(bytes.toString('utf8', 0, Math.max(end, 0)));
    if (header === null) throw damaged(key, 'it was not written by isthmus');
    if (header.isthmus !== format) throw damaged(key, `its format is ${header.isthmus}, this program reads ${format}`);
    return { header, inline: bytes.subarray(end + 1), revision: kv.mod_revision };
  }

  /** Null where one is missing. */
  async #readParts(key: string, { parts, bytes }: Header): Promise<Buffer | null> {
    const pieces: Buffer[] = [];
    for (let length = 0; length < bytes;) {
      const [kv] = kvsOf(await this.#client.call('kv/range', { key: this.#partName(key, parts, pieces.length) }));
      if (kv?.value === undefined) return null;
      const piece = Buffer.from(kv.value, 'base64');
      pieces.push(piece);
      length += piece.length;
    }
    return Buffer.concat(pieces);
  }

  /** False where a condition does not hold. */
  async #replace(key: string, former: Head | null, conditions: readonly Piece[], value: Uint8Array): Promise<boolean> {
    const cut = value.length > this.#partBytes;
    const parts = cut ? `${timeText(this.#clock.now())}-${randomBytes(4).toString('hex')}` : null;
    const written = cut ? await this.#writeParts(key, parts, value) : { count: 0, sha256: sha256Of(value) };
    const header: Header = { isthmus: format, bytes: value.length, sha256: written.sha256, parts };
    const line = Buffer.from(`${JSON.stringify(header)}\n`);
    const head = cut ? line : Buffer.concat([line, value]);
    const present = Array.from({ length: written.count }, (_, index) => ({
      key: this.#partName(key, parts, index),
      target: 'VERSION',
      result: 'GREATER',
      version: '0',
    }));
    const put = { request_put: { key: this.#name(key), value: head.toString('base64') } };
    const revision = await this.#transact(
      [...conditions, ...present],
      [put, ...(former === null ? [] : this.#dropParts(key, former))],
    );
    if (revision !== null && cut) await this.#sweep(key, revision);
    return revision !== null;
  }

  async #writeParts(key: string, id: string | null, value: Uint8Array): Promise<{ count: number; sha256: string }> {
    const count = Math.ceil(value.length / this.#partBytes);
    if (count > mostParts)
      throw new RangeError(`${key} has ${value.length} bytes, etcd is given at most ${mostParts * this.#partBytes}`);
    const checksum = createHash('sha256');
    const until = this.#clock.monotonic() + mostWritingMs / 2;
    for (let index = 0; index < count; index++) {
      if (this.#clock.monotonic() > until) throw new Error(`${key} could not be written in time`);
      const part = value.subarray(index * this.#partBytes, (index + 1) * this.#partBytes);
      checksum.update(part);
      const text = Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('base64');
      await this.#client.call('kv/put', { key: this.#partName(key, id, index), value: text });
    }
    return { count, sha256: checksum.digest('hex') };
  }

  /** Parts of writers that died, as long as the value is the one that we wrote. */
  async #sweep(key: string, revision: string): Promise<void> {
    const from = Buffer.from(this.#partsRoot(key));
    const until = Buffer.from(this.#partsRoot(key) + timeText(this.#clock.now() - mostWritingMs));
    const unchanged = { key: this.#name(key), target: 'MOD', result: 'EQUAL', mod_revision: revision };
    const range = { key: from.toString('base64'), range_end: until.toString('base64') };
    await this.#transact([unchanged], [{ request_delete_range: range }]);
  }

  #dropParts(key: string, { header }: Head): readonly Piece[] {
    if (header.parts === null) return [];
    const from = Buffer.from(`${this.#partsRoot(key)}${header.parts}/`);
    return [{ request_delete_range: { key: from.toString('base64'), range_end: endOf(from).toString('base64') } }];
  }

  /** The revision that it made, or null where a condition does not hold. */
  async #transact(compare: readonly Piece[], success: readonly Piece[]): Promise<string | null> {
    const answer = await this.#client.call('kv/txn', { compare, success });
    const header = answer['header'] as { readonly revision?: string } | undefined;
    return answer['succeeded'] === true ? (header?.revision ?? '0') : null;
  }

  #name(key: string): string {
    return Buffer.from(this.#root + key).toString('base64');
  }

  /** No key of a value has a colon. */
  #partsRoot(key: string): string {
    return `${this.#root}:parts/${key}/`;
  }

  #partName(key: string, id: string | null, index: number): string {
    return Buffer.from(`${this.#partsRoot(key)}${id}/${String(index).padStart(3, '0')}`).toString('base64');
  }
}

interface KeyValue {
  readonly key: string;
  readonly value?: string;
  readonly mod_revision: string;
}

const kvsOf = (answer: Readonly<Record<string, unknown>>): readonly KeyValue[] =>
  (answer['kvs'] as readonly KeyValue[] | undefined) ?? [];

function headerOf(text: string): Header | null {
  try {
    const value = JSON.parse(text) as Partial<Header> | null;
    return typeof value?.isthmus === 'number' ? (value as Header) : null;
  } catch {
    return null;
  }
}

function verified(key: string, header: Header, value: Buffer): Buffer {
  if (value.length === header.bytes && sha256Of(value) === header.sha256) return value;
  throw damaged(key, 'its checksum does not match: it was cut or changed');
}

const sha256Of = (value: Uint8Array): string => createHash('sha256').update(value).digest('hex');

/** Of the same length each time, so that texts sort as times do. */
const timeText = (ms: number): string => Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0');

/** The first key after all that begin with `prefix`. */
function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end[end.length - 1] ?? 0) + 1;
  return end;
}

const damaged = (key: string, reason: string): IsthmusError =>
  new IsthmusError('STORE_DAMAGED', `${key}: ${reason}`, { side: 'upstream', retryable: false });

/** What cannot be read may be replaced. */
function damageAsAbsent(error: unknown): null {
  if (error instanceof IsthmusError && error.code === 'STORE_DAMAGED') return null;
  throw error;
}
