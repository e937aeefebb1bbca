// The picker of every policy: who may be picked, what is known of them, and a slow start for those that are new. How one is chosen among
// them is the policy's. Made ready when somebody is picked first: of a large cluster's services most are never asked for in one worker.

import type { Backend, BackendKey, BackendSet } from '../../src/cluster/index.ts';
import type { PickRequest, Picker, Tally } from '../../src/ports/index.ts';
import type { Clock, Random } from '../../src/runtime/index.ts';
import { takersOf, type Candidate, type Chooser } from './candidate.ts';
import type { BackendTally, Ledger } from './ledger.ts';
import { mixedIndex } from './mix.ts';
import { slotsOf } from './slots.ts';

export interface SetPickerOptions {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: Random;
  readonly panicRatio: number;
  /** 0: a new backend has its full share at once, as with a policy that binds requests to backends. */
  readonly slowStartMs: number;
  readonly choose: (candidates: readonly Candidate[], former: Chooser | null, set: BackendSet) => Chooser;
}

const noTallies: ReadonlyMap<BackendKey, BackendTally> = new Map();

/** A fresh backend's share at first (Envoy's). */
const leastShare = 0.1;

export class SetPicker implements Picker {
  readonly set: BackendSet;
  readonly #options: SetPickerOptions;
  /** Null until somebody asks. */
  #chooser: Chooser | null = null;
  #tallies: ReadonlyMap<BackendKey, BackendTally> = noTallies;
  #candidates: readonly Candidate[] = [];
  /** How many have less than their share still. */
  #fresh = 0;
  /** Slots of those that have it, made when the first fresh one is passed over. */
  #settled: readonly Candidate[] | null = null;

  constructor(set: BackendSet, previous: Picker | null, options: SetPickerOptions) {
    const former = previous instanceof SetPicker ? previous : null;
    this.set = set;
    this.#options = options;
    // Who is new is told by who was there before.
    if (options.slowStartMs > 0 || (former !== null && former.#chooser !== null)) this.#open(former);
  }

  #open(former: SetPicker | null): Chooser {
    const { ledger, panicRatio, slowStartMs, choose } = this.#options;
    const carried = former === null ? noTallies : former.#tallies;
    const tallies = new Map<BackendKey, BackendTally>();
    for (const { key } of this.set.backends) tallies.set(key, carried.get(key) ?? ledger.open(key));
    this.#tallies = tallies;
    this.#candidates = takersOf(this.set, panicRatio).takers.map(({ backend, weight }) => {
      return { backend, weight, tally: tallies.get(backend.key) as BackendTally };
    });
    if (slowStartMs > 0) this.#age(former);
    return (this.#chooser = choose(this.#candidates, former === null ? null : former.#chooser, this.set));
  }

  pick(request: PickRequest): Backend | null {
    const chosen = (this.#chooser ?? this.#open(null)).choose(request.hash, request.tried);
    return this.#fresh === 0 || chosen === null ? chosen : this.#eased(chosen, request);
  }

  started(backend: Backend): Tally {
    if (this.#chooser === null) this.#open(null);
    return (this.#tallies.get(backend.key) ?? this.#options.ledger.open(backend.key)).started();
  }

  /** Who takes traffic now and did not before is fresh; at our own start everybody has been there for long. */
  #age(former: SetPicker | null): void {
    const before = former === null ? [] : former.#candidates;
    const had = new Set(before.map(({ backend }) => backend.key));
    for (const { backend, tally } of this.#candidates) {
      if (had.size > 0 && !had.has(backend.key)) tally.freshSince = this.#options.clock.monotonic();
      if (tally.freshSince !== 0) this.#fresh++;
    }
  }

  /** Passes a fresh backend over as often as its share says: a settled one takes its place. */
  #eased(chosen: Backend, { hash, tried }: PickRequest): Backend {
    const tally = this.#tallies.get(chosen.key);
    if (tally === undefined || tally.freshSince === 0) return chosen;
    const { clock, random, slowStartMs } = this.#options;
    const share = (clock.monotonic() - tally.freshSince) / slowStartMs;
    if (share >= 1) {
      tally.freshSince = 0;
      this.#fresh--;
      this.#settled = null;
      return chosen;
    }
    if (random() < Math.max(leastShare, share)) return chosen;
    const settled = (this.#settled ??= slotsOf(this.#candidates.filter((one) => one.tally.freshSince === 0)));
    const other = settled[mixedIndex(hash, Math.floor(random() * 1024), settled.length)];
    return other === undefined || tried?.has(other.backend.key) === true ? chosen : other.backend;
  }
}
