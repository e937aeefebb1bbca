// Merging: several sources as one. Each keeps its own tables; what follows from all of them is told as if one source had said it.

import type { ClusterEvent } from '../cluster/index.ts';
import type { Orchestrator } from '../ports/index.ts';
import { systemClock, type Clock } from '../runtime/index.ts';
import { HostNames, type HostLookup } from './host-names.ts';
import { MergeState } from './merge-state.ts';
import { watchBy, type Outbox } from './outbox.ts';
import { createStepQueue, type StepQueue, type Steps } from './slices.ts';

export interface MergeOptions {
  /** Of the merged source; its parts speak of contact and loss under their own names. */
  readonly name?: string | undefined;
  readonly clock?: Clock | undefined;
  /**
   * Whether apps may be made up from the labels of tasks: to be set where no Marathon is configured. A file that brings apps ends it
   * all the same. `all`: of tasks without labels too.
   */
  readonly inferApps?: boolean | 'all' | undefined;
  /** Finds the addresses of agents and frameworks that have but a host name; default: as this machine does. */
  readonly lookup?: HostLookup | undefined;
  /** Whether hosts that tasks of Marathon name are looked up: to be set where no Mesos tells the addresses of agents. */
  readonly taskHosts?: boolean | undefined;
  /** How long the first picture waits for sources that have not answered yet, in milliseconds. */
  readonly patienceMs?: number | undefined;
}

const defaultPatienceMs = 3000;

/**
 * One orchestrator out of several. Tasks are joined by framework and task id: Mesos speaks for life, agent, addresses and discovery
 * ports, Marathon for app, version, health, readiness and the order of host ports; a Marathon of unknown framework id is joined by its
 * framework's name. The first resync comes when every source has given its first picture, or after the patience when at least one has.
 * A later resync of one source is told as differences.
 */
export function mergeOrchestrators(sources: readonly Orchestrator[], options: MergeOptions = {}): Orchestrator {
  return {
    name: options.name ?? 'cluster',
    watch: (signal) => watchBy(signal, (outbox, stopping) => new Merging(sources, options, outbox).run(stopping)),
  };
}

class Merging {
  readonly #sources: readonly Orchestrator[];
  readonly #state: MergeState;
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #lookup: HostLookup | undefined;
  readonly #taskHosts: boolean;
  /** Folding and settling, one after the other: half a picture is never settled. */
  readonly #steps: StepQueue;
  readonly #failed = new AbortController();
  #isPatient = true;
  #started = false;

  constructor(sources: readonly Orchestrator[], options: MergeOptions, outbox: Outbox) {
    this.#sources = sources;
    this.#state = new MergeState(sources.length, options.inferApps ?? false);
    this.#outbox = outbox;
    this.#clock = options.clock ?? systemClock;
    this.#lookup = options.lookup;
    this.#taskHosts = options.taskHosts ?? false;
    this.#patienceMs = options.patienceMs ?? defaultPatienceMs;
    this.#steps = createStepQueue(this.#clock, (error) => this.#failed.abort(error));
  }

  /** Follows all sources until `signal` aborts; a source that throws (a bug) ends the others. */
  async run(signal: AbortSignal): Promise<void> {
    const failed = this.#failed;
    const stopping = AbortSignal.any([signal, failed.signal]);
    const timer = this.#clock.after(this.#patienceMs, () => {
      this.#isPatient = false;
      this.#steps.add(() => this.#tell());
    });
    const following = this.#sources.map((source, index) =>
      this.#follow(source, index, stopping).catch((error: unknown) => failed.abort(error)),
    );
    await Promise.all(following);
    timer.cancel();
    await this.#steps.idle();
    if (failed.signal.aborted) throw failed.signal.reason as Error;
  }

  async #follow(source: Orchestrator, index: number, signal: AbortSignal): Promise<void> {
    const fold = (events: readonly ClusterEvent[]): void => this.#steps.add(() => this.#take(index, events));
    const hosts = new HostNames({
      clock: this.#clock,
      lookup: this.#lookup,
      ofTasks: this.#taskHosts,
      onFound: fold,
    });
    try {
      for await (const batch of source.watch(signal)) {
        this.#outbox.put(batch.filter(isContact));
        fold(hosts.fill(batch));
        await this.#steps.idle();
        await this.#outbox.room();
      }
    } finally {
      hosts.stop();
    }
  }

  *#take(index: number, events: readonly ClusterEvent[]): Steps {
    yield* this.#state.fold(index, events);
    yield* this.#tell();
  }

  *#tell(): Steps {
    if (!this.#started && !this.#mayStart()) return;
    yield* this.#state.settle();
    if (this.#started) this.#outbox.put(this.#state.take());
    else this.#outbox.put([{ type: 'resync', picture: this.#state.picture() }]);
    this.#started = true;
  }

  #mayStart(): boolean {
    const synced = this.#sources.filter((_, index) => this.#state.isSynced(index)).length;
    return synced === this.#sources.length || (!this.#isPatient && synced > 0);
  }
}

const isContact = (event: ClusterEvent): boolean => event.type === 'contact' || event.type === 'lost-contact';
