// Answers of our own: errors and the few requests that concern us alone. Tiny, in the form the client asked for, with nothing of the inside.

import { STATUS_CODES } from 'node:http';
import type { FieldList } from './field-list.ts';

export interface LocalAnswer {
  readonly status: number;
  /** Besides Date, Content-Type, Content-Length and Connection, which are added. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly contentType: string;
  readonly body: string;
  /** Whether the client's connection ends with it. */
  readonly closes?: boolean;
  /** Of an error: one sentence, for clients that read no body. */
  readonly detail?: string;
  /** Of an error, where its status alone does not tell what gRPC calls it. */
  readonly grpcStatus?: number;
}

export const reasonOf = (status: number): string => STATUS_CODES[status] ?? 'Unknown';

/** What is said about an error. `detail` is one sentence for the reader, without addresses and names of ours. */
export interface ErrorText {
  readonly status: number;
  readonly detail: string;
  /** Shown so that a user can quote it; '' where there is none. */
  readonly requestId: string;
  readonly fields?: readonly (readonly [name: string, value: string])[];
}

/** An error as JSON, HTML or text, by the request's Accept field; `fields` null: nothing is known of the request. */
export function errorAnswer(error: ErrorText, fields: FieldList | null): LocalAnswer {
  const accept = fields?.get('accept')?.toLowerCase() ?? '';
  const html = accept.indexOf('text/html');
  const json = accept.search(/application\/(?:[a-z.+-]+\+)?json/);
  const common = { status: error.status, fields: error.fields ?? [], detail: error.detail };
  if (json >= 0 && (html < 0 || json < html))
    return { ...common, contentType: 'application/json', body: asJson(error) };
  if (html >= 0) return { ...common, contentType: 'text/html; charset=utf-8', body: asHtml(error) };
  return { ...common, contentType: 'text/plain; charset=utf-8', body: asText(error) };
}

function asText({ status, detail, requestId }: ErrorText): string {
  return `${status} ${reasonOf(status)}\n${detail}\n${requestId === '' ? '' : `request id: ${requestId}\n`}`;
}

function asJson({ status, detail, requestId }: ErrorText): string {
  return `${JSON.stringify({ status, error: reasonOf(status), detail, ...(requestId === '' ? {} : { requestId }) })}\n`;
}

/** `detail` is ours and the id is made of safe characters, so nothing needs escaping. */
function asHtml({ status, detail, requestId }: ErrorText): string {
  const title = `${status} ${reasonOf(status)}`;
  const id = requestId === '' ? '' : `<p><small>request id: ${requestId}</small></p>`;
  return `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1><p>${detail}</p>${id}</html>\n`;
}

/** The whole answer; the body is left out for HEAD and where the status allows none. */
export function formatLocalAnswer(answer: LocalAnswer, date: string, isHead: boolean, connection: string): string {
  const bodyless = answer.status < 200 || answer.status === 204 || answer.status === 304;
  const content = bodyless
    ? ''
    : `Content-Type: ${answer.contentType}\r\nContent-Length: ${Buffer.byteLength(answer.body)}\r\n`;
  let head = `HTTP/1.1 ${answer.status} ${reasonOf(answer.status)}\r\nDate: ${date}\r\n${content}`;
  for (const [name, value] of answer.fields) head += `${name}: ${value}\r\n`;
  if (answer.status >= 400) head += 'Cache-Control: no-store\r\n';
  const body = bodyless || isHead ? '' : Buffer.from(answer.body, 'utf8').toString('latin1');
  return `${head}${connection}\r\n${body}`;
}
