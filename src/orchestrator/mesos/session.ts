// Session: what the streaming, the reading and the polling half of one Mesos source share.

import type { AgentId, MasterAddress } from '../../cluster/index.ts';
import { sleep, type Clock, type Logger, type Random } from '../../runtime/index.ts';
import type { Meters } from '../meters.ts';
import type { Outbox } from '../outbox.ts';
import { createSlices } from '../slices.ts';
import type { AttemptOptions } from './attempt.ts';
import { mastersOf } from './masters.ts';
import type { MesosPicture } from './picture.ts';
import { MesosState } from './state.ts';

/** Every wait of a source, in milliseconds. */
export interface MesosLimits {
  readonly connectMs: number;
  readonly firstByteMs: number;
  /** Silence of a stream without heartbeats so far, and the least that is allowed with them. */
  readonly idleMs: number;
  /** Between two readings of the whole state beside a healthy stream. */
  readonly rereadMs: number;
  /** The same after a task of an unknown executor or an update of an unknown task. */
  readonly executorsMs: number;
  /** The same while the master waits for agents. */
  readonly recoveredMs: number;
  /** The same while a picture is doubted. */
  readonly doubtMs: number;
  /** The same where there is no stream at all. */
  readonly pollMs: number;
  /** After this, polling gives the stream another chance. */
  readonly retryStreamMs: number;
  readonly staggerMs: number;
  /** How exactly the above are kept. */
  readonly tickMs: number;
}

export const mesosLimits: MesosLimits = {
  connectMs: 5000,
  firstByteMs: 30_000,
  idleMs: 45_000,
  rereadMs: 300_000,
  executorsMs: 5000,
  recoveredMs: 15_000,
  doubtMs: 30_000,
  pollMs: 15_000,
  retryStreamMs: 600_000,
  staggerMs: 200,
  tickMs: 1000,
};

/** How often a stream that speaks is said to. */
const heardEveryMs = 5000;

export interface SessionOptions {
  readonly name: string;
  /** May change where they are found rather than listed. */
  readonly masters: readonly URL[];
  readonly attempts: AttemptOptions;
  readonly limits: MesosLimits;
  /** The most that the stream's first record may take. */
  readonly recordBytes: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly meters: Meters;
  readonly outbox: Outbox;
}

export class MesosSession {
  readonly options: SessionOptions;
  readonly state: MesosState;
  readonly #noticed = new Set<string>();
  #isLost = false;
  /** The picture that is being folded, a slice at a time. */
  #loading: Promise<void> | null = null;
  #synced = false;
  #awaited: ReadonlySet<AgentId> = new Set();
  #heardAt = 0;
  #masters = mastersOf([], null);
  #resting = new AbortController();

  constructor(options: SessionOptions) {
    this.options = options;
    this.state = new MesosState({
      onSkipped: (reason) => this.skipped(reason),
      onNotice: (key, fields, message) => {
        if (this.#noticed.has(key)) return;
        this.#noticed.add(key);
        options.log.warn({ source: options.name, ...fields }, message);
      },
    });
  }

  get now(): number {
    return this.options.clock.monotonic();
  }

  skipped(reason: string): void {
    this.options.meters.skipped(reason);
  }

  /** Waits; shorter where `hurry` is called meanwhile. */
  async rest(ms: number, signal: AbortSignal): Promise<void> {
    this.#resting = new AbortController();
    await sleep(this.options.clock, ms, AbortSignal.any([signal, this.#resting.signal]));
  }

  /** There are other masters to be asked. */
  hurry(): void {
    this.#resting.abort();
  }

  /** The source answers. */
  contact(): void {
    this.#isLost = false;
    this.#heardAt = this.now;
    this.options.outbox.put([{ type: 'contact', source: this.options.name, at: this.options.clock.now() }]);
  }

  /** A record came: told now and then, so that the age of the picture stays true. */
  heard(): void {
    if (this.now - this.#heardAt >= heardEveryMs) this.contact();
  }

  /** The source does not answer; told once, then again only with another reason. */
  lost(reason: string): void {
    const { name, clock, log, outbox } = this.options;
    if (this.#isLost) log.debug({ source: name, reason }, 'Mesos still does not answer');
    else log.warn({ source: name, reason }, 'Lost contact with Mesos: what it said last keeps serving');
    this.#isLost = true;
    outbox.put([{ type: 'lost-contact', source: name, at: clock.now(), reason }]);
  }

  masters(leader: MasterAddress | null): void {
    const known = mastersOf(this.options.masters, leader);
    this.#masters = known;
    if (this.#synced) this.options.outbox.put([{ type: 'masters', masters: known }]);
  }

  /** Folds a picture; tells it as a resync at first and after a gap, else as differences. */
  async load(picture: MesosPicture, afterGap: boolean): Promise<void> {
    while (this.#loading !== null) await this.#loading;
    this.#loading = this.#load(picture, afterGap).finally(() => (this.#loading = null));
    await this.#loading;
  }

  async #load(picture: MesosPicture, afterGap: boolean): Promise<void> {
    const events = await this.state.load(picture, this.now, createSlices(this.options.clock));
    this.#tellAwaited(picture);
    if (afterGap || !this.#synced) this.#resync();
    else this.options.outbox.put(events);
  }

  /** Agents are back when a picture shows them that may show tasks too. */
  #tellAwaited({ recovered, frameworks, tasks }: MesosPicture): void {
    const awaited = frameworks.size + tasks.size === 0 ? recovered.union(this.#awaited) : recovered;
    if (awaited.symmetricDifference(this.#awaited).size === 0) return;
    this.#awaited = awaited;
    this.options.outbox.put([{ type: 'awaited', agents: awaited }]);
  }

  /** Folds one event of the stream, after the picture that is being folded. */
  async apply(event: unknown): Promise<void> {
    while (this.#loading !== null) await this.#loading;
    this.options.outbox.put(this.state.apply(event, this.now));
  }

  tick(): void {
    const due = this.#loading === null ? this.state.nextTick : null;
    if (due !== null && due <= this.now) this.options.outbox.put(this.state.tick(this.now));
  }

  #resync(): void {
    const { tables } = this.state;
    this.#synced = true;
    const picture = {
      tasks: [...tables.tasks.values()],
      agents: [...tables.agents.values()],
      frameworks: [...tables.frameworks.values()],
      apps: [],
      masters: this.#masters,
    };
    this.options.outbox.put([{ type: 'resync', picture }]);
  }
}
