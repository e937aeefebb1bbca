// Departures: what becomes of the flows of a backend that takes no new ones. Of UDP they move at once, since nothing ends them; of TCP they go
// on while the backend is in the table, and once it is gone until a deadline, after which they end with a reset and not with a hang.

import type { Backend } from '../../src/cluster/index.ts';
import { messageOf, type Cell, type Clock, type Logger, type Metrics, type Timer } from '../../src/runtime/index.ts';
import type { Flows, Path } from './flows.ts';
import type { Spot } from './spots.ts';

export interface DepartureOptions {
  readonly flows: Flows;
  /** Milliseconds that TCP flows of a backend that is gone may go on; 0: as long as they like. A VIP's own option goes first. */
  readonly drainMs: number;
  readonly spots: ReadonlyMap<string, Spot>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

const nftAddress = ({ ip, port }: Backend): string => `${ip} . ${port}`;

const isTaking = ({ weight }: Backend): boolean => weight > 0;

export class Departures {
  readonly #options: DepartureOptions;
  readonly #ended: { readonly moved: Cell; readonly deadline: Cell };
  readonly #timers = new Map<string, Timer>();
  #queue: Promise<void> = Promise.resolve();
  #waiting = new Set<string>();
  #problem: string | null = null;

  constructor(options: DepartureOptions) {
    this.#options = options;
    const ended = options.metrics.counter(
      'lb_kernel_flows_ended_total',
      'Flows in the kernel that were ended because their backend is gone: UDP at once (moved), TCP at its deadline.',
      ['reason'],
    );
    this.#ended = { moved: ended.cell('moved'), deadline: ended.cell('deadline') };
  }

  /** Why flows cannot be ended; null: they can, as far as we know. */
  get problem(): string | null {
    return this.#problem;
  }

  /**
   * A spot is not what it was; undefined: not there. The kernel must have the new one already: what is ended must not find its way
   * back.
   */
  changed(before: Spot | undefined, after: Spot | undefined): void {
    const { key: spot, protocol } = before ?? after ?? { key: '', protocol: 'tcp' };
    const left = (backends: readonly Backend[] = [], staying: ReadonlySet<string>): readonly Path[] =>
      backends
        .map((backend) => ({ spot, backend: nftAddress(backend) }))
        .filter(({ backend }) => !staying.has(backend));
    if (protocol === 'udp') {
      for (const path of left(
        before?.backends.filter(isTaking),
        new Set(after?.backends.filter(isTaking).map(nftAddress)),
      ))
        this.#end(path, this.#ended.moved);
      return;
    }
    const present = new Set(after?.backends.map(nftAddress));
    for (const backend of present) this.#stay({ spot, backend });
    for (const path of left(before?.backends, present)) this.#endLater(path, after ?? before);
  }

  /** After a start: ends what became an orphan while nobody looked. `former` are spots that the kernel knew. */
  async sweep(former: ReadonlySet<string>): Promise<void> {
    try {
      for (const path of await this.#options.flows.list()) {
        const spot = this.#options.spots.get(path.spot);
        if (spot === undefined && !former.has(path.spot)) continue;
        const isUdp = path.spot.includes(' . udp . ');
        const keeps = spot?.backends.some((one) => nftAddress(one) === path.backend && (!isUdp || isTaking(one)));
        if (keeps === true) continue;
        if (isUdp) this.#end(path, this.#ended.moved);
        else this.#endLater(path, spot);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #endLater(path: Path, spot: Spot | undefined): void {
    const id = idOf(path);
    const deadlineMs = spot?.options.drainMs ?? this.#options.drainMs;
    if (deadlineMs === 0 || this.#timers.has(id)) return;
    const timer = this.#options.clock.after(deadlineMs, () => {
      this.#timers.delete(id);
      this.#end(path, this.#ended.deadline);
    });
    this.#timers.set(id, timer);
  }

  #stay(path: Path): void {
    this.#timers.get(idOf(path))?.cancel();
    this.#timers.delete(idOf(path));
  }

  /** One at a time: each reads the whole table of flows. */
  #end(path: Path, counter: Cell): void {
    const id = idOf(path);
    if (this.#waiting.has(id)) return;
    this.#waiting.add(id);
    this.#queue = this.#queue.then(async () => {
      this.#waiting.delete(id);
      try {
        counter.value += await this.#options.flows.end(path);
        this.#problem = null;
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  #fail(error: unknown): void {
    const reason = messageOf(error);
    if (reason !== this.#problem)
      this.#options.log.error(
        { error: reason },
        'flows of backends that are gone cannot be ended; clients may hang on them',
      );
    this.#problem = reason;
  }
}

const idOf = ({ spot, backend }: Path): string => `${spot} ${backend}`;
