// Buffers that upstream sockets read into: one small one shared by all, as a read is dealt with before the next, and large ones on lease
// for bodies in bulk, written on as they are and given back by the write's callback (performance.md: half the CPU time per MiB).

/** What is read at once while nothing large is under way; its bytes are copied where they outlive the read. */
export const sharedBuffer: Buffer = Buffer.allocUnsafeSlow(64 * 1024);

/** 64 KiB and 1 MiB were measured worse. */
const largeBytes = 256 * 1024;
/** 16 MiB in all. Slow clients hold one each; who finds none left reads into the shared buffer. */
const mostLarge = 64;
/** 16 MiB in all, besides those in use. */
const mostSpareCopies = 256;

/** A buffer with a count of those who still need it. */
export class Lease {
  readonly bytes: Buffer;
  readonly #shelf: Lease[];
  readonly #mostSpare: number;
  #holders = 0;
  /** Gives one hold back; as a write's callback. */
  readonly letGo: () => void = () => {
    if (--this.#holders === 0 && this.#shelf.length < this.#mostSpare) this.#shelf.push(this);
  };

  constructor(bytes: number, shelf: Lease[], mostSpare: number) {
    this.bytes = Buffer.allocUnsafeSlow(bytes);
    this.#shelf = shelf;
    this.#mostSpare = mostSpare;
  }

  hold(): void {
    this.#holders++;
  }
}

let largeMade = 0;
const large: Lease[] = [];
const copies: Lease[] = [];

/** A large lease held once, by the caller; null: all are in use. */
export function takeLease(): Lease | null {
  let lease = large.pop() ?? null;
  if (lease === null && largeMade < mostLarge) {
    largeMade++;
    lease = new Lease(largeBytes, large, mostLarge);
  }
  lease?.hold();
  return lease;
}

/**
 * A lease held once with a copy of some bytes, as many as the shared buffer has at most. Buffers that are made and forgotten at the speed of
 * a network make the collector of garbage stop everybody for 10 ms at a time.
 */
export function copyOf(bytes: Buffer, from: number, to: number): Lease {
  const lease = copies.pop() ?? new Lease(sharedBuffer.length, copies, mostSpareCopies);
  lease.hold();
  bytes.copy(lease.bytes, 0, from, to);
  return lease;
}
