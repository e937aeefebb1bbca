// The head of a backend's answer for a route with policies: fields changed, the body coded where the client takes that.

import { fieldId, type AnswerChange, type Exchange, type ResponseHead } from '../http1/index.ts';
import { codedFields, codingFor, type Coding } from './answer-coding.ts';
import { changeOfAnswer } from './answer-policy.ts';
import type { RequestFlow } from './request-flow.ts';

export interface StartedAnswer {
  /** A chunked body is wanted raw. */
  readonly raw: boolean;
  /** Null: the body goes as it is. */
  readonly coding: Coding | null;
}

/** `lines`: further ones, each with its CRLF. */
export function startChanged(
  exchange: Exchange,
  head: ResponseHead,
  { policy, facts }: RequestFlow,
  lines: string,
): StartedAnswer {
  const change = changeOfAnswer(policy, facts, head.fields);
  const coding = policy.compress ? codingFor(exchange.request, head) : null;
  const coded = coding === null ? null : codedFields(coding, head.fields);
  const gone = new Set([...change.gone, ...(coded?.gone ?? [])]);
  const how: AnswerChange = { gone, recoded: coded !== null };
  const raw = exchange.startAnswer(head, lines + change.lines + (coded?.lines ?? ''), how);
  return { raw, coding };
}

/** Our request id, where the backend did not give one. */
export const idLine = (head: ResponseHead, requestId: string): string =>
  head.fields.indexOf(fieldId.xRequestId) >= 0 ? '' : `X-Request-Id: ${requestId}\r\n`;
