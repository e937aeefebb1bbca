// Counts who uses what: elements that several VIPs share are there as long as one of them wants them.

import type { SetName } from './elements.ts';

type Use = readonly [set: SetName, key: string];

export class Uses {
  readonly #byUser = new Map<string, readonly Use[]>();
  readonly #counts = new Map<string, { readonly use: Use; count: number }>();
  readonly #touched = new Map<string, Use>();

  clear(): void {
    this.#byUser.clear();
    this.#counts.clear();
    this.#touched.clear();
  }

  /** `user` uses exactly `uses` from now on. */
  set(user: string, uses: readonly Use[]): void {
    for (const use of this.#byUser.get(user) ?? []) this.#change(use, -1);
    for (const use of uses) this.#change(use, 1);
    if (uses.length === 0) this.#byUser.delete(user);
    else this.#byUser.set(user, uses);
  }

  /** Whatever is used. */
  all(): Iterable<Use> {
    return [...this.#counts.values()].map(({ use }) => use);
  }

  /** What may have come into use or out of it since the last call, and which it is. */
  take(): readonly (readonly [use: Use, isUsed: boolean])[] {
    const touched = [...this.#touched].map(([id, use]) => [use, this.#counts.has(id)] as const);
    this.#touched.clear();
    return touched;
  }

  #change(use: Use, by: 1 | -1): void {
    const id = use.join(' ');
    const counted = this.#counts.get(id) ?? { use, count: 0 };
    counted.count += by;
    if (counted.count === 0) this.#counts.delete(id);
    else this.#counts.set(id, counted);
    this.#touched.set(id, use);
  }
}
