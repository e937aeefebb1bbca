// Keeps what came of a request body before anybody wanted it, and counts how long it was wanted.

/** What is kept of bytes that came before their turn: pipelined requests, a body nobody reads yet. */
export const heldBytes = 64 * 1024;

export class BodyGate {
  /** Whether the body is wanted now. */
  isOpen = false;
  /** How much is kept. */
  bytes = 0;
  #kept: Buffer[] = [];
  #openMs = 0;
  #since = 0;

  /** Begins with another body. */
  reset(): void {
    this.isOpen = false;
    this.bytes = 0;
    this.#openMs = 0;
    if (this.#kept.length > 0) this.#kept = [];
  }

  keep(bytes: Buffer): void {
    this.#kept.push(bytes);
    this.bytes += bytes.length;
  }

  /** Opens, and hands over what was kept. */
  open(now: number): readonly Buffer[] {
    if (!this.isOpen) this.#since = now;
    this.isOpen = true;
    this.bytes = 0;
    if (this.#kept.length === 0) return none;
    const kept = this.#kept;
    this.#kept = [];
    return kept;
  }

  close(now: number): void {
    if (this.isOpen) this.#openMs += now - this.#since;
    this.isOpen = false;
  }

  /** Whether less than `rate` bytes a second came on an average; only while the gate was open counts. */
  isBelow(rate: number, bytes: number, now: number): boolean {
    const ms = this.#openMs + now - this.#since;
    return this.isOpen && ms > rateAfterMs && (bytes * 1000) / ms < rate;
  }
}

const none: readonly Buffer[] = [];

/** When the rate of a body begins to count. */
const rateAfterMs = 20_000;
