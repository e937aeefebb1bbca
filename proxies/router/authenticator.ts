// What authentication of a route says, whatever its kind.

import type { LocalAnswer } from '../http1/index.ts';
import type { RequestFacts } from './request-facts.ts';

/** The request goes on; `lines` are further fields for the backend, and of its own fields `gone` (lower case) do not go along. */
export interface Admitted {
  readonly user: string;
  readonly lines: string;
  readonly gone: readonly string[];
}

export type AuthResult = { readonly admitted: Admitted } | { readonly refused: LocalAnswer };

export interface Authenticator {
  /** False: on vhost listeners alone. */
  readonly everywhere: boolean;
  /** Decides at once, or later by `settle`; then the answer is what withdraws the question. */
  judge(facts: RequestFacts, settle: (result: AuthResult) => void): AuthResult | (() => void);
}

/** What every kind does with who is let in. */
export function admit(
  user: string,
  rule: { readonly userHeader?: string; readonly removeHeader?: boolean },
): { readonly admitted: Admitted } {
  const { userHeader, removeHeader } = rule;
  // A user's name may hold any byte; a field may not.
  const name = user.replace(/[^\t\x20-\x7e]/g, '?');
  return {
    admitted: {
      user,
      lines: userHeader === undefined ? '' : `${userHeader}: ${name}\r\n`,
      gone: [...(removeHeader === true ? ['authorization'] : []), ...(userHeader ? [userHeader.toLowerCase()] : [])],
    },
  };
}
