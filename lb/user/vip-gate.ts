// Who may connect to a VIP whose labels limit that: its networks, how fast, and how many at a time.

import { sameRecord } from '../../src/cluster/index.ts';
import { compileCidrs, type Clock } from '../../src/runtime/index.ts';
import type { VipOptions } from '../vip-options.ts';
import { createClientCount } from './client-count.ts';
import { createClientRate } from './client-rate.ts';

export type GateRefusal = 'allow' | 'rate' | 'limit';

export interface VipGate {
  /** The limits that it was made of. */
  readonly limits: Limits;
  /** Null: come in, and `leave` later. Labels count loopback too: they mean this VIP, whoever calls. */
  enter(client: string): GateRefusal | null;
  leave(client: string): void;
}

type Limits = Pick<VipOptions, 'allow' | 'rate' | 'connections'>;

/** Null where the options limit nothing. `former` goes on where the limits are the same, and so do its counts. */
export function gateOf(options: VipOptions | undefined, former: VipGate | null, clock: Clock): VipGate | null {
  const { allow, rate, connections } = options ?? {};
  if (allow === undefined && rate === undefined && connections === undefined) return null;
  const limits: Limits = {
    ...(allow === undefined ? {} : { allow }),
    ...(rate === undefined ? {} : { rate }),
    ...(connections === undefined ? {} : { connections }),
  };
  if (former !== null && sameRecord(former.limits, limits)) return former;
  const allowed = allow === undefined ? null : compileCidrs(allow).matcher;
  const pace = rate === undefined ? null : createClientRate(rate, clock);
  const count = createClientCount(connections ?? 0, () => false);
  return {
    limits,
    enter(client) {
      if (allowed !== null && !allowed.has(client)) return 'allow';
      if (pace !== null && !pace.take(client)) return 'rate';
      return count.enter(client) ? null : 'limit';
    },
    leave: (client) => count.leave(client),
  };
}
