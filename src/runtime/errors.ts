// IsthmusError: the one error class. Its code is API (documented, stable); its message is for people.

export type ErrorSide = 'downstream' | 'upstream' | 'internal';

export interface ErrorDetails {
  /** Whose fault: who called us, whom we called, or ourselves. */
  readonly side: ErrorSide;
  /** Whether the same attempt may succeed later or elsewhere. */
  readonly retryable: boolean;
  readonly cause?: unknown;
}

export class IsthmusError extends Error {
  readonly code: string;
  readonly side: ErrorSide;
  readonly retryable: boolean;

  constructor(code: string, message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'IsthmusError';
    this.code = code;
    this.side = details.side;
    this.retryable = details.retryable;
  }
}

/** One line for a log out of anything that was thrown, causes included. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message === '' ? error.name : error.message;
  if (error instanceof AggregateError && error.errors.length > 0)
    return `${own} (${error.errors.map(messageOf).join('; ')})`;
  return error.cause === undefined ? own : `${own}: ${messageOf(error.cause)}`;
}

/** The system's error code (`ECONNREFUSED` …) or an IsthmusError's; '' if there is none. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
