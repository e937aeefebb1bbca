// The function `vips` of a worker: TCP VIPs balanced in user space, without privilege where addresses and ports allow.

import type { Plane, TrafficFunction } from '../../src/ports/index.ts';
import type { Clock, Logger, Metrics, Random } from '../../src/runtime/index.ts';
import { policyNamed, type PolicyName } from '../policies/policies.ts';
import type { VipRecord } from '../vip-record.ts';
import { createVipConnections, type VipTimeouts } from './vip-connections.ts';
import { createVipMeters } from './vip-meters.ts';
import { VipPlane } from './vip-plane.ts';

export interface VipFunctionOptions {
  /** Several workers open the same addresses, each for itself (reusePort). */
  readonly workers: boolean;
  readonly policy: PolicyName;
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
  /** Open addresses: `tcp NAME:PORT` or `tcp IP:PORT` to `IP:PORT`; `tcp6` for the IPv6 address of a name. */
  listeners(): Readonly<Record<string, string>>;
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
  const connections = createVipConnections({ timeouts, mostConnections, mostPerClient, clock, random, meters });
  const policy = policyNamed(options.policy, random);
  const plane = new VipPlane({ workers, policy, connections, meters, log, clock, random });
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
      // What was accepted while the queue was drained.
      connections.destroy();
    },
    listeners: () => plane.listeners(),
    problems: () => plane.problems(),
    lookup: (nameOrIp, port) => plane.lookup(nameOrIp, port),
  };
}
