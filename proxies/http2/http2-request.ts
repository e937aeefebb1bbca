// The head of an HTTP/2 request as handlers see it: built field by field while its block is decoded, judged as strictly as one of HTTP/1
// (RFC 9113 §8.2, §8.3; specs/l7.md §3.1, §3.7). Becomes the head of an HTTP/1 request, so nothing may pass that means more there.

import { randomBytes } from 'node:crypto';
import {
  canonicalPath,
  fieldId,
  FieldList,
  isMethodByte,
  parseAuthority,
  parseContentLength,
  targetClass,
  targetMark,
  type Authority,
  type RequestView,
  type TargetForm,
} from '../http1/index.ts';
import type { FieldSink } from './hpack-decoder.ts';
import { type HpackField, pseudoKind } from './hpack-field.ts';
import type { Http2Limits } from './http2-limits.ts';

/** Answer of `finish` where RFC 9113 §8.1.1 calls the request malformed: its stream is reset. */
export const malformed = -1;

type HeadLimits = Pick<Http2Limits, 'fields' | 'requestLineBytes' | 'hostBytes'>;

/** Valid from `finish` until the exchange has ended. */
export class Http2Request implements RequestView, FieldSink {
  readonly fields = new FieldList();
  readonly version = 20;
  readonly named = null;
  /** Of the connection, which the target does not say. */
  readonly scheme = '';
  method = '';
  form: TargetForm = 'origin';
  authority = '';
  host = '';
  port = 0;
  matchPath = '';
  forwardTarget = '';
  contentLength = -1;
  chunked = false;
  upgrade = '';
  expectsContinue = false;
  /** Of the `priority` field; '' where there is none. */
  priority = '';

  #text = '';
  #path = '';
  #scheme = '';
  #protocol = '';
  #hostField: string | null = null;
  #cookie = '';
  #isMalformed = false;
  #status = 0;
  #seen = 0;
  #mostFields = 0;

  /** Forgets the request before. */
  begin(limits: HeadLimits): void {
    this.fields.clear();
    this.method = this.authority = this.#text = this.#path = this.#scheme = this.#protocol = this.#cookie = '';
    this.upgrade = this.priority = '';
    this.#hostField = null;
    this.contentLength = -1;
    this.#isMalformed = this.expectsContinue = false;
    this.#status = this.#seen = 0;
    this.#mostFields = limits.fields;
  }

  onField(field: HpackField): void {
    const { kind } = field.name;
    if (!field.isValid) this.#isMalformed = true;
    else if (kind >= pseudoKind.method) this.#takePseudo(kind, field.value);
    else if (kind === fieldId.other) {
      if (field.name.text === 'priority') this.priority = field.value;
      this.#add(field);
    } else this.#takeKnown(field, kind);
  }

  /**
   * Judges the whole. `ends`: no body follows. Returns 0, `malformed`, or the status of a refusal. `last` is an authority parsed before,
   * which is mostly that of the next request too.
   */
  finish(ends: boolean, limits: HeadLimits, last: LastAuthority): number {
    if (this.#isMalformed || this.method === '') return malformed;
    if (this.#cookie !== '') this.#addLine(`cookie: ${this.#cookie}\r\n`, fieldId.cookie, 6);
    this.chunked = !ends && this.contentLength < 0;
    if (ends && this.contentLength > 0) return malformed;
    const isConnect = this.method === 'CONNECT';
    if (isConnect && this.#protocol !== '') {
      const refusal = this.#becomeHandshake(ends);
      if (refusal !== 0) return refusal;
    } else if (this.#protocol !== '') return malformed;
    this.fields.text = this.#text;
    const authority = this.#readAuthority(limits, last);
    const target = this.#readTarget(isConnect, limits);
    return target === malformed ? target : authority || target || this.#status;
  }

  /** RFC 9113 §8.3: before all other fields, each once. */
  #takePseudo(kind: number, value: string): void {
    const bit = 1 << (kind - pseudoKind.method);
    if (kind === pseudoKind.strange || (this.#seen & bit) !== 0 || this.#text !== '' || this.#cookie !== '') {
      this.#isMalformed = true;
      return;
    }
    this.#seen |= bit;
    if (value === '') this.#isMalformed = true;
    else if (kind === pseudoKind.method) this.method = value;
    else if (kind === pseudoKind.path) this.#path = value;
    else if (kind === pseudoKind.scheme) this.#scheme = value;
    else if (kind === pseudoKind.authority) this.authority = value;
    else this.#protocol = value.toLowerCase();
  }

  #takeKnown(field: HpackField, kind: number): void {
    const { value } = field;
    switch (kind) {
      case fieldId.connection:
      case fieldId.keepAlive:
      case fieldId.proxyConnection:
      case fieldId.transferEncoding:
      case fieldId.upgrade:
        // RFC 9113 §8.2.2.
        this.#isMalformed = true;
        return;
      case fieldId.te:
        if (value.toLowerCase() !== 'trailers') this.#isMalformed = true;
        break;
      case fieldId.host:
        if (this.#hostField !== null) this.#isMalformed = true;
        this.#hostField = value;
        break;
      case fieldId.contentLength:
        if (this.contentLength >= 0) this.#isMalformed = true;
        this.contentLength = parseContentLength(value);
        if (this.contentLength < 0) this.#isMalformed = true;
        break;
      case fieldId.expect:
        if (value.toLowerCase() === '100-continue') this.expectsContinue = true;
        else this.#status ||= 417;
        break;
      case fieldId.cookie:
        // Crumbs make one field again (RFC 9113 §8.2.3); it goes last.
        this.#cookie += this.#cookie === '' ? value : `; ${value}`;
        return;
      default:
    }
    this.#add(field);
  }

  #add(field: HpackField): void {
    this.#addLine(field.line, field.name.kind, field.name.text.length);
  }

  #addLine(line: string, kind: number, nameLength: number): void {
    const { fields } = this;
    if (fields.count >= this.#mostFields) {
      this.#status ||= 431;
      return;
    }
    const start = this.#text.length;
    this.#text += line;
    const end = this.#text.length;
    fields.add(kind, start, start + nameLength, start + nameLength + 2, end - 2, end);
  }

  /** A WebSocket over one stream (RFC 8441) becomes the handshake that backends know; its key has no other use. */
  #becomeHandshake(ends: boolean): number {
    if (this.#protocol !== 'websocket') return 501;
    if (ends || this.contentLength >= 0) return malformed;
    this.method = 'GET';
    this.upgrade = 'websocket';
    this.chunked = false;
    this.#addLine(`sec-websocket-key: ${randomBytes(16).toString('base64')}\r\n`, fieldId.other, 17);
    return 0;
  }

  #readAuthority(limits: HeadLimits, last: LastAuthority): number {
    const field = this.#hostField;
    if (this.authority === '') this.authority = field ?? '';
    else if (field !== null && field !== this.authority && field.toLowerCase() !== this.authority.toLowerCase())
      return 400;
    if (this.authority === '') return 400;
    if (this.authority !== last.text) {
      const parsed = parseAuthority(this.authority);
      if (parsed === null || parsed.host.length > limits.hostBytes) return 400;
      last.text = this.authority;
      last.parsed = parsed;
    }
    this.host = last.parsed.host;
    this.port = last.parsed.port;
    return 0;
  }

