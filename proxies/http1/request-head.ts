// The head of an HTTP/1 request: parsed strictly, framing decided while parsing (RFC 9112; specs/l7.md §3.1). Kept and reused per connection.

import { isMethodByte, targetClass, targetMark } from './byte-classes.ts';
import { fieldId } from './field-names.ts';
import { badRequest, FieldList, fieldsTooLarge, needsMore } from './field-list.ts';
import { type ConnectionOptions, parseContentLength, parseTransferEncoding, readConnection } from './framing.ts';
import { latin1 } from './latin1.ts';
import type { Http1Limits } from './limits.ts';
import { canonicalPath, parseAuthority, type Authority, type TargetForm } from './request-target.ts';

const uriTooLong = -414;
const expectationFailed = -417;
const notImplemented = -501;
const versionNotSupported = -505;

const cr = 0x0d;
const lf = 0x0a;
const space = 0x20;

/** Length of ` HTTP/1.1\r\n`. */
const versionLength = 11;

const noHost: Authority = { host: '', port: 0 };

export type HeadLimits = Pick<Http1Limits, 'headerBytes' | 'fields' | 'requestLineBytes' | 'hostBytes'>;

/** Valid from a successful `parse` until the next one. */
export class RequestHead {
  readonly fields = new FieldList();
  method = '';
  /** The target as sent. */
  target = '';
  form: TargetForm = 'origin';
  /** 10 or 11. */
  version = 11;
  /** What was written in an absolute-form target, lower case; '' in the other forms. */
  scheme = '';
  /** The target's authority where it has one, else the Host field's: spelled as sent. '' where an HTTP/1.0 client names none. */
  authority = '';
  /** Of `authority`: lower case, without trailing dot. */
  host = '';
  /** Of `authority`; 0 where it names none. */
  port = 0;
  /** Path to compare with routes; '*' for asterisk-form, '' for authority-form. */
  matchPath = '';
  /** Path and query to forward in origin-form. */
  forwardTarget = '';
  /** The same as the client sent it, dot segments and all. */
  rawTarget = '';
  /** -1 where the request has no Content-Length. */
  contentLength = -1;
  chunked = false;
  /** Whether the client can use the connection again. */
  persistent = true;
  /** The Upgrade field where Connection confirms it, lower case; '' otherwise. */
  upgrade = '';
  expectsContinue = false;
  /** Fields that Connection names, lower case; null where none. */
  named: readonly string[] | null = null;

  #hasLine = false;
  /** Of the request line, from the beginning of the head. */
  #line = 0;
  #methodEnd = 0;
  #targetEnd = 0;
  /** Marks of the target's bytes. */
  #targetSeen = 0;
  /** The Host field of the request before, which is mostly that of the next: neither read nor hashed again. */
  #hostField = '';
  #hostParsed: Authority = noHost;
  readonly #options: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, named: null };

