// What a failed exchange with an origin is called in answers and logs.

import type { FailureReason } from '../access/index.ts';
import type { UpstreamFailure } from '../http1/index.ts';

export const upstreamReasons: Readonly<Record<UpstreamFailure['reason'], FailureReason>> = {
  connect: 'connect-failure',
  'connect-timeout': 'connect-timeout',
  queue: 'limit',
  reset: 'upstream-reset',
  'bad-answer': 'bad-answer',
  'response-timeout': 'response-timeout',
  'answer-timeout': 'response-timeout',
};
