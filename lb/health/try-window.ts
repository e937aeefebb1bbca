// Good and bad tries of the last ten seconds, in pieces of one second.

const pieces = 10;
const pieceMs = 1_000;

export class TryWindow {
  readonly #good = new Float64Array(pieces);
  readonly #bad = new Float64Array(pieces);
  /** Number of the newest piece since the clock began. */
  #newest = -1;

  /** `now`: monotonic milliseconds. */
  add(now: number, good: number, bad: number): void {
    this.#moveTo(now);
    const at = this.#newest % pieces;
    this.#good[at] = (this.#good[at] ?? 0) + good;
    this.#bad[at] = (this.#bad[at] ?? 0) + bad;
  }

  sums(now: number): { readonly good: number; readonly bad: number } {
    this.#moveTo(now);
    const sum = (counts: Float64Array): number => counts.reduce((total, count) => total + count, 0);
    return { good: sum(this.#good), bad: sum(this.#bad) };
  }

  clear(): void {
    this.#good.fill(0);
    this.#bad.fill(0);
  }

  #moveTo(now: number): void {
    const piece = Math.floor(now / pieceMs);
    if (piece - this.#newest >= pieces) this.clear();
    else
      for (let old = this.#newest + 1; old <= piece; old++) {
        this.#good[old % pieces] = 0;
        this.#bad[old % pieces] = 0;
      }
    if (piece > this.#newest) this.#newest = piece;
  }
}
