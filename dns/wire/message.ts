// Whole messages in words: decoding what others sent, encoding questions and replies off the hot path.

import { decodeName, encodeName } from './name.ts';
import { layoutOf } from './layout.ts';
import { decodeRdata, encodeRdata, rdataType, type Rdata } from './rdata.ts';

export interface Question {
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

export interface ResourceRecord {
  readonly name: string;
  readonly class: number;
  readonly ttl: number;
  readonly rdata: Rdata;
}

export interface Message {
  readonly id: number;
  /** Second header word. */
  readonly flags: number;
  readonly question: Question;
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
}

/** A message with one question; null if it is malformed anywhere. */
export function decodeMessage(bytes: Buffer): Message | null {
  const layout = layoutOf(bytes);
  const asked = layout === null ? null : decodeName(bytes, 12);
  if (layout === null || asked === null) return null;
  const sections = {
    answer: [] as ResourceRecord[],
    authority: [] as ResourceRecord[],
    additional: [] as ResourceRecord[],
  };
  for (const { start, fixed, end, type, section } of layout.records) {
    const name = decodeName(bytes, start);
    const rdata = decodeRdata(bytes, type, fixed + 10, end);
    if (name === null || rdata === null) return null;
    sections[section].push({
      name: name.text,
      class: bytes.readUInt16BE(fixed + 2),
      ttl: bytes.readUInt32BE(fixed + 4),
      rdata,
    });
  }
  return {
    id: bytes.readUInt16BE(0),
    flags: bytes.readUInt16BE(2),
    question: { name: asked.text, type: bytes.readUInt16BE(asked.end), class: bytes.readUInt16BE(asked.end + 2) },
    answers: sections.answer,
    authorities: sections.authority,
    additionals: sections.additional,
  };
}

export const maxMessageOctets = 65535;

/**
 * Wire form with owner names compressed. Records that `limit` octets cannot hold are left out from the end; TC is set where that
 * took answers or authorities. A record whose name or data cannot be encoded is a bug of the caller and throws RangeError.
 */
export function encodeMessage(message: Message, limit: number = maxMessageOctets): Buffer {
  const names = new Map<string, number>();
  const parts: Buffer[] = [Buffer.alloc(12)];
  let length = 12;
  const put = (part: Buffer): void => {
    parts.push(part);
    length += part.length;
  };
  put(compressed(message.question.name, length, names));
  put(words(message.question.type, message.question.class));
  const counts = [0, 0, 0];
  let isCut = false;
  [message.answers, message.authorities, message.additionals].forEach((records, section) => {
    for (const record of records) {
      const bytes = isCut ? null : encodeRecord(record, length, names, limit);
      if (bytes === null) isCut = true;
      else {
        put(bytes);
        counts[section] = (counts[section] as number) + 1;
      }
    }
  });
  const bytes = Buffer.concat(parts, length);
  const lostMore = counts[0] !== message.answers.length || counts[1] !== message.authorities.length;
  [message.id, lostMore ? message.flags | 0x0200 : message.flags, 1, ...counts].forEach((word, i) =>
    bytes.writeUInt16BE(word, i * 2),
  );
  return bytes;
}

function encodeRecord(record: ResourceRecord, at: number, names: Map<string, number>, limit: number): Buffer | null {
  const rdata = encodeRdata(record.rdata);
  if (rdata === null) throw new RangeError(`record of ${record.name} cannot be encoded`);
  const owner = compressed(record.name, at, names);
  if (at + owner.length + 10 + rdata.length > limit) return null;
  const fixed = Buffer.allocUnsafe(10);
  fixed.writeUInt16BE(rdataType(record.rdata), 0);
  fixed.writeUInt16BE(record.class, 2);
  fixed.writeUInt32BE(record.ttl, 4);
  fixed.writeUInt16BE(rdata.length, 8);
  return Buffer.concat([owner, fixed, rdata]);
}

/** A name whose longest known tail is a pointer (RFC 1035 §4.1.4). Notes the new tails, whose offsets start at `at`. */
function compressed(name: string, at: number, names: Map<string, number>): Buffer {
  const wire = encodeName(name);
  if (wire === null) throw new RangeError(`"${name}" is no domain name`);
  let offset = 0;
  while (wire[offset] !== 0) {
    // By spelling: a pointer would change the case of the name that it stands for.
    const tail = wire.toString('latin1', offset, wire.length);
    const known = names.get(tail);
    if (known !== undefined) return Buffer.concat([wire.subarray(0, offset), words(0xc000 | known)]);
    if (at + offset < 0x4000) names.set(tail, at + offset);
    offset += (wire[offset] as number) + 1;
  }
  return wire;
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 2);
  values.forEach((value, i) => bytes.writeUInt16BE(value, i * 2));
  return bytes;
}