  /** `isConnect`: also where it has become a handshake. */
  #readTarget(isConnect: boolean, limits: HeadLimits): number {
    const path = this.#path;
    if (isConnect && this.#protocol === '') {
      // RFC 9113 §8.5.
      this.form = 'authority';
      this.matchPath = this.forwardTarget = '';
      return path !== '' || this.#scheme !== '' ? malformed : this.port === 0 ? 400 : 0;
    }
    if (path === '' || this.#scheme === '') return malformed;
    if (this.#scheme !== 'https' && this.#scheme !== 'http') return 400;
    if (!isUsual(this.method) && !isMethod(this.method)) return 400;
    if (path.length + this.method.length > limits.requestLineBytes) return 414;
    if (path === '*' && this.method === 'OPTIONS') {
      this.form = 'asterisk';
      this.matchPath = this.forwardTarget = '*';
      return 0;
    }
    this.form = 'origin';
    return path.charCodeAt(0) === 0x2f ? this.#setPath(path) : malformed;
  }

  #setPath(path: string): number {
    let seen = 0;
    for (let i = 0; i < path.length; i++) {
      const kind = targetClass[path.charCodeAt(i)] as number;
      if (kind === 0) return 400;
      seen |= kind;
    }
    const query = (seen & targetMark.query) === 0 ? -1 : path.indexOf('?');
    this.matchPath = query < 0 ? path : path.slice(0, query);
    this.forwardTarget = path;
    if ((seen & targetMark.irregular) === 0) return 0;
    const canonical = canonicalPath(this.matchPath);
    if (canonical === null) return 400;
    if (canonical.forward !== this.matchPath)
      this.forwardTarget = canonical.forward + (query < 0 ? '' : path.slice(query));
    this.matchPath = canonical.match;
    return 0;
  }
}

/** The authority that a connection's last request had. */
export interface LastAuthority {
  text: string;
  parsed: Authority;
}

export const noAuthority = (): LastAuthority => ({ text: '', parsed: { host: '', port: 0 } });

const isUsual = (method: string): boolean => method === 'GET' || method === 'POST';

function isMethod(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (isMethodByte[text.charCodeAt(i)] !== 1) return false;
  return text !== '';
}

/** Trailers of a request: fields without pseudo-fields and without framing (RFC 9113 §8.1; specs/l7.md §3.1). */
export class Http2Trailers implements FieldSink {
  readonly fields = new FieldList();
  isMalformed = false;
  #mostFields: number;

  constructor(limits: Pick<HeadLimits, 'fields'>) {
    this.#mostFields = limits.fields;
  }

  onField(field: HpackField): void {
    const { kind, text } = field.name;
    const isForbidden = kind >= pseudoKind.method || forbiddenTrailers.has(kind);
    if (!field.isValid || isForbidden || this.fields.count >= this.#mostFields) {
      this.isMalformed = true;
      return;
    }
    const start = this.fields.text.length;
    this.fields.text += field.line;
    const end = this.fields.text.length;
    this.fields.add(kind, start, start + text.length, start + text.length + 2, end - 2, end);
  }
}

const forbiddenTrailers: ReadonlySet<number> = new Set<number>([
  fieldId.connection,
  fieldId.keepAlive,
  fieldId.proxyConnection,
  fieldId.transferEncoding,
  fieldId.upgrade,
  fieldId.contentLength,
]);
