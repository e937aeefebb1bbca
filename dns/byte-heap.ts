// Memory for many short runs of octets outside V8's heap: what is let go is taken again by the next run of its size, so that names which
// come and go need no clearing up. An object and a string each would take three times the memory, and the collector's time.

/** Of one piece; no run is longer. */
export const mostOctets = 1 << 18;
const pieceBits = 20;
const pieceMask = (1 << pieceBits) - 1;
const grain = 8;

export class ByteHeap {
  readonly #pieces: Buffer[] = [];
  /** Where runs of a size were let go, by their grains. */
  readonly #free: (number[] | undefined)[] = [];
  /** 0 is nobody's place. */
  #next = grain;

  /** The place of a run of `octets`, at most `mostOctets`. */
  take(octets: number): number {
    const grains = (octets + grain - 1) >>> 3;
    const free = this.#free[grains]?.pop();
    if (free !== undefined) return free;
    if ((this.#next & pieceMask) + grains * grain > pieceMask + 1)
      this.#next = ((this.#next >>> pieceBits) + 1) << pieceBits;
    const at = this.#next >>> 0;
    if (at >>> pieceBits >= this.#pieces.length) this.#pieces.push(Buffer.allocUnsafeSlow(pieceMask + 1));
    this.#next = at + grains * grain;
    return at;
  }

  /** Lets a run go that was taken as one of `octets`. */
  give(at: number, octets: number): void {
    const grains = (octets + grain - 1) >>> 3;
    (this.#free[grains] ??= []).push(at);
  }

  /** The piece that holds the run at `at`, which begins there at `offsetOf(at)`. */
  piece(at: number): Buffer {
    return this.#pieces[at >>> pieceBits] as Buffer;
  }
}

export const offsetOf = (at: number): number => at & pieceMask;
