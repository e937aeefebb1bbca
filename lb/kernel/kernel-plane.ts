// The kernel plane: follows the table of VIPs with elements of the daemon's nftables table. The kernel holds the state: nothing is taken
// away at a stop, and a start changes only what differs from what it finds.

import type { Plane, Table, TableChange } from '../../src/ports/index.ts';
import { messageOf, type Cell, type Clock, type Logger, type Metrics, type Timer } from '../../src/runtime/index.ts';
import type { VipRecord } from '../vip-record.ts';
import { KernelCounters } from './counters.ts';
import { Departures } from './departures.ts';
import { chunksOf, Elements, splitShrinking, transactionText, type Step } from './elements.ts';
import type { Flows } from './flows.ts';
import type { Hairpins } from './hairpin.ts';
import type { HeldTable, Kernel } from './kernel.ts';
import { isLimitChain, limitRules } from './limits.ts';
import { deleteTable, layoutOf, type AddressRanges, type Layout } from './layout.ts';
import { Ruleset, type Surroundings } from './ruleset.ts';
import { Spots, type Spot } from './spots.ts';

export interface KernelPlaneOptions {
  readonly kernel: Kernel;
  readonly flows: Flows;
  readonly hairpins: Hairpins;
  readonly ranges: AddressRanges;
  readonly surroundings: () => Surroundings;
  /** Where a smaller share of a VIP's backends is in health, those that fail their checks are used as well; absent or 0: never. */
  readonly panicRatio?: number;
  /** Milliseconds that TCP flows of a backend that is gone may go on; 0: as long as they like. */
  readonly drainMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Steps of one transaction while there is much to write: it takes tens of milliseconds, and others wait for it. */
const mostSteps = 10_000;
const lookEveryMs = 15_000;
/** A look costs a reading of the table: at most this part of the time. */
const lookShare = 1 / 30;

export class KernelPlane implements Plane<VipRecord> {
  readonly name = 'vips';
  readonly #options: KernelPlaneOptions;
  readonly #layout: Layout;
  readonly #spots = new Spots();
  readonly #ruleset: Ruleset;
  readonly #counters: KernelCounters;
  readonly #departures: Departures;
  readonly #meters: { readonly repairs: Cell; readonly changes: Cell; readonly steps: Cell };
  /** Spots as the kernel has them. */
  readonly #known = new Map<string, Spot>();
  /** Whatever reads and writes goes one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  #isLoaded = false;
  #isLoading = false;
  #writes = 0;
  #watching: { close(): void } | null = null;
  #timer: Timer | null = null;
  #stopped = false;
  /** The surroundings of the last writing, to tell their changes from damage. */
  #around = '';
  /** Why the last look failed. */
  #lookProblem: string | null = null;

  constructor(options: KernelPlaneOptions) {
    this.#options = options;
    this.#layout = layoutOf(options.ranges);
    this.#ruleset = new Ruleset(this.#spots.all, options.panicRatio ?? 0);
    this.#counters = new KernelCounters(this.#spots.all, options.metrics);
    this.#departures = new Departures({ ...options, spots: this.#spots.all });
    const { metrics } = options;
    this.#meters = {
      repairs: metrics
        .counter('lb_kernel_repairs_total', 'Times the ruleset in the kernel was not as written and was put right.', [])
        .cell(),
      changes: metrics
        .counter('lb_kernel_changes_total', 'Transactions that changed the ruleset in the kernel.', [])
        .cell(),
      steps: metrics.counter('lb_kernel_steps_total', 'Elements that transactions added and deleted.', []).cell(),
    };
  }

