// Writes the head of a backend's answer anew for an HTTP/1 client: validated runs of lines, our own framing, our own Connection.

import type { AnswerChange } from './exchange.ts';
import { fieldId } from './field-names.ts';
import { dropTable } from './hop-by-hop.ts';
import { linesWithout } from './lines-without.ts';
import type { ResponseHead } from './response-head.ts';

/** How the body goes to this client. `raw`: in the backend's own chunks. */
export type AnswerBody = 'none' | 'length' | 'raw' | 'chunked' | 'close';

const drops = dropTable([]);
const dropsWithLength = dropTable([fieldId.contentLength]);

/** HTTP/1.0 clients know no chunks, so the end of the connection ends the body. */
export function answerBodyFor(head: ResponseHead, version: number, recoded = false): AnswerBody {
  if (recoded && head.framing !== 'none') return version === 10 ? 'close' : 'chunked';
  if (head.framing === 'none' || head.framing === 'length') return head.framing;
  if (version === 10) return 'close';
  return head.framing === 'chunked' ? 'raw' : 'chunked';
}

/** `extra`: further lines, each with its CRLF. `date` is used where the backend gave none. */
export function answerHead(
  head: ResponseHead,
  body: AnswerBody,
  persistent: boolean,
  extra: string,
  date: string,
  change: AnswerChange | null = null,
): string {
  const { fields } = head;
  // RFC 9110 §8.6: no Content-Length in a 204.
  const table = head.status === 204 || change?.recoded === true ? dropsWithLength : drops;
  const kept = fields.kept(table, head.named);
  const start =
    head.version === 11 ? fields.text.slice(0, head.reasonEnd + 2) : `HTTP/1.1 ${head.status} ${head.reason}\r\n`;
  let text = start + (change === null ? kept : linesWithout(kept, change.gone)) + extra;
  if (fields.indexOf(fieldId.date) < 0) text += `Date: ${date}\r\n`;
  if (body === 'raw' || body === 'chunked') text += 'Transfer-Encoding: chunked\r\n';
  return persistent ? `${text}\r\n` : `${text}Connection: close\r\n\r\n`;
}

/** A 1xx as it came. */
export function informationalHead(head: ResponseHead): string {
  return `HTTP/1.1 ${head.status} ${head.reason}\r\n${head.fields.kept(dropsWithLength, head.named)}\r\n`;
}
