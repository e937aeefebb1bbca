// Tells apart, among streams that are not open any more, those where frames may still be under way from those where they break the rules.

const mostKept = 1024;
const mostGaps = 32;

export class ClosedStreams {
  /** Reset by us: what the client sent before it knew is ignored (RFC 9113 §5.1). */
  readonly #reset = new Set<number>();
  /** Ids that the client left out: first and last of each run. */
  readonly #gaps: (readonly [from: number, to: number])[] = [];

  addReset(id: number): void {
    this.#reset.add(id);
    if (this.#reset.size <= mostKept) return;
    for (const oldest of this.#reset) {
      this.#reset.delete(oldest);
      break;
    }
  }

  wasReset(id: number): boolean {
    return this.#reset.has(id);
  }

  /** The client went from stream `before` to `id`. */
  opened(before: number, id: number): void {
    if (id <= before + 2) return;
    if (this.#gaps.length === mostGaps) this.#gaps.shift();
    this.#gaps.push([before + 1, id - 1]);
  }

  wasSkipped(id: number): boolean {
    return this.#gaps.some(([from, to]) => id >= from && id <= to);
  }
}