  /** Takes over what the kernel holds and writes the difference. */
  replace(table: Table<VipRecord>): Promise<void> {
    return this.#inTurn(async () => {
      this.#spots.replace(table);
      await this.#load();
      this.#tend();
      this.#watch();
    });
  }

  apply(change: TableChange<VipRecord>): Promise<void> {
    return this.#inTurn(async () => {
      const touched = this.#spots.follow(change);
      await this.#write(this.#ruleset.plan(touched));
      this.#settle(touched);
      this.#tend();
    });
  }

  /** What of the table the kernel does not serve, and what cannot be done for its flows, a line each. */
  problems(): readonly string[] {
    const { problem } = this.#departures;
    const look = this.#lookProblem;
    const hairpin = this.#options.hairpins.problem();
    return [
      ...(look === null ? [] : [`ruleset cannot be looked after: ${look}`]),
      ...(problem === null ? [] : [`flows of backends that are gone cannot be ended: ${problem}`]),
      ...(hairpin === null ? [] : [`a container may not reach its own VIP: ${hairpin}`]),
      ...this.#spots.problems(),
      ...this.#unserved(),
    ];
  }

  /** What the kernel serves. */
  spots(): Iterable<Spot> {
    return this.#known.values();
  }

  /** Reads what the kernel holds: counts, and puts right what somebody else has changed. Rejects where it cannot. */
  async look(): Promise<void> {
    const writes = this.#writes;
    const held = await this.#options.kernel.read();
    if (!this.#isLoaded || this.#isLoading || writes !== this.#writes) return;
    if (held !== null) this.#counters.read(held);
    this.#counters.forget();
    const { own } = this.#options.surroundings();
    this.#tend();
    await this.#inTurn(async () => {
      if (writes !== this.#writes) return;
      const touched = this.#spots.keepOwn(own);
      await this.#repair(held);
      this.#settle(touched);
    });
  }

  /** Ends all activity; what is in the kernel stays and serves. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watching?.close();
    this.#timer?.cancel();
    this.#departures.stop();
    await this.#turn;
  }

  async #load(): Promise<void> {
    const { kernel } = this.#options;
    this.#isLoading = true;
    try {
      const held = await kernel.read();
      const former = new Set([
        ...(held?.elements.of('svc4').keys() ?? []),
        ...(held?.elements.of('svc6').keys() ?? []),
      ]);
      if (!this.#isLoaded && held !== null) this.#counters.read(held);
      await this.#bring(held);
      const isFirst = !this.#isLoaded;
      this.#isLoaded = true;
      this.#settle(new Set([...this.#known.keys(), ...this.#spots.all.keys()]));
      if (isFirst) void this.#departures.sweep(former);
    } finally {
      this.#isLoading = false;
    }
  }

  /** Brings the kernel from `held` to what is wanted; resolves to the number of steps, Infinity where the table itself was made. */
  async #bring(held: HeldTable | null): Promise<number> {
    const { kernel, surroundings } = this.#options;
    const around = surroundings();
    this.#spots.keepOwn(around.own);
    this.#around = JSON.stringify([[...around.own], around.interfaces, around.inside]);
    const isOurs = held !== null && isSame(held.rules, this.#layout.rules);
    if (isOurs) forgetBroken(held);
    this.#ruleset.restart(isOurs ? held.elements : new Elements());
    const groups = this.#ruleset.planAll(around);
    if (isOurs) {
      await this.#write(groups);
      return groups.length;
    }
    // Nobody can lose what is not there yet; what is there is replaced at one stroke.
    const steps = held === null ? [] : groups.flat();
    this.#writes++;
    await kernel.transact((held === null ? '' : deleteTable) + this.#layout.text + transactionText(steps));
    this.#confirm(steps);
    if (held === null) await this.#write(groups);
    return Infinity;
  }

  async #repair(held: HeldTable | null): Promise<void> {
    const { log } = this.#options;
    const around = this.#around;
    const differences = await this.#bring(held);
    // Interfaces and addresses come and go with containers: that is nobody's doing.
    if (differences === 0 || around !== this.#around) return;
    this.#meters.repairs.value++;
    const what = Number.isFinite(differences)
      ? { differences }
      : { table: held === null ? 'gone' : 'of another layout' };
    log.warn(what, 'somebody else changed the ruleset of the VIPs; it is put right');
  }

  async #write(groups: readonly (readonly Step[])[]): Promise<void> {
    for (const steps of chunksOf(groups, mostSteps).flatMap(splitShrinking)) {
      this.#writes++;
      await this.#options.kernel.transact(transactionText(steps));
      this.#confirm(steps);
    }
  }

  #confirm(steps: readonly Step[]): void {
    this.#ruleset.confirm(steps);
    this.#counters.replaced(steps);
    this.#meters.changes.value++;
    this.#meters.steps.value += steps.length;
  }

  /** The kernel has the spots of `touched` as they are now. */
  #settle(touched: ReadonlySet<string>): void {
    for (const key of touched) {
      const before = this.#known.get(key);
      const after = this.#spots.all.get(key);
      if (after === undefined) this.#known.delete(key);
      else this.#known.set(key, after);
      this.#departures.changed(before, after);
    }
  }

  /** A container that came with the change has a port that came with it. */
  #tend(): void {
    void this.#options.hairpins.tend(this.#options.surroundings().inside);
  }

  #unserved(): readonly string[] {
    const asked = new Set<string>();
    for (const { vip, options } of this.#known.values()) {
      for (const [option, label] of kernelCannot) {
        if (options[option] !== undefined)
          asked.add(`${vip}: ${label} is not kept by the kernel plane; plane: user does`);
      }
    }
    return [...asked].sort();
  }

  #watch(): void {
    if (this.#stopped || this.#timer !== null) return;
    this.#listen();
    this.#lookSoon(lookEveryMs);
  }

  #listen(): void {
    this.#watching ??= this.#options.kernel.watch(
      () => this.#lookSoon(50),
      () => (this.#watching = null),
    );
  }

  #lookSoon(ms: number): void {
    this.#timer?.cancel();
    if (this.#stopped) return;
    const { clock, log } = this.#options;
    this.#timer = clock.after(ms, () => {
      const startedAt = clock.monotonic();
      this.#listen();
      void this.look()
        .then(
          () => (this.#lookProblem = null),
          (error: unknown) => {
            const reason = messageOf(error);
            if (reason !== this.#lookProblem)
              log.error({ error: reason }, 'ruleset of the VIPs cannot be looked after');
            this.#lookProblem = reason;
          },
        )
        .then(() => this.#lookSoon(Math.max(lookEveryMs, (clock.monotonic() - startedAt) / lookShare)));
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** Options of a VIP that need somebody who reads or counts what the kernel only passes on. */
const kernelCannot = [['proxyProtocol', 'PROXY']] as const;

/** Chains of limits come and go with the VIPs that need them. */
function isSame(held: ReadonlyMap<string, number>, wanted: ReadonlyMap<string, number>): boolean {
  const fixed = [...held.keys()].filter((chain) => !isLimitChain(chain)).length;
  return fixed === wanted.size && [...wanted].every(([chain, rules]) => held.get(chain) === rules);
}

/** A limit whose chain somebody emptied counts as none, so that it is written again. */
function forgetBroken({ elements, rules }: HeldTable): void {
  for (const set of ['lim4', 'lim6'] as const) {
    for (const [key, value] of [...elements.of(set)]) {
      const chain = value.replace('goto ', '');
      if (rules.get(chain) !== limitRules(chain)) elements.follow([{ verb: 'delete', set, key, value }]);
    }
  }
}
