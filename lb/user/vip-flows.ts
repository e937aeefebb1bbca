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
  let backends: readonly Backend[] = [];
  /** Their keys, gathered when the first connection comes. */
  let present: ReadonlySet<string> | null = null;
  let drainMs = 0;

  const isPresent = (key: string): boolean => (present ??= new Set(backends.map((backend) => backend.key))).has(key);

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
      if (!isPresent(backend)) expireLater(group);
    },
    leave(backend, flow) {
      const group = groups.get(backend);
      if (group?.flows.delete(flow) !== true || group.flows.size > 0) return;
      stay(group);
      groups.delete(backend);
    },
    follow(now, limitMs) {
      backends = now;
      present = null;
      drainMs = limitMs;
      for (const [key, group] of groups) {
        if (isPresent(key)) stay(group);
        else expireLater(group);
      }
    },
  };
}
