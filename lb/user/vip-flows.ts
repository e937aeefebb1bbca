// The TCP connections of a VIP by backend. Those of a backend that is gone from the table go on until a deadline, then they are reset.

import type { Backend } from '../../src/cluster/index.ts';
import type { Clock, Timer } from '../../src/runtime/index.ts';

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

/** `onCut` hears how many were reset. */
export function createVipFlows(clock: Clock, onCut: (count: number) => void): VipFlows {
  const groups = new Map<string, Group>();
  let present: ReadonlySet<string> = new Set();
  let drainMs = 0;

  function expireLater(group: Group): void {
    if (drainMs === 0 || group.deadline !== null) return;
    group.deadline = clock.after(drainMs, () => {
      group.deadline = null;
      const flows = [...group.flows];
      onCut(flows.length);
      for (const flow of flows) flow.destroy();
    });
  }

  function stay(group: Group): void {
    group.deadline?.cancel();
    group.deadline = null;
  }

  return {
    enter(backend, flow) {
      let group = groups.get(backend);
      if (group === undefined) groups.set(backend, (group = { flows: new Set(), deadline: null }));
      group.flows.add(flow);
      if (!present.has(backend)) expireLater(group);
    },
    leave(backend, flow) {
      const group = groups.get(backend);
      if (group?.flows.delete(flow) !== true || group.flows.size > 0) return;
      stay(group);
      groups.delete(backend);
    },
    follow(backends, limitMs) {
      present = new Set(backends.map(({ key }) => key));
      drainMs = limitMs;
      for (const [key, group] of groups) {
        if (present.has(key)) stay(group);
        else expireLater(group);
      }
    },
  };
}
