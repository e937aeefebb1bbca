// One try at a backend: what pickers, meters and health learn of it, and its time limit.

import type { Tally, TryOutcome } from '../../src/ports/index.ts';
import type { Timer } from '../../src/runtime/index.ts';
import type { BackendTarget } from './service.ts';

export class BackendTry {
  readonly target: BackendTarget;
  readonly #tally: Tally;
  readonly #startedMs: number;
  readonly #timer: Timer | null;
  #judged = false;
  #over = false;

  constructor(target: BackendTarget, tally: Tally, startedMs: number, timer: Timer | null) {
    this.target = target;
    this.#tally = tally;
    this.#startedMs = startedMs;
    this.#timer = timer;
    target.meter.active.value++;
    target.meter.tries.value++;
  }

  /** The head of an answer is there: the backend is in order, whatever it says. */
  answered(status: number, nowMs: number): void {
    const ms = nowMs - this.#startedMs;
    this.#timer?.cancel();
    this.#judged = true;
    this.target.meter.answered(status);
    this.target.meter.seconds.observe(ms / 1000);
    this.#tally.judged('ok', ms);
  }

  /** Null: nothing was learnt of the backend. More than once is harmless. */
  end(outcome: TryOutcome | null, nowMs: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    if (outcome !== null && !this.#judged) this.#tally.judged(outcome, nowMs - this.#startedMs);
    this.#tally.ended();
    this.target.meter.active.value--;
  }
}
