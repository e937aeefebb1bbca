// What every proxy function is made of.

import type { Resolver } from '../../src/ports/index.ts';
import type { Clock, Logger, Metrics, Random, TcpListener } from '../../src/runtime/index.ts';
import type { ParentLists } from './parents.ts';
import type { Connect } from './race.ts';
import type { RuleConfig } from './rule-config.ts';
import type { SessionLog } from './session-lines.ts';
import type { ClusterKnowledge } from './rules.ts';
import type { AccessLimits, AccessTimeouts } from './settings.ts';

export interface ProxyOptions {
  readonly listeners: readonly TcpListener[];
  readonly resolver: Resolver;
  /** `host:port` of everything that the daemon listens on, as of now: connections to them are loops and are refused. */
  readonly ownListeners: () => readonly string[];
  readonly limits?: Partial<AccessLimits>;
  readonly timeouts?: Partial<AccessTimeouts>;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  /** How a connection to an address is started; the system's where absent. */
  readonly connect?: Connect;
  /** Lists of parents by name; absent: none. */
  readonly parents?: ParentLists;
  /** Where ended sessions are told; null or absent: in the log. */
  readonly sessionLog?: SessionLog | null;
  /** Workers that share the listeners and, in equal parts, the limits; 1 where absent. */
  readonly workers?: number;
}

/** Of those that ask who may reach what. */
export interface RuledProxyOptions extends ProxyOptions {
  readonly rules: readonly RuleConfig[];
  /** Path of the users file; null: nobody is asked for a password. */
  readonly users: string | null;
  readonly owners: ClusterKnowledge;
  /** Accept passwords on clear listeners beyond loopback. */
  readonly clearAuth?: boolean;
}
