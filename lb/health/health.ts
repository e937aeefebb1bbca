// Health: the one opinion on each backend, of operators, active checks and real traffic. Its verdicts become events, so that DNS, VIPs and
// routes see the same; what the orchestrators say is in the tasks already.

import type { BackendKey, ClusterEvent, TaskKey, Verdict, Backend } from '../../src/cluster/index.ts';
import type { Clock, Logger, Metrics, Random } from '../../src/runtime/index.ts';
import type { TryReport } from '../policies/ledger.ts';
import { createChecker, type Checker } from './checker.ts';
import { plainCheck } from './check-rule.ts';
import { createEjector, type Ejection, type Ejector } from './ejector.ts';
import { createHealthMeters, type HealthMeters } from './health-meters.ts';
import { createProbe, type Probe } from './probe.ts';
import { WatchedSets, type WatchedSet } from './watched-sets.ts';

export interface HealthOptions {
  /** Active checks, where a set has one. */
  readonly checks: boolean;
  /** Whether backends that fail real traffic are left out for a while. */
  readonly eject: boolean;
  /** As the balancers have it; for the metric. */
  readonly panicRatio: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Absent: over the network. */
  readonly probe?: Probe;
  /** Verdicts that changed, as events for the snapshot. */
  readonly onVerdicts: (events: readonly ClusterEvent[]) => void;
}

export interface Health {
  /** A set is there, changed, or is gone (null). */
  follow(id: string, set: WatchedSet | null): void;
  /** What the workers tell of their tries. */
  hear(reports: readonly TryReport[]): void;
  /** An operator's word: no new traffic for this backend until it is taken back, or the backend is gone. */
  drain(backend: BackendKey): void;
  undrain(backend: BackendKey): void;
  /** The first picture is complete: what operators drained before and is in no set now is forgotten. */
  settle(): void;
  /** What operators have drained. */
  drained(): readonly BackendKey[];
  /** In every set. */
  backendsOf(task: TaskKey): readonly Backend[];
  /** Why our own verdict on a backend is what it is; null: there is none, or a good one. */
  why(backend: BackendKey): string | null;
  stop(): void;
}

/** Sockets of probes at a time. */
const mostProbes = 256;

export function createHealth(options: HealthOptions): Health {
  return new OneOpinion(options);
}

class OneOpinion implements Health {
  readonly #options: HealthOptions;
  readonly #sets = new WatchedSets();
  readonly #probe: Probe;
  readonly #checker: Checker;
  readonly #ejector: Ejector;
  readonly #meters: HealthMeters;
  readonly #drained = new Set<BackendKey>();
  readonly #passing = new Set<BackendKey>();
  /** Who fails its check, and what the check found. */
  readonly #failing = new Map<BackendKey, string>();
  readonly #ejections = new Map<BackendKey, string>();
  readonly #verdicts = new Map<BackendKey, Verdict>();

