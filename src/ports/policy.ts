// Port: a policy chooses a back end. Built once per backend set, picked from many times, replaced whole.

import type { Backend, BackendSet } from '../cluster/index.ts';

export interface PickRequest {
  /** 32 bits, equal for requests that should meet the same backend (client address, cookie, key); random where nothing binds them. */
  readonly hash: number;
  /** Backends that this request has tried and failed on; null at the first try. */
  readonly tried: ReadonlySet<string> | null;
}

/**
 * What came of a try. `unreachable`: no connection, nothing was sent. `failed`: the connection broke or no answer came in time; an answer
 * of the application, whatever its status, is `ok`.
 */
export type TryOutcome = 'ok' | 'unreachable' | 'failed';

/** A count that whoever uses a backend holds from `started` to `ended`; it outlives the picker that it came from. */
export interface Tally {
  /** Once at most, as soon as it is known; `ms`: from the start of the try to the connection, or to the head of the answer. */
  judged(outcome: TryOutcome, ms: number): void;
  /** Once, whatever came before: what was under way there is over. */
  ended(): void;
}

export interface Picker {
  readonly set: BackendSet;
  /** A backend that takes new traffic and is not among `tried`; null if there is none. No allocation, no throw. */
  pick(request: PickRequest): Backend | null;
  /** Something goes to `backend`, which this picker or a former one picked. No allocation for a backend of the set. */
  started(backend: Backend): Tally;
}

/** `previous` is the picker of the set before, so that counters of surviving backends can be carried over. */
export type Policy = (set: BackendSet, previous: Picker | null) => Picker;
