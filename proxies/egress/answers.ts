// The proxy's own answers: failures with their status and Proxy-Status (RFC 9209), and nothing of the inside.

import { dialectsOf, type FailureReason } from '../access/index.ts';
import { errorAnswer, type FieldList, type LocalAnswer } from '../http1/index.ts';

const details: Partial<Record<FailureReason, string>> = {
  denied: 'No rule of this proxy allows the request.',
  rebind: 'The name leads to an address that it may not lead to.',
  range: 'This proxy does not connect to such addresses.',
  loop: 'The request would come back to this proxy.',
  'via-loop': 'The request has passed through this proxy before.',
  nonexistent: 'The name of the destination does not exist.',
  'dns-timeout': 'The name of the destination could not be resolved in time.',
  'dns-failure': 'The name of the destination could not be resolved.',
  refused: 'The destination refused the connection.',
  'connect-timeout': 'The destination could not be reached in time.',
  'response-timeout': 'The destination did not answer in time.',
  'bad-answer': 'The destination sent no valid answer.',
  limit: 'The proxy is at one of its limits.',
  rate: 'There are too many new connections from this address.',
  auth: 'The proxy needs to know who you are.',
  malformed: 'This is no request that a forward proxy understands.',
  unsupported: 'The proxy does not do that.',
};

export function failureAnswer(reason: FailureReason, fields: FieldList | null): LocalAnswer {
  const { status, proxyStatus } = dialectsOf(reason);
  const challenge =
    reason === 'auth' ? ([['Proxy-Authenticate', 'Basic realm="isthmus", charset="UTF-8"']] as const) : [];
  return errorAnswer(
    {
      status,
      detail: details[reason] ?? 'The destination could not be reached.',
      requestId: '',
      fields: [['Proxy-Status', `isthmus; error=${proxyStatus}`], ...challenge],
    },
    fields,
  );
}

/** To a request that was refused while it was read. */
export const refusalAnswer = (status: number): LocalAnswer =>
  errorAnswer(
    {
      status,
      detail: 'The request could not be read.',
      requestId: '',
      fields: [['Proxy-Status', 'isthmus; error=http_request_error']],
    },
    null,
  );

/** To `OPTIONS *`. */
export const optionsAnswer: LocalAnswer = {
  status: 200,
  fields: [['Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT']],
  contentType: 'text/plain; charset=utf-8',
  body: '',
};
