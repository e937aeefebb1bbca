// What goes with a request of a route that has policies, from the gate to its end.

import type { Admitted } from './authenticator.ts';
import type { RequestFacts } from './request-facts.ts';
import type { RequestPolicy } from './request-policy.ts';

export interface RequestFlow {
  readonly policy: RequestPolicy;
  readonly facts: RequestFacts;
  /** Null: nobody was asked. */
  readonly admitted: Admitted | null;
  /** To be called once at the request's end; null where nothing counts it. */
  readonly leave: (() => void) | null;
}
