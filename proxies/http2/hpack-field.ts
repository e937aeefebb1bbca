// A field as HPACK tables hold it: judged once when it is read, so that an index to it costs no second look.

import { fieldId, identifyField, isValueByte, latin1, tokenClass } from '../http1/index.ts';
import { entryOverhead } from './static-table.ts';

/** Kinds besides those of `fieldId`: pseudo-fields of requests (RFC 9113 §8.3.1, RFC 8441); all others are `strange`. */
export const pseudoKind = { method: 64, path: 65, scheme: 66, authority: 67, protocol: 68, strange: 69 } as const;

const pseudoKinds: Readonly<Record<string, number>> = {
  ':method': pseudoKind.method,
  ':path': pseudoKind.path,
  ':scheme': pseudoKind.scheme,
  ':authority': pseudoKind.authority,
  ':protocol': pseudoKind.protocol,
};

/** What a name is to us, found once a name. */
export interface FieldName {
  readonly text: string;
  /** One of `fieldId` or `pseudoKind`. */
  readonly kind: number;
  /** RFC 9113 §8.2.1: visible, lower case, a token behind an optional first colon. */
  readonly isValid: boolean;
}

export class HpackField {
  readonly name: FieldName;
  readonly value: string;
  /** RFC 7541 §4.1. */
  readonly bytes: number;
  readonly isValid: boolean;
  /** As an HTTP/1 head has it, CRLF included; '' where it cannot stand in one. */
  readonly line: string;

  constructor(name: FieldName, value: string) {
    this.name = name;
    this.value = value;
    this.bytes = name.text.length + value.length + entryOverhead;
    this.isValid = name.isValid && isValue(value);
    this.line = this.isValid && name.kind < pseudoKind.method ? `${name.text}: ${value}\r\n` : '';
  }
}

/** The name in `bytes` from `from` to `to`. */
export function fieldName(bytes: Buffer, from: number, to: number): FieldName {
  const text = latin1(bytes, from, to);
  if (bytes[from] === 0x3a && to > from)
    return { text, kind: pseudoKinds[text] ?? pseudoKind.strange, isValid: isLowerToken(bytes, from + 1, to) };
  const isValid = isLowerToken(bytes, from, to);
  const kind = !isValid ? fieldId.other : text.includes('_') ? fieldId.underscored : identifyField(bytes, from, to);
  return { text, kind, isValid };
}

function isLowerToken(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    if (tokenClass[byte] === 0 || (byte >= 0x41 && byte <= 0x5a)) return false;
  }
  return to > from;
}

/** No control but a tab within, no blank at either end (RFC 9113 §8.2.1). */
function isValue(text: string): boolean {
  const last = text.length - 1;
  if (last < 0) return true;
  for (let i = 0; i <= last; i++) if (isValueByte[text.charCodeAt(i)] === 0) return false;
  return !isBlank(text.charCodeAt(0)) && !isBlank(text.charCodeAt(last));
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;
