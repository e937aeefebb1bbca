// The head of a backend's answer, built while its block is decoded and judged as strictly as one of HTTP/1 (RFC 9113 §8.2, §8.3.2).

import { fieldId, parseContentLength, reasonOf, ResponseHead, type AnswerFraming } from '../http1/index.ts';
import type { FieldSink } from './hpack-decoder.ts';
import { type HpackField, pseudoKind } from './hpack-field.ts';

/** The status line that each status has. */
const statusLines = new Map<number, string>();

export class UpstreamAnswer implements FieldSink {
  /** Valid from `finish` until `begin`. */
  readonly head = new ResponseHead();
  #text = '';
  #isMalformed = false;
  #mostFields = 0;

  begin(mostFields: number): void {
    const { head } = this;
    head.fields.clear();
    head.status = 0;
    head.contentLength = -1;
    head.upgrade = '';
    this.#text = '';
    this.#isMalformed = false;
    this.#mostFields = mostFields;
  }

  onField(field: HpackField): void {
    const { kind, text } = field.name;
    if (!field.isValid || (this.head.status === 0 && text !== ':status')) this.#isMalformed = true;
    else if (kind >= pseudoKind.method) this.#takePseudo(text, field.value);
    else if (this.#isAllowed(kind, field.value)) this.#add(field, kind);
    else this.#isMalformed = true;
  }

  /** Judges the whole, for an answer to `method`; `ends`: no body and no trailers follow. False: malformed. */
  finish(method: string, ends: boolean): boolean {
    const { head } = this;
    const { status, contentLength } = head;
    // RFC 9113 §8.6: no 101; §8.1: a 1xx does not end the stream.
    if (this.#isMalformed || status === 0 || status === 101 || (status < 200 && ends)) return false;
    head.fields.text = this.#text;
    head.framing = framingOf(status, method, contentLength);
    return !(ends && head.framing === 'length');
  }

  #takePseudo(name: string, value: string): void {
    const { head } = this;
    const status = /^[1-5]\d\d$/.test(value) ? Number(value) : 0;
    if (name !== ':status' || head.status !== 0 || status === 0) {
      this.#isMalformed = true;
      return;
    }
    head.status = status;
    let line = statusLines.get(status);
    if (line === undefined) statusLines.set(status, (line = `HTTP/1.1 ${status} ${reasonOf(status)}\r\n`));
    this.#text = line;
    head.reasonStart = 13;
    head.reasonEnd = line.length - 2;
  }

  #isAllowed(kind: number, value: string): boolean {
    switch (kind) {
      case fieldId.connection:
      case fieldId.keepAlive:
      case fieldId.proxyConnection:
      case fieldId.transferEncoding:
      case fieldId.upgrade:
        // RFC 9113 §8.2.2.
        return false;
      case fieldId.contentLength:
        if (this.head.contentLength >= 0) return false;
        this.head.contentLength = parseContentLength(value);
        return this.head.contentLength >= 0;
      default:
        return this.head.fields.count < this.#mostFields;
    }
  }

  #add(field: HpackField, kind: number): void {
    const start = this.#text.length;
    const nameEnd = start + field.name.text.length;
    this.#text += field.line;
    const end = this.#text.length;
    this.head.fields.add(kind, start, nameEnd, nameEnd + 2, end - 2, end);
  }
}

/** `close`: the end of the stream ends the body; nobody else is told a length. */
function framingOf(status: number, method: string, contentLength: number): AnswerFraming {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 'none';
  if (contentLength < 0) return 'close';
  return contentLength === 0 ? 'none' : 'length';
}
