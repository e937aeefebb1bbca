// The ledger of a worker: what is under way at each backend and what came of the tries there. Pickers hold its tallies, control is told
// of the sum.

import type { BackendKey } from '../../src/cluster/index.ts';
import type { Tally, TryOutcome } from '../../src/ports/index.ts';

/** What workers tell control of a backend: tries since the last word. Travels as JSON. */
export interface TryReport {
  readonly backend: BackendKey;
  readonly ok: number;
  readonly unreachable: number;
  readonly failed: number;
  /** Failures after the last success, an unreachable one counted twice (specs/l7.md §7.2); all of them where `ok` is 0. */
  readonly tail: number;
}

export interface Ledger {
  /** A tally of its own for one backend of one set. */
  open(backend: BackendKey): BackendTally;
  /** What is under way at a backend, over all sets. */
  inFlight(backend: BackendKey): number;
  /**
   * Tries since the last call, one report a backend, `most` at a time: the rest waits for the next call. Latencies age by one step with
   * each call, so that a backend which was slow once is asked again.
   */
  take(most: number): readonly TryReport[];
}

/** Share of a new measurement in the average. */
const newShare = 0.3;
/** What a try that failed counts for, in milliseconds, at least. */
const failureMs = 1000;
/** What is left of an average after a step. Steps of 250 ms make a half-life of about 7 s. */
const kept = 0.975;
/** Less than this is noise. */
const leastMs = 0.05;

/** The tally of one backend in one set, carried from picker to picker. */
export class BackendTally implements Tally {
  readonly backend: BackendKey;
  inFlight = 0;
  ok = 0;
  unreachable = 0;
  failed = 0;
  tail = 0;
  /** In the list of those that have something to tell. */
  listed = false;
  /** Monotonic milliseconds since which its share grows; 0: it has its full share. */
  freshSince = 0;
  #averageMs = 0;
  #step = 0;
  readonly #ledger: WorkerLedger;

  constructor(backend: BackendKey, ledger: WorkerLedger) {
    this.backend = backend;
    this.#ledger = ledger;
  }

  started(): this {
    this.inFlight++;
    if (!this.listed) this.#ledger.list(this);
    return this;
  }

  judged(outcome: TryOutcome, ms: number): void {
    const average = this.latencyMs();
    this.#step = this.#ledger.step;
    const sample = outcome === 'ok' ? ms : Math.max(ms, failureMs);
    this.#averageMs = average === 0 ? sample : average + newShare * (sample - average);
    if (outcome === 'ok') {
      this.ok++;
      this.tail = 0;
    } else if (outcome === 'unreachable') {
      this.unreachable++;
      this.tail += 2;
    } else {
      this.failed++;
      this.tail++;
    }
    if (!this.listed) this.#ledger.list(this);
  }

  ended(): void {
    this.inFlight--;
  }

  /** Moving average of what tries took; fades with time. 0: nothing is known. */
  latencyMs(): number {
    if (this.#averageMs === 0) return 0;
    const steps = this.#ledger.step - this.#step;
    const faded = steps === 0 ? this.#averageMs : this.#averageMs * kept ** steps;
    return faded < leastMs ? 0 : faded;
  }
}

export function createLedger(): Ledger {
  return new WorkerLedger();
}

class WorkerLedger implements Ledger {
  step = 0;
  #listed: BackendTally[] = [];

  open(backend: BackendKey): BackendTally {
    return new BackendTally(backend, this);
  }

  list(tally: BackendTally): void {
    tally.listed = true;
    this.#listed.push(tally);
  }

  inFlight(backend: BackendKey): number {
    let sum = 0;
    for (const tally of this.#listed) if (tally.backend === backend) sum += tally.inFlight;
    return sum;
  }

  take(most: number): readonly TryReport[] {
    this.step++;
    const reports = new Map<BackendKey, TryReport>();
    const told: BackendTally[] = [];
    const later: BackendTally[] = [];
    for (const tally of this.#listed) {
      const { backend } = tally;
      if (tally.ok + tally.unreachable + tally.failed > 0) {
        if (reports.size >= most && !reports.has(backend)) {
          later.push(tally);
          continue;
        }
        reports.set(backend, joined(reports.get(backend), tally));
        tally.ok = tally.unreachable = tally.failed = 0;
        tally.tail = 0;
      }
      if (tally.inFlight > 0) told.push(tally);
      else tally.listed = false;
    }
    this.#listed = [...later, ...told];
    return [...reports.values()];
  }
}

/** Which of two sets saw the last success is not known: a success in either ends the row of the other. */
function joined(report: TryReport | undefined, { backend, ok, unreachable, failed, tail }: BackendTally): TryReport {
  if (report === undefined) return { backend, ok, unreachable, failed, tail };
  return {
    backend,
    ok: report.ok + ok,
    unreachable: report.unreachable + unreachable,
    failed: report.failed + failed,
    tail: ok === 0 && report.ok === 0 ? report.tail + tail : Math.min(report.tail, tail),
  };
}
