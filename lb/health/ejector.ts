// Passive health: what the workers' tries say of a backend. One that fails too often is left out, asked again after a while that grows, and
// taken back when it answers. Never so many of a set that the rest could not bear it.

import type { BackendKey } from '../../src/cluster/index.ts';
import type { Clock, Timer } from '../../src/runtime/index.ts';
import type { TryReport } from '../policies/ledger.ts';
import { TryWindow } from './try-window.ts';

export interface EjectorOptions {
  readonly clock: Clock;
  /** Whether the sets of the backend can do without it, besides those that are out already. */
  readonly maySpare: (backend: BackendKey) => boolean;
  /** Whether it answers again. */
  readonly ask: (backend: BackendKey) => Promise<boolean>;
  readonly onEjected: (backend: BackendKey, ejection: Ejection) => void;
  readonly onBack: (backend: BackendKey) => void;
}

export interface Ejection {
  readonly reason: 'consecutive' | 'ratio';
  /** In a few words. */
  readonly why: string;
  /** Until it is asked again. */
  readonly waitMs: number;
}

export interface Ejector {
  hear(reports: readonly TryReport[]): void;
  isEjected(backend: BackendKey): boolean;
  /** Takes it back without asking: its set has nothing better. */
  release(backend: BackendKey): void;
  forget(backend: BackendKey): void;
  readonly ejected: number;
  stop(): void;
}

interface Suspect {
  /** Failures in a row, unreachable ones twice. */
  row: number;
  readonly window: TryWindow;
  /** How often it was out lately. */
  times: number;
  backAt: number;
  timer: Timer | null;
  isOut: boolean;
}

const mostInRow = 5;
const leastTries = 20;
const worstRatio = 0.5;
const firstWaitMs = 2_000;
const longestWaitMs = 300_000;
/** Good for this long after it came back, and its past is forgotten. */
const probationMs = 60_000;

export function createEjector(options: EjectorOptions): Ejector {
  return new Watch(options);
}

class Watch implements Ejector {
  readonly #options: EjectorOptions;
  /** Only backends of which a failure was told. */
  readonly #suspects = new Map<BackendKey, Suspect>();
  #ejected = 0;

  constructor(options: EjectorOptions) {
    this.#options = options;
  }

  get ejected(): number {
    return this.#ejected;
  }

  hear(reports: readonly TryReport[]): void {
    for (const report of reports) {
      const known = this.#suspects.get(report.backend);
      if (known === undefined && report.unreachable + report.failed === 0) continue;
      const suspect = known ?? this.#suspect(report.backend);
      suspect.row = report.ok > 0 ? report.tail : suspect.row + report.tail;
      const now = this.#options.clock.monotonic();
      suspect.window.add(now, report.ok, report.failed + 2 * report.unreachable);
      if (!suspect.isOut) this.#consider(report.backend, suspect, now);
    }
  }

  isEjected(backend: BackendKey): boolean {
    return this.#suspects.get(backend)?.isOut === true;
  }

  release(backend: BackendKey): void {
    const suspect = this.#suspects.get(backend);
    if (suspect?.isOut === true) this.#takeBack(backend, suspect);
  }

  forget(backend: BackendKey): void {
    const suspect = this.#suspects.get(backend);
    if (suspect === undefined) return;
    suspect.timer?.cancel();
    if (suspect.isOut) this.#ejected--;
    this.#suspects.delete(backend);
  }

  stop(): void {
    for (const { timer } of this.#suspects.values()) timer?.cancel();
  }

  #suspect(backend: BackendKey): Suspect {
    const suspect = { row: 0, window: new TryWindow(), times: 0, backAt: -Infinity, timer: null, isOut: false };
    this.#suspects.set(backend, suspect);
    return suspect;
  }

  #consider(backend: BackendKey, suspect: Suspect, now: number): void {
    const { good, bad } = suspect.window.sums(now);
    if (bad === 0 && suspect.times === 0) {
      this.#suspects.delete(backend);
      return;
    }
    const isRow = suspect.row >= mostInRow;
    const isRatio = good + bad >= leastTries && bad / (good + bad) >= worstRatio;
    if ((!isRow && !isRatio) || !this.#options.maySpare(backend)) return;
    if (now - suspect.backAt > probationMs) suspect.times = 0;
    suspect.isOut = true;
    this.#ejected++;
    const waitMs = this.#wait(backend, suspect);
    const why = isRow ? 'tries failed in a row' : `${Math.round((100 * bad) / (good + bad))} % of its tries failed`;
    this.#options.onEjected(backend, { reason: isRow ? 'consecutive' : 'ratio', why, waitMs });
  }

  #wait(backend: BackendKey, suspect: Suspect): number {
    const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** suspect.times);
    suspect.times++;
    suspect.timer = this.#options.clock.after(waitMs, () => void this.#askAgain(backend, suspect));
    return waitMs;
  }

  async #askAgain(backend: BackendKey, suspect: Suspect): Promise<void> {
    suspect.timer = null;
    const answers = await this.#options.ask(backend);
    if (!suspect.isOut || this.#suspects.get(backend) !== suspect) return;
    if (answers) this.#takeBack(backend, suspect);
    else this.#wait(backend, suspect);
  }

  #takeBack(backend: BackendKey, suspect: Suspect): void {
    suspect.timer?.cancel();
    suspect.timer = null;
    suspect.isOut = false;
    suspect.row = 0;
    suspect.window.clear();
    suspect.backAt = this.#options.clock.monotonic();
    this.#ejected--;
    this.#options.onBack(backend);
  }
}
