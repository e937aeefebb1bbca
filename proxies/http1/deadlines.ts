// Deadlines of many connections on one timer: setting one is storing a number, and a sweep looks who is late. Late by one sweep at most,
// early never.

import type { Clock, Timer } from '../../src/runtime/index.ts';

export interface Deadline {
  /** Milliseconds as `Deadlines.in` gives them; Infinity where nothing is waited for. */
  deadlineAt: number;
  /** Called once for each time that `deadlineAt` passed; it is Infinity by then. */
  onDeadline(): void;
}

const sweepMs = 250;

export class Deadlines {
  readonly #clock: Clock;
  readonly #entries = new Set<Deadline>();
  #timer: Timer | null = null;
  #now: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = clock.monotonic();
  }

  add(entry: Deadline): void {
    this.#entries.add(entry);
    if (this.#timer !== null) return;
    this.#now = this.#clock.monotonic();
    this.#arm();
  }

  remove(entry: Deadline): void {
    this.#entries.delete(entry);
  }

  /** Milliseconds, as of the last sweep. */
  get now(): number {
    return this.#now;
  }

  /** When `ms` from now will have passed; Infinity for 0. Counted from the next sweep, so that the clock is not asked per request. */
  in(ms: number): number {
    return ms === 0 ? Infinity : this.#now + sweepMs + ms;
  }

  #arm(): void {
    this.#timer = this.#clock.after(sweepMs, () => this.#sweep());
  }

  #sweep(): void {
    const now = (this.#now = this.#clock.monotonic());
    for (const entry of this.#entries) {
      if (entry.deadlineAt > now) continue;
      entry.deadlineAt = Infinity;
      entry.onDeadline();
    }
    this.#timer = null;
    if (this.#entries.size > 0) this.#arm();
  }
}
