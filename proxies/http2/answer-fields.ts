// Writes the head of an answer as a header block: from the validated head of a backend, without a map of fields in between.

import {
  dropTable,
  fieldId,
  trailerDrops,
  type AnswerChange,
  type FieldList,
  type LocalAnswer,
  type ResponseHead,
} from '../http1/index.ts';
import { isGrpcType } from './grpc.ts';
import { literalPrefix, type HpackEncoder } from './hpack-encoder.ts';

const drops = dropTable([]);
const dropsWithLength = dropTable([fieldId.contentLength]);
const contentLength = literalPrefix('content-length');
const requestId = literalPrefix('x-request-id');
/** How callers begin the line that most answers get besides their own. */
const requestIdLine = 'X-Request-Id: ';

/** `extra`: further lines, each with its CRLF. `date` is used where the backend gave none. */
export function encodeAnswer(
  encoder: HpackEncoder,
  head: ResponseHead,
  status: number,
  extra: string,
  date: string,
  change: AnswerChange | null,
): void {
  encoder.begin();
  encoder.status(status);
  // RFC 9110 §8.6: no Content-Length in a 204.
  const table = status === 204 || change?.recoded === true ? dropsWithLength : drops;
  encodeKept(encoder, head.fields, table, head.named, change?.gone ?? null);
  if (extra !== '') encodeLines(encoder, extra);
  if (head.fields.indexOf(fieldId.date) < 0) encoder.field('date', date);
}

export function encodeInformational(encoder: HpackEncoder, head: ResponseHead): void {
  encoder.begin();
  encoder.status(head.status);
  encodeKept(encoder, head.fields, dropsWithLength, head.named, null);
}

export function encodeTrailers(encoder: HpackEncoder, fields: FieldList): void {
  encoder.begin();
  encodeKept(encoder, fields, trailerDrops, null, null);
}

/** Without the lines that HTTP/1 has for the connection. `bytes`: of the body. */
export function encodeLocalAnswer(encoder: HpackEncoder, answer: LocalAnswer, bytes: number, date: string): void {
  encoder.begin();
  encoder.status(answer.status);
  encoder.field('date', date);
  if (answer.status >= 200 && answer.status !== 204 && answer.status !== 304) {
    encoder.field('content-type', answer.contentType);
    // An answer of gRPC that is trailers alone has no body to tell the length of.
    if (bytes > 0 || !isGrpcType(answer.contentType)) encoder.field('content-length', String(bytes));
  }
  for (const [name, value] of answer.fields) encoder.field(name.toLowerCase(), value);
  if (answer.status >= 400) encoder.field('cache-control', 'no-store');
}

function encodeKept(
  encoder: HpackEncoder,
  fields: FieldList,
  table: Uint8Array,
  named: readonly string[] | null,
  gone: ReadonlySet<string> | null,
): void {
  const { text, ids, nameStarts, nameEnds, valueStarts, valueEnds } = fields;
  for (let i = 0; i < fields.count; i++) {
    const rule = table[ids[i] as number];
    if (rule === 1) continue;
    if (named !== null && rule !== 2 && isNamed(fields, i, named)) continue;
    if (gone !== null && gone.has(fields.name(i).toLowerCase())) continue;
    const from = valueStarts[i] as number;
    const to = valueEnds[i] as number;
    // New with most messages.
    if (ids[i] === fieldId.contentLength) encoder.literal(contentLength, text, from, to);
    else if (ids[i] === fieldId.xRequestId) encoder.literal(requestId, text, from, to);
    else encoder.recurring(i, text, nameStarts[i] as number, nameEnds[i] as number, from, to);
  }
}

function isNamed(fields: FieldList, i: number, names: readonly string[]): boolean {
  for (let j = 0; j < names.length; j++) if (fields.isCalled(i, names[j] as string)) return true;
  return false;
}

/** Lines as callers write them: `Name: value\r\n` each. */
function encodeLines(encoder: HpackEncoder, lines: string): void {
  let at = 0;
  if (lines.startsWith(requestIdLine)) {
    const end = lines.indexOf('\r\n', requestIdLine.length);
    encoder.literal(requestId, lines, requestIdLine.length, end);
    at = end + 2;
  }
  while (at < lines.length) {
    const colon = lines.indexOf(':', at);
    const end = lines.indexOf('\r\n', at);
    const valueStart = lines.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1;
    encoder.line(lines, at, colon, valueStart, end);
    at = end + 2;
  }
}
