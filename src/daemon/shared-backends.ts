// A backend stands in the sets of several tables; what JSON read apart is held once. Of 50,000 tasks each has a VIP and a route as a rule.

import { sameRecord, type Backend } from '../cluster/index.ts';
import type { AnyRecord } from './tables.ts';

export interface SharedBackends {
  /** Puts equal backends that were seen before in the place of the record's own. Frozen records are shared already. */
  share(record: AnyRecord): void;
}

export function shareBackends(): SharedBackends {
  const known = new Map<string, Backend>();
  const shareAll = (backends: unknown): void => {
    if (!Array.isArray(backends) || Object.isFrozen(backends)) return;
    const own = backends as Backend[];
    own.forEach((backend, at) => {
      const held = known.get(backend.key);
      if (held === undefined || !sameRecord(held, backend)) known.set(backend.key, backend);
      else own[at] = held;
    });
  };
  return {
    share(record) {
      if (typeof record !== 'object' || record === null) return;
      const { backends, set } = record as { readonly backends?: unknown; readonly set?: unknown };
      shareAll(backends);
      if (typeof set === 'object' && set !== null) shareAll((set as { readonly backends?: unknown }).backends);
    },
  };
}
