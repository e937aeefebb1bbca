// When labels want a request tried again although a backend was reached: by status, by time, or by Traefik's expression, such as
// `IsNetworkError() && Attempts() <= 2` (specs/l7.md §2.2, §3.10, §7.2).

import { parseExpression, type Functions } from './go-expression.ts';
import type { Retries } from './service-record.ts';

/** Of a try that is over. */
export interface TriedRequest {
  readonly method: string;
  /** From 1. */
  readonly attempts: number;
  /** Of the answer, or the one that a client would get: 502 and 504 where there was none. */
  readonly status: number;
}

export interface RetryRule {
  /** Whether it is tried again; `isTimeout`: no answer came in time. */
  asks(tried: TriedRequest, isTimeout: boolean): boolean;
  /** Once all backends were asked, they are asked again. */
  readonly startsOver: boolean;
  /** The rule says for which methods it is: those that may not be sent twice, too. */
  readonly namesMethods: boolean;
}

const isNetworkError = ({ status }: TriedRequest): boolean => status === 502 || status === 504;

const functions: Functions<TriedRequest> = {
  Attempts: { kind: 'number', parameters: 0, of: () => (tried) => tried.attempts },
  ResponseCode: { kind: 'number', parameters: 0, of: () => (tried) => tried.status },
  IsNetworkError: { kind: 'truth', parameters: 0, of: () => isNetworkError },
  RequestMethod: { kind: 'text', parameters: 0, of: () => (tried) => tried.method },
};

/** Null where it is no expression. */
export const parseRetryExpression = (text: string): ((tried: TriedRequest) => boolean) | null =>
  parseExpression(text, functions);

/** Null where nothing but failures to connect, and of kept connections, is tried again. */
export function retryRuleOf(retries: Retries | undefined): RetryRule | null {
  if (retries === undefined) return null;
  const { on, expression } = retries;
  const statuses: ReadonlySet<unknown> = new Set(on.filter((one) => typeof one === 'number'));
  const timeouts = on.includes('timeout');
  const holds = expression === undefined ? null : parseRetryExpression(expression);
  if (statuses.size === 0 && !timeouts && holds === null) return null;
  return {
    asks: (tried, isTimeout) =>
      isTimeout && timeouts ? true : holds === null ? !isTimeout && statuses.has(tried.status) : holds(tried),
    startsOver: holds !== null,
    namesMethods: holds !== null && expression?.includes('RequestMethod') === true,
  };
}

const firstPauseMs = 25;
const longestPauseMs = 250;

/** How long to wait before a retry, twice as long as before the one before, give or take a quarter. `chance`: 0 to 1. */
export function pauseMs(retry: number, chance: number): number {
  const ms = firstPauseMs * 2 ** Math.min(retry - 1, 10) * (0.75 + chance / 2);
  return Math.min(longestPauseMs, ms);
}
