// Port: a policy chooses a back end. Built once per backend set, picked from many times, replaced whole.

import type { Backend, BackendSet } from '../cluster/index.ts';

export interface PickRequest {
  /** 32 bits, equal for requests that should meet the same backend (client address, cookie, key); random where nothing binds them. */
  readonly hash: number;
  /** Backends that this request has tried and failed on; null at the first try. */
  readonly tried: ReadonlySet<string> | null;
}

export interface Picker {
  readonly set: BackendSet;
  /** A backend that takes new traffic and is not among `tried`; null if there is none. No allocation, no throw. */
  pick(request: PickRequest): Backend | null;
}

/** `previous` is the picker of the set before, so that counters of surviving backends can be carried over. */
export type Policy = (set: BackendSet, previous: Picker | null) => Picker;