  constructor(options: HealthOptions) {
    const { clock, random, metrics, panicRatio } = options;
    this.#options = options;
    this.#probe = options.probe ?? createProbe(clock);
    this.#meters = createHealthMeters(metrics, this.#sets, panicRatio, () => {
      return { failing: this.#failing.size, ejected: this.#ejector.ejected };
    });
    this.#checker = createChecker({
      probe: this.#probe,
      clock,
      random,
      mostRunning: mostProbes,
      onTurn: (backend, why) => this.#checked(backend, why),
      onResult: (result) => this.#meters.countCheck(result),
    });
    this.#ejector = createEjector({
      clock,
      maySpare: (backend) => this.#maySpare(backend),
      ask: (backend) => this.#ask(backend),
      onEjected: (backend, ejection) => this.#ejected(backend, ejection),
      onBack: (backend) => this.#back(backend),
    });
  }

  follow(id: string, set: WatchedSet | null): void {
    const touched = this.#sets.put(id, set);
    for (const key of touched) this.#followBackend(key);
    if (this.#ejector.ejected > 0 && set !== null) this.#releaseLast(set);
  }

  hear(reports: readonly TryReport[]): void {
    if (this.#options.eject) this.#ejector.hear(reports.filter(({ backend }) => this.#sets.find(backend) !== null));
  }

  drain(backend: BackendKey): void {
    this.#drained.add(backend);
    this.#tell(backend);
  }

  undrain(backend: BackendKey): void {
    this.#drained.delete(backend);
    this.#tell(backend);
  }

  settle(): void {
    for (const backend of [...this.#drained]) if (this.#sets.find(backend) === null) this.undrain(backend);
  }

  drained(): readonly BackendKey[] {
    return [...this.#drained].sort();
  }

  backendsOf(task: TaskKey): readonly Backend[] {
    return this.#sets.ofTask(task);
  }

  why(backend: BackendKey): string | null {
    if (this.#drained.has(backend)) return 'drained by an operator';
    const found = this.#failing.get(backend);
    if (found !== undefined) return `unhealthy by our own check: ${found}`;
    return this.#ejections.get(backend) ?? null;
  }

  stop(): void {
    this.#checker.stop();
    this.#ejector.stop();
  }

  #followBackend(key: BackendKey): void {
    const known = this.#sets.find(key);
    if (known === null) {
      this.#forget(key);
      return;
    }
    // What is ending is not worth a look, and what an operator has drained is looked at again when it is back.
    const isChecked = this.#options.checks && known.check !== null && known.backend.state !== 'draining';
    if (isChecked && known.check !== null) {
      this.#checker.follow(key, known.check.rule, known.check.at);
      return;
    }
    this.#checker.forget(key);
    this.#passing.delete(key);
    if (this.#failing.delete(key)) this.#tell(key);
  }

  #forget(key: BackendKey): void {
    this.#checker.forget(key);
    this.#ejector.forget(key);
    this.#drained.delete(key);
    this.#passing.delete(key);
    this.#failing.delete(key);
    this.#ejections.delete(key);
    this.#tell(key);
  }

  #checked(backend: BackendKey, why: string | null): void {
    const wasFailing = this.#failing.delete(backend);
    this.#passing.delete(backend);
    if (why !== null) {
      this.#failing.set(backend, why);
      this.#options.log.warn({ backend, reason: why }, 'backend fails its check and gets no new traffic');
    } else {
      this.#passing.add(backend);
      if (wasFailing) this.#options.log.info({ backend }, 'backend passes its check again');
    }
    this.#tell(backend);
  }

  #ejected(backend: BackendKey, { reason, why, waitMs }: Ejection): void {
    this.#meters.countEjection(reason);
    this.#ejections.set(backend, `left out since ${why}; it is asked again every so often`);
    this.#options.log.warn({ backend, reason: why, againInMs: waitMs }, 'backend fails real traffic and is left out');
    this.#tell(backend);
  }

  #back(backend: BackendKey): void {
    this.#ejections.delete(backend);
    this.#options.log.info({ backend }, 'backend that was left out takes traffic again');
    this.#tell(backend);
  }

  async #ask(backend: BackendKey): Promise<boolean> {
    const known = this.#sets.find(backend);
    if (known === null) return false;
    const { rule, at } = known.check ?? { rule: plainCheck, at: known.backend };
    return (await this.#probe(at, rule)) === null;
  }

  /** Three in ten of each of its sets, one at least; and another one that is up must stay (specs/l7.md §7.2). */
  #maySpare(backend: BackendKey): boolean {
    return this.#sets.setsOf(backend).every(({ backends }) => {
      const out = backends.filter(({ key }) => this.#ejector.isEjected(key)).length;
      const others = backends.filter((one) => one.key !== backend && this.#takes(one)).length;
      return others > 0 && out < Math.max(1, Math.floor(backends.length * 0.3));
    });
  }

  /** The table may be a step behind our verdicts. */
  #takes({ key, state, weight }: Backend): boolean {
    return state === 'up' && weight > 0 && (this.#verdicts.get(key) ?? 'passing') === 'passing';
  }

  /** A set in which nothing is up any more takes what was left out: it may be better than nothing. */
  #releaseLast({ backends }: WatchedSet): void {
    if (backends.some((one) => this.#takes(one))) return;
    for (const { key } of backends) if (this.#ejector.isEjected(key)) this.#ejector.release(key);
  }

  #tell(backend: BackendKey): void {
    const verdict = this.#verdictOn(backend);
    if ((this.#verdicts.get(backend) ?? null) === verdict) return;
    if (verdict === null) this.#verdicts.delete(backend);
    else this.#verdicts.set(backend, verdict);
    this.#options.onVerdicts([{ type: 'checked', backend, verdict }]);
  }

  #verdictOn(backend: BackendKey): Verdict | null {
    if (this.#drained.has(backend)) return 'drained';
    if (this.#failing.has(backend) || this.#ejections.has(backend)) return 'failing';
    return this.#passing.has(backend) ? 'passing' : null;
  }
}
