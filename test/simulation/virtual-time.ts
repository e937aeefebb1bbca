// Virtual time: timers run when the simulation says so, and everything that follows from one is over before the next.

import type { FakeClock } from '../../src/fakes/index.ts';
import type { Clock } from '../../src/runtime/index.ts';

interface Due {
  readonly at: number;
  readonly action: () => void;
}

/** Turns of the loop without any doing after which all is said to be over. */
const quietTurns = 4;

export class VirtualTime {
  readonly #timers = new Set<Due>();
  #now = Date.parse('2024-09-03T01:00:00.000Z');
  #doings = 0;
  /** Work that goes on over several turns of the loop, by the time of the machine. */
  readonly #works = new Set<() => boolean>();

  readonly clock: Clock = {
    now: () => this.#now,
    monotonic: () => this.#now,
    after: (ms, action) => ({ cancel: this.#after(ms, action) }),
  };

  readonly fakeClock: FakeClock = {
    now: () => this.#now,
    after: (ms, callback) => this.#after(ms, callback),
  };

  /** Something happens that others may react to. */
  readonly stir = (): void => void this.#doings++;

  /** While `isBusy` says so, no virtual time passes. The returned function ends that. */
  readonly await = (isBusy: () => boolean): (() => void) => {
    this.#works.add(isBusy);
    return () => void this.#works.delete(isBusy);
  };

  /** Lets `ms` pass, timer by timer, each with all that follows from it. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.settle();
    for (let due = this.#next(until); due !== undefined; due = this.#next(until)) {
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.action();
      await this.settle();
    }
    this.#now = until;
  }

  /** Until nothing follows any more. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < quietTurns; quiet++) {
      const before = this.#doings;
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.#doings !== before || this.#works.values().some((isBusy) => isBusy())) quiet = 0;
    }
  }

  #after(ms: number, action: () => void): () => void {
    const due = { at: this.#now + Math.max(0, ms), action };
    this.#timers.add(due);
    return () => void this.#timers.delete(due);
  }

  /** Sets keep their order, so of those at one time the first set comes first. */
  #next(until: number): Due | undefined {
    let first: Due | undefined;
    for (const due of this.#timers) if (due.at <= until && (first === undefined || due.at < first.at)) first = due;
    return first;
  }
}
