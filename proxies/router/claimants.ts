// All who claim one record, in a heap by their order: the first is known at once, and who comes or goes costs no look at the others. With
// a thousand apps on one host, each change of one would else cost a thousand.

import type { ClaimedRecord } from './labels/label-rules.ts';

export interface Claim {
  readonly owner: string;
  readonly appId: string;
  readonly record: ClaimedRecord;
}

/** Whether the app stands beside others on a route, rather than against them. */
export const isCanary = ({ record }: Claim): boolean => record.kind === 'route' && record.share?.canary !== undefined;

const isSharing = ({ record }: Claim): boolean => record.kind === 'route' && record.share !== undefined;

export class Claimants {
  readonly #compare: (a: Claim, b: Claim) => number;
  readonly #byOwner = new Map<string, readonly Claim[]>();
  readonly #left = new Set<Claim>();
  /** Those who left stay in it until they come to the top. */
  #heap: Claim[] = [];
  #size = 0;
  #sharing = 0;

  constructor(compare: (a: Claim, b: Claim) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether anybody would share. */
  get isShared(): boolean {
    return this.#sharing > 0 && this.#size > 1;
  }

  /** One owner claims a record once, and a route as often as it likes. */
  add(claim: Claim): void {
    const own = this.#byOwner.get(claim.owner) ?? [];
    if (own.some(({ record }) => record.kind !== 'route')) return;
    this.#byOwner.set(claim.owner, [...own, claim]);
    this.#size++;
    if (isSharing(claim)) this.#sharing++;
    this.#heap.push(claim);
    this.#rise(this.#heap.length - 1);
  }

  /** How many claims are left. */
  release(owner: string): number {
    for (const claim of this.#byOwner.get(owner) ?? []) {
      this.#left.add(claim);
      this.#size--;
      if (isSharing(claim)) this.#sharing--;
    }
    this.#byOwner.delete(owner);
    if (this.#left.size > 2 * this.#size + 16) this.#tidy();
    return this.#size;
  }

  first(): Claim | null {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (!this.#left.delete(top)) return top;
      const last = this.#heap.pop() as Claim;
      if (this.#heap.length === 0) continue;
      this.#heap[0] = last;
      this.#sink(0);
    }
    return null;
  }

  /** In no order. */
  all(): readonly Claim[] {
    return [...this.#byOwner.values()].flat();
  }

  /** Who shares the route of the first: canaries, and where the first says a weight those that say one too; in order. */
  sharing(): readonly Claim[] {
    const first = this.first();
    const isWeighted = first?.record.kind === 'route' && first.record.share?.weight !== undefined;
    return this.all()
      .filter((claim) => claim !== first && isSharing(claim) && (isWeighted || isCanary(claim)))
      .sort(this.#compare);
  }

  #tidy(): void {
    this.#heap = [...this.all()];
    this.#left.clear();
    for (let at = (this.#heap.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  #rise(from: number): void {
    const heap = this.#heap;
    const claim = heap[from] as Claim;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#compare(claim, heap[parent] as Claim) >= 0) break;
      heap[at] = heap[parent] as Claim;
      at = parent;
    }
    heap[at] = claim;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const claim = heap[from] as Claim;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#compare(heap[child + 1] as Claim, heap[child] as Claim) < 0) child++;
      if (this.#compare(heap[child] as Claim, claim) >= 0) break;
      heap[at] = heap[child] as Claim;
      at = child;
    }
    heap[at] = claim;
  }
}
