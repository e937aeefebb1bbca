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

/** Where a backend stands: its sets by how telling their checks are, so that thousands of sets with one backend cost no search. */
type Standing = Map<number, Set<string>>;

export class WatchedSets {
  readonly #sets = new Map<string, HeldSet>();
  readonly #standings = new Map<BackendKey, Standing>();

  /** `id` is unique over all tables; null: it is gone. Returns the backends whose standing may have changed. */
  put(id: string, set: WatchedSet | null): ReadonlySet<BackendKey> {
    const before = this.#sets.get(id) ?? { set: nothing, byKey: new Map<BackendKey, Backend>() };
    const after = { set: set ?? nothing, byKey: new Map((set ?? nothing).backends.map((one) => [one.key, one])) };
    if (set === null) this.#sets.delete(id);
    else this.#sets.set(id, after);
    const isOtherCheck = !sameRecord(before.set.check, after.set.check);
    const touched = new Set<BackendKey>();
    const [rankBefore, rankAfter] = [rankOf(before.set.check), rankOf(after.set.check)];
    for (const key of before.byKey.keys()) {
      const stays = after.byKey.has(key);
      if (!stays) touched.add(key);
      if (!stays || rankBefore !== rankAfter) this.#leave(key, id, rankBefore);
    }
    for (const [key, backend] of after.byKey) {
      const former = before.byKey.get(key);
      if (isOtherCheck || !sameRecord(former, backend)) touched.add(key);
      if (former === undefined || rankBefore !== rankAfter) this.#enter(key, id, rankAfter);
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
    return this.#standings.keys();
  }

  setsOf(key: BackendKey): readonly WatchedSet[] {
    const standing = this.#standings.get(key) ?? new Map<number, Set<string>>();
    return [...standing.values()].flatMap((ids) => [...ids].flatMap((id) => this.#sets.get(id)?.set ?? []));
  }

  ofTask(task: TaskKey): readonly Backend[] {
    const found = new Map<BackendKey, Backend>();
    for (const { set } of this.#sets.values())
      for (const backend of set.backends) if (backend.task === task) found.set(backend.key, backend);
    return [...found.values()];
  }

  /** Null where it stands in no set. Of several checks the most telling counts: one opinion on a backend. */
  find(key: BackendKey): WatchedBackend | null {
    let ids: ReadonlySet<string> | null = null;
    let most = -1;
    for (const [rank, sets] of this.#standings.get(key) ?? []) {
      if (rank <= most) continue;
      most = rank;
      ids = sets;
    }
    const [id = ''] = ids ?? [];
    const held = this.#sets.get(id);
    const backend = held?.byKey.get(key);
    if (held === undefined || backend === undefined) return null;
    const { check, checkAt } = held.set;
    return { backend, check: check === null ? null : { rule: check, at: checkAt?.(backend) ?? backend } };
  }

  #enter(key: BackendKey, id: string, rank: number): void {
    let standing = this.#standings.get(key);
    if (standing === undefined) this.#standings.set(key, (standing = new Map<number, Set<string>>()));
    const ids = standing.get(rank);
    if (ids === undefined) standing.set(rank, new Set([id]));
    else ids.add(id);
  }

  #leave(key: BackendKey, id: string, rank: number): void {
    const standing = this.#standings.get(key);
    const ids = standing?.get(rank);
    if (standing === undefined || ids?.delete(id) !== true || ids.size > 0) return;
    standing.delete(rank);
    if (standing.size === 0) this.#standings.delete(key);
  }
}

const nothing: WatchedSet = { backends: [], check: null };

const kinds = { udp: 1, tcp: 2, http: 3 } as const;

/** Kind first, then how often. */
const rankOf = (check: CheckRule | null): number =>
  check === null ? 0 : kinds[check.kind] + 1 / (1 + check.intervalMs);
