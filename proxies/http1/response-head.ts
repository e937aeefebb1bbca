// The head of an HTTP/1 answer from a backend, as strict as a request's: what is unclear becomes 502, never a guess.

import { isValueByte } from './byte-classes.ts';
import { fieldId } from './field-names.ts';
import { badRequest, FieldList, fieldsTooLarge, needsMore } from './field-list.ts';
import { type ConnectionOptions, parseContentLength, parseTransferEncoding, readConnection } from './framing.ts';
import { latin1 } from './latin1.ts';
import type { UpstreamLimits } from './limits.ts';

/** How an answer's body is delimited: not at all, by its length, by chunks, or by the end of the connection. */
export type AnswerFraming = 'none' | 'length' | 'chunked' | 'close';

const cr = 0x0d;
const lf = 0x0a;

const protocol: Uint8Array = Buffer.from('HTTP/1.', 'latin1');

/** Length of `HTTP/1.1 200`. */
const statusLength = 12;

/** Valid from a successful `parse` until the next one. */
export class ResponseHead {
  readonly fields = new FieldList();
  status = 0;
  /** 10 or 11. */
  version = 11;
  framing: AnswerFraming = 'none';
  /** Of the Content-Length field, -1 without one; an answer to HEAD or a 304 may have one and no body. */
  contentLength = -1;
  /** Whether the connection can be used again after the body. */
  persistent = true;
  /** The Upgrade field where Connection confirms it, lower case; '' otherwise. */
  upgrade = '';
  /** Fields that Connection names, lower case; null where none. */
  named: readonly string[] | null = null;
  /** From `Keep-Alive: timeout=`, in seconds; -1 where the backend gives none. */
  keepAliveSeconds = -1;
  /** Where the reason phrase begins and ends in `fields.text`. */
  reasonStart = 0;
  reasonEnd = 0;

  #hasLine = false;
  #chunked = false;
  readonly #options: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, named: null };

  get reason(): string {
    return this.fields.text.slice(this.reasonStart, this.reasonEnd);
  }

  /**
   * Parses the head that begins at `from`, for an answer to `method`. Returns the offset behind it; `needsMore`: call again with the same
   * bytes and more; less than 0: no valid answer.
   */
  parse(
    bytes: Buffer,
    from: number,
    to: number,
    method: string,
    limits: Pick<UpstreamLimits, 'headerBytes' | 'fields'>,
  ): number {
    if (!this.#hasLine) {
      const parsed = this.#parseLine(bytes, from, to);
      if (parsed <= 0) return parsed === needsMore && to - from >= limits.headerBytes ? fieldsTooLarge : parsed;
      this.#hasLine = true;
      this.fields.clear();
      this.fields.end = parsed - from;
    }
    const end = this.fields.parse(bytes, from + this.fields.end, to, from, limits.fields);
    if (end === needsMore && to - from < limits.headerBytes) return needsMore;
    this.#hasLine = false;
    if (end < 0) return end;
    if (end === needsMore || end - from > limits.headerBytes) return fieldsTooLarge;
    this.fields.text = latin1(bytes, from, end);
    return this.#interpret(method) ? end : badRequest;
  }

  /** Forgets a head begun. */
  reset(): void {
    this.#hasLine = false;
  }

  /** `HTTP/1.x NNN[ reason]\r\n`; the blank before an empty reason is often forgotten (RFC 9112 §4 wants it). */
  #parseLine(bytes: Buffer, from: number, to: number): number {
    if (to - from < statusLength + 2) {
      return 'HTTP/1.'.startsWith(bytes.toString('latin1', from, Math.min(to, from + 7))) ? needsMore : badRequest;
    }
    const minor = (bytes[from + 7] as number) - 0x30;
    const status = readStatus(bytes, from + 9);
    for (let i = 0; i < 7; i++) if (bytes[from + i] !== protocol[i]) return badRequest;
    if (bytes[from + 8] !== 0x20) return badRequest;
    if (minor < 0 || minor > 1 || status < 0) return badRequest;
    let p = from + statusLength;
    if (bytes[p] === 0x20) p++;
    else if (bytes[p] !== cr) return badRequest;
    this.reasonStart = p - from;
    while (p < to && isValueByte[bytes[p] as number] === 1) p++;
    if (p + 1 >= to) return p === to || bytes[p] === cr ? needsMore : badRequest;
    if (bytes[p] !== cr || bytes[p + 1] !== lf) return badRequest;
    this.reasonEnd = p - from;
    this.version = 10 + minor;
    this.status = status;
    return p + 2;
  }

  #interpret(method: string): boolean {
    const { fields } = this;
    const options = this.#options;
    options.close = options.keepAlive = options.upgrade = false;
    options.named = null;
    this.contentLength = this.keepAliveSeconds = -1;
    this.#chunked = false;
    this.upgrade = '';
    for (let i = 0; i < fields.count; i++) {
      const id = fields.ids[i];
      if (id === fieldId.other) continue;
      if (id === fieldId.connection) readConnection(fields, i, options);
      else if (id === fieldId.upgrade) this.upgrade = fields.value(i).toLowerCase();
      else if (id === fieldId.keepAlive) this.keepAliveSeconds = readKeepAlive(fields.value(i));
      else if (id === fieldId.contentLength && !this.#readLength(fields.value(i))) return false;
      else if (id === fieldId.transferEncoding && !this.#readCoding(fields.value(i))) return false;
    }
    if (this.#chunked && this.contentLength >= 0) return false;
    if (!options.upgrade) this.upgrade = '';
    this.named = options.named;
    this.framing = this.#framingFor(method);
    const open = this.version === 11 ? !options.close : options.keepAlive && !options.close;
    this.persistent = open && this.framing !== 'close';
    return true;
  }

  #readLength(value: string): boolean {
    const before = this.contentLength;
    this.contentLength = parseContentLength(value);
    return before < 0 && this.contentLength >= 0;
  }

  #readCoding(value: string): boolean {
    if (this.#chunked || this.version === 10) return false;
    this.#chunked = parseTransferEncoding(value) === 'chunked';
    return this.#chunked;
  }

  /** RFC 9112 §6.3. */
  #framingFor(method: string): AnswerFraming {
    if (method === 'HEAD' || this.status < 200 || this.status === 204 || this.status === 304) return 'none';
    if (method === 'CONNECT' && this.status < 300) return 'none';
    if (this.#chunked) return 'chunked';
    if (this.contentLength >= 0) return this.contentLength === 0 ? 'none' : 'length';
    return 'close';
  }
}

function readStatus(bytes: Buffer, at: number): number {
  let status = 0;
  for (let i = at; i < at + 3; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    status = status * 10 + digit;
  }
  return status >= 100 && status <= 599 ? status : -1;
}

function readKeepAlive(value: string): number {
  const match = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(value);
  return match === null ? -1 : Number(match[1]);
}
