// Answers of the router itself: what they say, and nothing of what is behind.

import { errorAnswer, fieldId, type FieldList, type LocalAnswer, type RequestView } from '../http1/index.ts';
import { grpcStatus } from '../http2/index.ts';

/** Seconds after which a client may ask again, where no backend was there. */
const retryAfterSeconds = 5;

const details: Readonly<Record<number, string>> = {
  400: 'The request is not valid HTTP.',
  401: 'This address needs a name and a password.',
  403: 'This address is not open to you.',
  404: 'Nothing is published under this address.',
  405: 'This method is not served.',
  408: 'The request did not arrive in time.',
  413: 'The request is too large.',
  414: 'The address of the request is too long.',
  417: 'The expectation cannot be met.',
  421: 'This connection was made for another host.',
  429: 'Too many requests; come again later.',
  431: 'The header of the request is too large.',
  500: 'The request cannot be served as it is.',
  501: 'The transfer coding of the request is not known.',
  502: 'The application gave no valid answer.',
  503: 'The application cannot be reached at the moment.',
  504: 'The application did not answer in time.',
  505: 'This version of HTTP is not served.',
  508: 'The request has come here too often.',
};

const allowedMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** Error types of RFC 9209 §2.3 for the outcomes of requests that were forwarded, or should have been. */
const proxyErrors: Readonly<Record<string, string>> = {
  no_server: 'destination_unavailable',
  connect_failed: 'connection_refused',
  timeout_header: 'http_response_timeout',
  timeout_idle: 'http_response_timeout',
  timeout_total: 'http_response_timeout',
  reset: 'connection_terminated',
  limited: 'connection_limit_reached',
  bad_answer: 'http_protocol_error',
  loop: 'proxy_loop_detected',
};

type Extra = readonly (readonly [name: string, value: string])[];

/** An error of ours; `more` are further fields. */
export function routerError(
  status: number,
  requestId: string,
  fields: FieldList | null,
  more: Extra = [],
): LocalAnswer {
  const detail = details[status] ?? 'The request failed.';
  const extra: (readonly [string, string])[] = [];
  if (requestId !== '') extra.push(['X-Request-Id', requestId]);
  if (status === 503) extra.push(['Retry-After', String(retryAfterSeconds)]);
  if (status === 405) extra.push(['Allow', allowedMethods]);
  extra.push(...more);
  return errorAnswer({ status, detail, requestId, fields: extra }, fields);
}

/** The error of a request that found no backend, or no answer from one; `outcome` as in the access log. */
export function forwardingError(
  status: number,
  requestId: string,
  fields: FieldList | null,
  outcome: string,
): LocalAnswer {
  const type = proxyErrors[outcome];
  const more: Extra = type === undefined ? [] : [['Proxy-Status', `isthmus; error=${type}`]];
  const answer = routerError(status, requestId, fields, more);
  return outcome === 'limited' ? { ...answer, grpcStatus: grpcStatus.resourceExhausted } : answer;
}

/** Nothing is published there; `status` null: there was, until now. */
export function noRouteError(status: number | null, requestId: string, fields: FieldList): LocalAnswer {
  const answer = routerError(status ?? 503, requestId, fields);
  return status === null ? answer : { ...answer, grpcStatus: grpcStatus.unimplemented };
}

/** RFC 9110 §7.6.2: an OPTIONS request that may go no further. */
export const isMeantForUs = ({ method, fields }: RequestView): boolean =>
  method === 'OPTIONS' && fields.valueOf(fieldId.maxForwards) === '0';

/** `OPTIONS *` asks for us, not for an application. */
export function optionsAnswer(requestId: string): LocalAnswer {
  return {
    status: 200,
    fields: [
      ['Allow', allowedMethods],
      ['X-Request-Id', requestId],
    ],
    contentType: 'text/plain',
    body: '',
  };
}
