// Where the records of a message stand, without decoding them. Made for replies of others that are passed on, cached and cut.

import { skipName } from './name.ts';

export interface RecordPlace {
  readonly start: number;
  /** Offset of the type field: type, class, TTL, length and data follow. */
  readonly fixed: number;
  readonly end: number;
  readonly type: number;
  readonly section: 'answer' | 'authority' | 'additional';
}

export interface Layout {
  /** Offset behind the question section. */
  readonly questionEnd: number;
  readonly records: readonly RecordPlace[];
}

/** Layout of a message with exactly one question; null if anything in it is cut off. Costs no more than the message is long. */
export function layoutOf(bytes: Buffer): Layout | null {
  if (bytes.length < 12 || bytes.readUInt16BE(4) !== 1) return null;
  const nameEnd = skipName(bytes, 12);
  if (nameEnd < 0 || nameEnd + 4 > bytes.length) return null;
  const records: RecordPlace[] = [];
  let at = nameEnd + 4;
  for (const [offset, section] of [
    [6, 'answer'],
    [8, 'authority'],
    [10, 'additional'],
  ] as const) {
    const count = bytes.readUInt16BE(offset);
    for (let i = 0; i < count; i++) {
      const fixed = skipName(bytes, at);
      if (fixed < 0 || fixed + 10 > bytes.length) return null;
      const end = fixed + 10 + bytes.readUInt16BE(fixed + 8);
      if (end > bytes.length) return null;
      records.push({ start: at, fixed, end, type: bytes.readUInt16BE(fixed), section });
      at = end;
    }
  }
  return { questionEnd: nameEnd + 4, records };
}