  /**
   * Parses the head that begins at `from`. Returns the offset behind it; `needsMore`: call again with the same bytes and more, at any
   * offset; less than 0: minus the status of the refusal.
   */
  parse(bytes: Buffer, from: number, to: number, limits: HeadLimits): number {
    if (!this.#hasLine) {
      const parsed = this.#parseLine(bytes, from, to, limits);
      if (parsed <= 0) return parsed;
      this.#line = parsed - from;
      this.#hasLine = true;
      this.fields.clear();
      this.fields.end = this.#line;
    }
    const end = this.fields.parse(bytes, from + this.fields.end, to, from, limits.fields);
    if (end === needsMore && to - from < limits.headerBytes) return needsMore;
    this.#hasLine = false;
    if (end < 0) return end;
    if (end === needsMore || end - from > limits.headerBytes) return fieldsTooLarge;
    const text = (this.fields.text = latin1(bytes, from, end));
    this.method = methodOf(text, this.#methodEnd);
    this.target = text.slice(this.#methodEnd + 1, this.#targetEnd);
    const refusal = this.#interpret();
    if (refusal !== 0) return refusal;
    return this.host.length > limits.hostBytes ? badRequest : end;
  }

  /** Forgets a head begun. */
  reset(): void {
    this.#hasLine = false;
  }

  #parseLine(bytes: Buffer, from: number, to: number, limits: HeadLimits): number {
    const most = Math.min(to, from + limits.requestLineBytes);
    let p = from;
    while (p < most && isMethodByte[bytes[p] as number] === 1) p++;
    if (p === most) return p === to ? needsMore : uriTooLong;
    if (p === from || bytes[p] !== space) return badRequest;
    const methodEnd = p++;
    const targetStart = p;
    let seen = 0;
    for (; p < most; p++) {
      const kind = targetClass[bytes[p] as number] as number;
      if (kind === 0) break;
      seen |= kind;
    }
    if (p === most) return p === to ? needsMore : uriTooLong;
    if (p === targetStart || bytes[p] !== space) return badRequest;
    if (to - p < versionLength) return isVersionStart(bytes, p, to) ? needsMore : badRequest;
    const version = readVersion(bytes, p + 1);
    if (version < 0) return version;
    this.version = version;
    this.#methodEnd = methodEnd - from;
    this.#targetEnd = p - from;
    this.#targetSeen = seen;
    return p + versionLength;
  }

  #interpret(): number {
    const { fields } = this;
    const options = this.#options;
    options.close = options.keepAlive = options.upgrade = false;
    options.named = null;
    this.contentLength = -1;
    this.chunked = this.expectsContinue = false;
    this.upgrade = '';
    let host = -1;
    for (let i = 0; i < fields.count; i++) {
      switch (fields.ids[i]) {
        case fieldId.host:
          if (host >= 0) return badRequest;
          host = i;
          break;
        case fieldId.connection:
          readConnection(fields, i, options);
          break;
        case fieldId.contentLength:
          if (this.contentLength >= 0) return badRequest;
          this.contentLength = parseContentLength(fields.value(i));
          if (this.contentLength < 0) return badRequest;
          break;
        case fieldId.transferEncoding: {
          const coding = this.chunked || this.version === 10 ? 'bad' : parseTransferEncoding(fields.value(i));
          if (coding !== 'chunked') return coding === 'bad' ? badRequest : notImplemented;
          this.chunked = true;
          break;
        }
        case fieldId.expect:
          if (fields.value(i).toLowerCase() !== '100-continue') return expectationFailed;
          this.expectsContinue = this.version === 11;
          break;
        case fieldId.upgrade:
          this.upgrade = fields.value(i).toLowerCase();
          break;
        default:
      }
    }
    if (this.chunked && this.contentLength >= 0) return badRequest;
    if (!options.upgrade) this.upgrade = '';
    this.named = options.named;
    this.persistent = this.version === 11 ? !options.close : options.keepAlive && !options.close;
    return this.#readTarget(host < 0 ? undefined : this.#readHost(host));
  }

  /** Null where the field is no host. */
  #readHost(i: number): Authority | null {
    const { text, valueStarts, valueEnds } = this.fields;
    const start = valueStarts[i] as number;
    const former = this.#hostField;
    if ((valueEnds[i] as number) - start === former.length && text.startsWith(former, start) && former !== '')
      return this.#hostParsed;
    const value = this.fields.value(i);
    const parsed = parseAuthority(value);
    if (parsed === null) return null;
    this.#hostField = value;
    return (this.#hostParsed = parsed);
  }

