// Active checks: each backend that has a rule is looked at in its interval, spread out and never all at once. Says when a backend has
// fallen or risen; what follows from it is the business of health.ts.
//
// A target: (new) → waiting → queued → running → waiting …; it starts out as good.

import type { BackendKey } from '../../src/cluster/index.ts';
import type { Clock, Random, Timer } from '../../src/runtime/index.ts';
import type { CheckRule } from './check-rule.ts';
import type { Endpoint, Probe, ProbeResult } from './probe.ts';

export interface CheckerOptions {
  readonly probe: Probe;
  readonly clock: Clock;
  readonly random: Random;
  /** Probes under way at a time; each holds a socket. */
  readonly mostRunning: number;
  /** `why`: null, it passes (for the first time, or again); else what the last probe found. */
  readonly onTurn: (backend: BackendKey, why: string | null) => void;
  readonly onResult: (result: ProbeResult) => void;
}

export interface Checker {
  /** From now on by this rule at this place; a rule that stays keeps what is known. */
  follow(backend: BackendKey, rule: CheckRule, at: Endpoint): void;
  forget(backend: BackendKey): void;
  readonly size: number;
  stop(): void;
}

interface Target {
  readonly backend: BackendKey;
  readonly rule: CheckRule;
  readonly at: Endpoint;
  /** Of `rule` and `at`, to see whether they stay. */
  readonly text: string;
  /** Null: not known yet. */
  isGood: boolean | null;
  failures: number;
  passes: number;
  timer: Timer | null;
}

const usualFall = 3;
const usualRise = 2;
/** First looks are spread over the interval, this much at most (specs/l7.md §1.12). */
const longestFirstMs = 15_000;
const jitter = 0.05;

export function createChecker(options: CheckerOptions): Checker {
  return new Rounds(options);
}

class Rounds implements Checker {
  readonly #options: CheckerOptions;
  readonly #targets = new Map<BackendKey, Target>();
  readonly #queue: Target[] = [];
  #running = 0;

  constructor(options: CheckerOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#targets.size;
  }

  follow(backend: BackendKey, rule: CheckRule, at: Endpoint): void {
    const text = JSON.stringify([rule, at.ip, at.port]);
    const former = this.#targets.get(backend);
    if (former?.text === text) return;
    former?.timer?.cancel();
    const { isGood = null } = former ?? {};
    const target: Target = { backend, rule, at, text, isGood, failures: 0, passes: 0, timer: null };
    this.#targets.set(backend, target);
    this.#wait(target, this.#options.random() * Math.min(rule.intervalMs, longestFirstMs));
  }

  forget(backend: BackendKey): void {
    this.#targets.get(backend)?.timer?.cancel();
    this.#targets.delete(backend);
  }

  stop(): void {
    for (const backend of [...this.#targets.keys()]) this.forget(backend);
    this.#queue.length = 0;
  }

  #wait(target: Target, ms: number): void {
    target.timer = this.#options.clock.after(ms, () => {
      target.timer = null;
      this.#queue.push(target);
      this.#runNext();
    });
  }

  #runNext(): void {
    while (this.#running < this.#options.mostRunning) {
      const target = this.#queue.shift();
      if (target === undefined) return;
      if (this.#isCurrent(target)) void this.#run(target);
    }
  }

  async #run(target: Target): Promise<void> {
    this.#running++;
    const result = await this.#options.probe(target.at, target.rule);
    this.#running--;
    if (this.#isCurrent(target)) {
      this.#options.onResult(result);
      if (result !== undefined) this.#judge(target, result);
      this.#wait(target, target.rule.intervalMs * (1 - jitter + 2 * jitter * this.#options.random()));
    }
    this.#runNext();
  }

  #judge(target: Target, result: string | null): void {
    const { fall = usualFall, rise = usualRise } = target.rule;
    if (result === null) {
      target.failures = 0;
      target.passes++;
      // Unknown is good already: the first pass says so aloud.
      if (target.isGood === null || (!target.isGood && target.passes >= rise)) this.#turn(target, true, null);
    } else {
      target.passes = 0;
      target.failures++;
      if (target.isGood !== false && target.failures >= fall) this.#turn(target, false, result);
    }
  }

  #turn(target: Target, isGood: boolean, why: string | null): void {
    target.isGood = isGood;
    this.#options.onTurn(target.backend, why);
  }

  /** It may have been forgotten, or been given another rule, while it waited or ran. */
  #isCurrent(target: Target): boolean {
    return this.#targets.get(target.backend) === target;
  }
}
