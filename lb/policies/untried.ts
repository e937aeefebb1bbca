// The way out of a request that has failed on others: the first candidate from a place on that it has not tried.

import type { Backend } from '../../src/cluster/index.ts';
import type { Candidate } from './candidate.ts';

export function untriedFrom(
  slots: readonly Candidate[],
  start: number,
  tried: ReadonlySet<string> | null,
): Backend | null {
  const { length } = slots;
  for (let i = 0; i < length; i++) {
    const { backend } = slots[(start + i) % length] as Candidate;
    if (tried === null || !tried.has(backend.key)) return backend;
  }
  return null;
}
