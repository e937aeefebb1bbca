// The function `vips` of a worker: VIPs balanced in user space, without privilege where addresses and ports allow.

import type { Clock, Logger, Metrics, OpenAddresses, Random } from '../../src/runtime/index.ts';
import type { Policy, Plane, TrafficFunction } from '../../src/ports/index.ts';
import { createLedger } from '../policies/ledger.ts';
import { policyOf, type PolicyName, type PolicyTools } from '../policies/policies.ts';
import type { VipRecord } from '../vip-record.ts';
import { createVipConnections, type VipTimeouts } from './vip-connections.ts';
import { createVipMeters } from './vip-meters.ts';
import { VipPlane } from './vip-plane.ts';
import { createVipSessions } from './vip-sessions.ts';

export interface VipFunctionOptions {
  /** Several workers open the same addresses, each for itself (reusePort). */
  readonly workers: boolean;
  /** Of VIPs whose labels name none. */
  readonly policy: PolicyName;
  /** What policies know beside the set; absent: a ledger of our own, and neither slow start nor panic. */
  readonly balancing?: Pick<PolicyTools, 'ledger' | 'slowStartMs' | 'panicRatio' | 'isLocal'>;
  readonly timeouts: VipTimeouts;
  /** Of all VIPs together, in this worker; further ones are reset. Absent or 0: no limit. */
  readonly mostConnections?: number;
  /** The same of one client: an IPv4 address or an IPv6 /64, loopback never. */
  readonly mostPerClient?: number;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
}

export interface VipFunction extends TrafficFunction {
  readonly plane: Plane<VipRecord>;
  /** Open addresses: `tcp NAME:PORT` or `udp IP:PORT` to `IP:PORT`; `tcp6` and `udp6` for the IPv6 address of a name. */
  readonly addresses: OpenAddresses;
  /** What of the table is not served, a line each, with what would help. */
  problems(): readonly string[];
  /**
   * The TCP VIP at an address or a name: `web.marathon`, or `/web` as its label says where that is clear. Null: there is none. For
   * those that dial VIPs without going through their address.
   */
  lookup(nameOrIp: string, port: number): VipRecord | null;
}

export function createVipFunction(options: VipFunctionOptions): VipFunction {
  const { workers, log, clock, random } = options;
  const meters = createVipMeters(options.metrics);
  const { timeouts, mostConnections = 0, mostPerClient = 0 } = options;
  const connections = createVipConnections({ timeouts, mostConnections, mostPerClient, clock, meters });
  const idleMs = timeouts.udpMs ?? usualUdpMs;
  const sessions = createVipSessions({ idleMs, mostSessions: mostConnections, mostPerClient, clock, meters });
  const plane = new VipPlane({
    ...{ workers, connections, sessions, meters, log, clock, random },
    hashOfNobody: () => (random() * 0x100000000) >>> 0,
    policyName: options.policy,
    policyNamed: policiesWith({ ledger: createLedger(), ...options.balancing, clock, random }),
    drainMs: timeouts.drainMs ?? 0,
  });
  return {
    name: 'vips',
    plane,
    /** VIPs come and go and are retried one by one: what cannot be opened is among the problems, and never a reason not to start. */
    start: () => plane.open(),
    async drain(deadlineMs) {
      await plane.close();
      await connections.drained(deadlineMs);
    },
    async stop() {
      connections.destroy();
      await plane.close();
      sessions.destroy();
      // What was accepted while the queue was drained.
      connections.destroy();
    },
    addresses: plane.addresses,
    problems: () => plane.problems(),
    lookup: (nameOrIp, port) => plane.lookup(nameOrIp, port),
  };
}

const usualUdpMs = 60_000;

/** One policy of each name for all VIPs. */
function policiesWith(tools: PolicyTools): (name: string) => Policy {
  const made = new Map<string, Policy>();
  return (name) => {
    let policy = made.get(name);
    if (policy === undefined) made.set(name, (policy = policyOf({ policy: name }, tools)));
    return policy;
  };
}
