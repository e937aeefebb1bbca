// How a forwarded request ends: status for the client and word for the log, by what went wrong.

import type { ClientLoss, UpstreamFailure } from '../http1/index.ts';

/** What was refused for its body is told to the client by the front; only who left gets 499. */
export const lossStatus: Readonly<Record<ClientLoss, number>> = {
  gone: 499,
  'bad-request': 400,
  'too-large': 413,
  timeout: 408,
  stopped: 499,
};

export function statusOf({ reason }: UpstreamFailure): number {
  if (reason === 'queue') return 503;
  return reason === 'response-timeout' ? 504 : 502;
}

export function outcomeOf({ reason }: UpstreamFailure): string {
  if (reason === 'response-timeout') return 'timeout_header';
  if (reason === 'answer-timeout') return 'timeout_idle';
  return reason === 'queue' ? 'limited' : 'reset';
}
