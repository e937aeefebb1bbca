// The TCP connections of a VIP by backend. Those of a backend that is gone from the table go on until a deadline, then they are reset.

import type { Backend } from '../../src/cluster/index.ts';
import type { Cell, Clock, Timer } from '../../src/runtime/index.ts';

export interface Flow {
  /** Resets both sides. */
  destroy(): void;
}

export interface VipFlows {
  enter(backend: string, flow: Flow): void;
  /** Once for each `enter`. */
  leave(backend: string, flow: Flow): void;
  /**
   * `backends` are there now; the connections of others end `drainMs` after they went, unless they come back before; 0: when they like.
   */
  follow(backends: readonly Backend[], drainMs: number): void;
}

interface Group {
  readonly flows: Set<Flow>;
  deadline: Timer | null;
}

/** `cut` counts those that were reset. Most VIPs of a large cluster never see a connection: until then there is little of this. */
export function createVipFlows(clock: Clock, cut: Cell): VipFlows {
  return new FlowGroups(clock, cut);
}

class FlowGroups implements VipFlows {
  readonly #clock: Clock;
  readonly #cut: Cell;
  #groups: Map<string, Group> | null = null;
  #backends: readonly Backend[] = [];
  /** Their keys, gathered when the first connection comes. */
  #present: ReadonlySet<string> | null = null;
  #drainMs = 0;

  constructor(clock: Clock, cut: Cell) {
    this.#clock = clock;
    this.#cut = cut;
  }

  enter(backend: string, flow: Flow): void {
    const groups = (this.#groups ??= new Map<string, Group>());
    let group = groups.get(backend);
    if (group === undefined) groups.set(backend, (group = { flows: new Set(), deadline: null }));
    group.flows.add(flow);
    if (!this.#isPresent(backend)) this.#expireLater(group);
  }

  leave(backend: string, flow: Flow): void {
    const group = this.#groups?.get(backend);
    if (group?.flows.delete(flow) !== true || group.flows.size > 0) return;
    stay(group);
    this.#groups?.delete(backend);
  }

  follow(backends: readonly Backend[], drainMs: number): void {
    this.#backends = backends;
    this.#present = null;
    this.#drainMs = drainMs;
    for (const [key, group] of this.#groups ?? []) {
      if (this.#isPresent(key)) stay(group);
      else this.#expireLater(group);
    }
  }

  #isPresent(key: string): boolean {
    return (this.#present ??= new Set(this.#backends.map((backend) => backend.key))).has(key);
  }

  #expireLater(group: Group): void {
    if (this.#drainMs === 0 || group.deadline !== null) return;
    group.deadline = this.#clock.after(this.#drainMs, () => {
      group.deadline = null;
      const flows = [...group.flows];
      this.#cut.value += flows.length;
      for (const flow of flows) flow.destroy();
    });
  }
}

function stay(group: Group): void {
  group.deadline?.cancel();
  group.deadline = null;
}
