// Maglev and the sticky hash: equal hashes (a client's address, a path, a field) meet the same backend, in every worker and on every edge.

import type { Backend } from '../../src/cluster/index.ts';
import type { Candidate, Chooser } from './candidate.ts';
import { maglevSize, maglevTable } from './maglev-table.ts';
import { mix } from './mix.ts';

export function maglev(candidates: readonly Candidate[]): Chooser {
  const inOrder = candidates
    .map(({ backend, weight }) => ({ backend, weight }))
    .sort((a, b) => (a.backend.key < b.backend.key ? -1 : 1));
  const table = maglevTable(inOrder, maglevSize(inOrder.length));
  return {
    choose(hash, tried) {
      const { length } = table;
      if (length === 0) return null;
      const start = mix(hash, 0) % length;
      const backend = backendAt(inOrder, table[start]);
      if (tried === null || !tried.has(backend.key)) return backend;
      // Also the same one everywhere: the next slot that belongs to somebody else.
      for (let i = 1; i < length; i++) {
        const next = backendAt(inOrder, table[(start + i) % length]);
        if (!tried.has(next.key)) return next;
      }
      return null;
    },
  };
}

const backendAt = (inOrder: readonly { readonly backend: Backend }[], index = 0): Backend =>
  (inOrder[index] as { readonly backend: Backend }).backend;