  /** `field`: undefined where there is no Host field, null where it is broken. */
  #readTarget(field: Authority | null | undefined): number {
    // An HTTP/1.0 request may go without; what stands there must be a host all the same.
    if (field === null || (field === undefined && this.version === 11)) return badRequest;
    this.authority = field === undefined ? '' : this.#hostField;
    this.scheme = '';
    const { target } = this;
    if (this.method === 'CONNECT') return this.#setAuthority('authority', target, '', '');
    this.host = field?.host ?? '';
    this.port = field?.port ?? 0;
    if (target.charCodeAt(0) === 0x2f) {
      this.form = 'origin';
      return this.#setPath(target);
    }
    if (target === '*' && this.method === 'OPTIONS') {
      this.form = 'asterisk';
      this.matchPath = this.forwardTarget = this.rawTarget = '*';
      return 0;
    }
    const absolute = /^(https?):\/\/([^/?]+)(.*)$/i.exec(target);
    if (absolute === null) return badRequest;
    const [, scheme = '', authority = '', rest = ''] = absolute;
    const refusal = this.#setAuthority(
      'absolute',
      authority,
      scheme.toLowerCase(),
      rest.startsWith('/') ? rest : `/${rest}`,
    );
    // RFC 9112 §3.2.4: an OPTIONS without a path is about the server as a whole.
    if (rest === '' && this.method === 'OPTIONS') this.forwardTarget = '*';
    return refusal;
  }

  #setAuthority(form: TargetForm, authority: string, scheme: string, pathAndQuery: string): number {
    const parsed = parseAuthority(authority);
    if (parsed === null) return badRequest;
    this.form = form;
    this.scheme = scheme;
    this.authority = authority;
    this.host = parsed.host;
    this.port = parsed.port;
    if (form === 'absolute') return this.#setPath(pathAndQuery);
    this.matchPath = this.forwardTarget = this.rawTarget = '';
    return parsed.port === 0 ? badRequest : 0;
  }

  #setPath(pathAndQuery: string): number {
    const seen = this.#targetSeen;
    this.rawTarget = pathAndQuery;
    const query = (seen & targetMark.query) === 0 ? -1 : pathAndQuery.indexOf('?');
    const path = query < 0 ? pathAndQuery : pathAndQuery.slice(0, query);
    if ((seen & targetMark.irregular) === 0) {
      this.matchPath = path;
      this.forwardTarget = pathAndQuery;
      return 0;
    }
    const canonical = canonicalPath(path);
    if (canonical === null) return badRequest;
    this.matchPath = canonical.match;
    const changed = canonical.forward !== path;
    this.forwardTarget = !changed
      ? pathAndQuery
      : query < 0
        ? canonical.forward
        : canonical.forward + pathAndQuery.slice(query);
    return 0;
  }
}

/** Whether the bytes behind the target may still become ` HTTP/1.x\r\n`. */
function isVersionStart(bytes: Buffer, at: number, to: number): boolean {
  const seen = bytes.toString('latin1', at, to);
  return /^ (?:H(?:T(?:T(?:P(?:\/(?:\d(?:\.(?:\d\r?)?)?)?)?)?)?)?)?$/.test(seen);
}

/** 10 or 11 out of `HTTP/1.x\r\n` at `at`, or a refusal. */
function readVersion(bytes: Buffer, at: number): number {
  const isHttp =
    bytes[at] === 0x48 &&
    bytes[at + 1] === 0x54 &&
    bytes[at + 2] === 0x54 &&
    bytes[at + 3] === 0x50 &&
    bytes[at + 4] === 0x2f;
  const major = (bytes[at + 5] as number) - 0x30;
  const minor = (bytes[at + 7] as number) - 0x30;
  const isNumber = major >= 0 && major <= 9 && bytes[at + 6] === 0x2e && minor >= 0 && minor <= 9;
  if (!isHttp || !isNumber || bytes[at + 8] !== cr || bytes[at + 9] !== lf) return badRequest;
  if (major !== 1 || minor > 1) return versionNotSupported;
  return 10 + minor;
}

/** Without a new string for the usual ones. */
function methodOf(text: string, end: number): string {
  if (end === 3 && text.startsWith('GET')) return 'GET';
  if (end === 4 && text.startsWith('POST')) return 'POST';
  return text.slice(0, end);
}
