// Answers of the router itself: what they say, and nothing of what is behind.

import { errorAnswer, type FieldList, type LocalAnswer } from '../http1/index.ts';

/** Seconds after which a client may ask again, where no backend was there. */
const retryAfterSeconds = 5;

const details: Readonly<Record<number, string>> = {
  400: 'The request is not valid HTTP.',
  404: 'Nothing is published under this address.',
  405: 'This method is not served.',
  408: 'The request did not arrive in time.',
  413: 'The request is too large.',
  414: 'The address of the request is too long.',
  417: 'The expectation cannot be met.',
  431: 'The header of the request is too large.',
  501: 'The transfer coding of the request is not known.',
  502: 'The application gave no valid answer.',
  503: 'The application cannot be reached at the moment.',
  504: 'The application did not answer in time.',
  505: 'This version of HTTP is not served.',
};

const allowedMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

export function routerError(status: number, requestId: string, fields: FieldList | null): LocalAnswer {
  const detail = details[status] ?? 'The request failed.';
  const extra: (readonly [string, string])[] = [];
  if (requestId !== '') extra.push(['X-Request-Id', requestId]);
  if (status === 503) extra.push(['Retry-After', String(retryAfterSeconds)]);
  if (status === 405) extra.push(['Allow', allowedMethods]);
  return errorAnswer({ status, detail, requestId, fields: extra }, fields);
}

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
