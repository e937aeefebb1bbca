// What all connections of a front keep in memory for clients that do not take it: one sum, and who gives way when it is too large.

/** A connection that keeps octets: answers that wait for windows, and bodies of requests that nobody read yet. */
export interface Holder {
  readonly heldBytes: number;
  /** Ends it; what it keeps is free when the call returns. */
  giveWay(): void;
}

export class HeldBytes {
  /** Of all connections. */
  bytes = 0;
  readonly #most: number;
  readonly #holders: Iterable<Holder>;

  constructor(most: number, holders: Iterable<Holder>) {
    this.#most = most;
    this.#holders = holders;
  }

  /** Ends the connections that keep most, until the rest fits. */
  check(): void {
    while (this.bytes > this.#most) {
      let largest: Holder | null = null;
      for (const holder of this.#holders) if (holder.heldBytes > (largest?.heldBytes ?? 0)) largest = holder;
      if (largest === null) return;
      largest.giveWay();
      if (largest.heldBytes > 0) return;
    }
  }
}
