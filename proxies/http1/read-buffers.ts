// Buffers that upstream sockets read into: one small one shared by all, as a read is dealt with before the next, and large ones on lease
// for bodies in bulk, written on as they are and given back by the write's callback (performance.md: half the CPU time per MiB).

/** What is read at once while nothing large is under way; its bytes are copied where they outlive the read. */
export const sharedBuffer: Buffer = Buffer.allocUnsafeSlow(64 * 1024);

/** 64 KiB and 1 MiB were measured worse. */
const leaseBytes = 256 * 1024;
const mostKept = 64;

const free: Lease[] = [];

/** A large buffer with a count of those who still need it. */
export class Lease {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(leaseBytes);
  #holders = 0;
  /** Gives one hold back; as a write's callback. */
  readonly letGo: () => void = () => {
    if (--this.#holders === 0 && free.length < mostKept) free.push(this);
  };

  hold(): void {
    this.#holders++;
  }
}

/** A lease held once, by the caller. */
export function takeLease(): Lease {
  const lease = free.pop() ?? new Lease();
  lease.hold();
  return lease;
}
