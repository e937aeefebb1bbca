// What framing fields say, one field at a time: lengths, codings, connection options. Shared by requests, answers and trailers.

import type { FieldList } from './field-list.ts';

/** Digits only, up to 2⁵³-1; -1 where it is no length. */
export function parseContentLength(text: string): number {
  if (text.length === 0 || text.length > 16) return -1;
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return Number.isSafeInteger(length) ? length : -1;
}

/** `chunked` alone can be framed; another coding below a final `chunked` is `unknown` (RFC 9112 §6.1); all else leaves no framing. */
export function parseTransferEncoding(text: string): 'chunked' | 'unknown' | 'bad' {
  const value = text.toLowerCase();
  if (value === 'chunked') return 'chunked';
  const codings = value.split(',').map((coding) => coding.trim());
  if (codings.at(-1) !== 'chunked' || codings.includes('') || codings.indexOf('chunked') < codings.length - 1)
    return 'bad';
  return 'unknown';
}

/** What the Connection fields of a head ask for. */
export interface ConnectionOptions {
  close: boolean;
  keepAlive: boolean;
  upgrade: boolean;
  /** Names of fields that end at this hop, lower case; null where none are named. */
  named: string[] | null;
}

/** Adds what one Connection field lists. */
export function readConnection(fields: FieldList, i: number, options: ConnectionOptions): void {
  const written = fields.value(i);
  if (written === 'keep-alive') {
    options.keepAlive = true;
    return;
  }
  const value = written.toLowerCase();
  if (value === 'keep-alive') options.keepAlive = true;
  else if (value === 'close') options.close = true;
  else for (const token of value.split(',')) readToken(token.trim(), options);
}

function readToken(token: string, options: ConnectionOptions): void {
  if (token === 'close') options.close = true;
  else if (token === 'keep-alive') options.keepAlive = true;
  else if (token === 'upgrade') options.upgrade = true;
  else if (token !== '') (options.named ??= []).push(token);
}
