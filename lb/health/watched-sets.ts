// The sets that health looks after: which backends stand in them, in what state, and how each is to be checked.

import { sameRecord, type Backend, type BackendKey, type TaskKey } from '../../src/cluster/index.ts';
import type { CheckRule } from './check-rule.ts';
import type { Endpoint } from './probe.ts';

export interface WatchedSet {
  readonly backends: readonly Backend[];
  /** Null: none of our own. */
  readonly check: CheckRule | null;
  /** Where a backend is checked; absent or null: at its own address. */
  readonly checkAt?: (backend: Backend) => Endpoint | null;
}

export interface WatchedBackend {
  readonly backend: Backend;
  readonly check: { readonly rule: CheckRule; readonly at: Endpoint } | null;
}

interface HeldSet {
  readonly set: WatchedSet;
  readonly byKey: ReadonlyMap<BackendKey, Backend>;
}

export class WatchedSets {
  readonly #sets = new Map<string, HeldSet>();
  readonly #setsOf = new Map<BackendKey, Set<string>>();

  /** `id` is unique over all tables; null: it is gone. Returns the backends whose standing may have changed. */
  put(id: string, set: WatchedSet | null): ReadonlySet<BackendKey> {
    const before = this.#sets.get(id) ?? { set: nothing, byKey: new Map<BackendKey, Backend>() };
    const after = { set: set ?? nothing, byKey: new Map((set ?? nothing).backends.map((one) => [one.key, one])) };
    if (set === null) this.#sets.delete(id);
    else this.#sets.set(id, after);
    const isOtherCheck = !sameRecord(before.set.check, after.set.check);
    const touched = new Set<BackendKey>();
    for (const key of before.byKey.keys()) {
      if (after.byKey.has(key)) continue;
      touched.add(key);
      const ids = this.#setsOf.get(key);
      if (ids?.delete(id) === true && ids.size === 0) this.#setsOf.delete(key);
    }
    for (const [key, backend] of after.byKey) {
      const former = before.byKey.get(key);
      if (isOtherCheck || !sameRecord(former, backend)) touched.add(key);
      if (former === undefined) this.#index(key, id);
    }
    return touched;
  }

  *all(): Iterable<WatchedSet> {
    for (const { set } of this.#sets.values()) yield set;
  }

  ids(): readonly string[] {
    return [...this.#sets.keys()];
  }

  keys(): Iterable<BackendKey> {
    return this.#setsOf.keys();
  }

  setsOf(key: BackendKey): readonly WatchedSet[] {
    return [...(this.#setsOf.get(key) ?? [])].flatMap((id) => this.#sets.get(id)?.set ?? []);
  }

  ofTask(task: TaskKey): readonly Backend[] {
    const found = new Map<BackendKey, Backend>();
    for (const { set } of this.#sets.values())
      for (const backend of set.backends) if (backend.task === task) found.set(backend.key, backend);
    return [...found.values()];
  }

  /** Null where it stands in no set. Of several checks the most telling counts: one opinion on a backend. */
  find(key: BackendKey): WatchedBackend | null {
    let found: WatchedBackend | null = null;
    for (const id of this.#setsOf.get(key) ?? []) {
      const held = this.#sets.get(id);
      const backend = held?.byKey.get(key);
      if (held === undefined || backend === undefined) continue;
      const { check, checkAt } = held.set;
      const checked = check === null ? null : { rule: check, at: checkAt?.(backend) ?? backend };
      if (found === null || rank(checked) > rank(found.check)) found = { backend, check: checked };
    }
    return found;
  }

  #index(key: BackendKey, id: string): void {
    const ids = this.#setsOf.get(key);
    if (ids === undefined) this.#setsOf.set(key, new Set([id]));
    else ids.add(id);
  }
}

const nothing: WatchedSet = { backends: [], check: null };

const kinds = { udp: 1, tcp: 2, http: 3 } as const;

/** Kind first, then how often. */
const rank = (check: WatchedBackend['check']): number =>
  check === null ? 0 : kinds[check.rule.kind] + 1 / (1 + check.rule.intervalMs);
