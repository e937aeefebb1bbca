// Puts the shared parts together, once for each proxy function.

import { connectForTunnel, isLoopback, type TcpListener } from '../../src/runtime/index.ts';
import { hostPort } from './address.ts';
import { createDialer, type Dialer } from './dial.ts';
import { createGate, type Gate } from './gate.ts';
import type { ProxyOptions, RuledProxyOptions } from './options.ts';
import { createLoopCheck, type LoopCheck } from './ranges.ts';
import { createRules, type AccessRequest, type Rules, type Verdict } from './rules.ts';
import { createSessions, type Sessions } from './session.ts';
import { limitsOf, timeoutsOf, type AccessLimits, type AccessTimeouts, type ProxyKind } from './settings.ts';
import { createUsers, type Users } from './users.ts';

export interface AccessCore {
  readonly limits: AccessLimits;
  readonly timeouts: AccessTimeouts;
  readonly gate: Gate;
  readonly sessions: Sessions;
  /** Its sockets go to `openTunnel` unread. */
  readonly dialer: Dialer;
  readonly isLoop: LoopCheck;
}

/** A request as the client made it, before anybody looked up where it leads. */
export type AskedFor = Omit<AccessRequest, 'ip' | 'own'>;

export interface RuledCore extends AccessCore {
  readonly rules: Rules;
  /** The verdict before anything is resolved: a denial is final, an `allow` of a name is judged again for each address. */
  preview(asked: AskedFor): Verdict;
  /** Null where nobody is asked for a password. */
  readonly users: Users | null;
  /** Those that may be opened. */
  readonly listeners: readonly TcpListener[];
  problems(): readonly string[];
}

/** `sessions`: those of another core of the same function, where it has several. */
export function createAccessCore(subsystem: ProxyKind, options: ProxyOptions, sessions?: Sessions): AccessCore {
  const { clock, log, metrics, resolver } = options;
  const limits = limitsOf(subsystem, options.limits);
  const timeouts = timeoutsOf(subsystem, options.timeouts);
  const connect = options.connect ?? ((host: string, port: number) => connectForTunnel({ host, port }));
  return {
    limits,
    timeouts,
    gate: createGate(limits, clock),
    sessions: sessions ?? createSessions({ subsystem, log, metrics, clock }),
    dialer: createDialer({ ...timeouts, resolver, connect, clock }),
    isLoop: createLoopCheck(options.ownListeners, clock),
  };
}

export function createRuledCore(subsystem: 'socks' | 'egress', options: RuledProxyOptions): RuledCore {
  const core = createAccessCore(subsystem, options);
  const { clock, log } = options;
  const rules = createRules({ rules: options.rules, cluster: options.owners, isLoop: core.isLoop });
  const wrongPasswords = core.limits.wrongPasswords;
  const users = options.users === null ? null : createUsers({ path: options.users, clock, log, wrongPasswords });
  const clear = options.listeners.filter((listener) => users !== null && !mayAskInClear(listener, options));
  const refused = clear.map(
    ({ address, port }) =>
      `${hostPort(address, port)} would carry passwords in clear beyond loopback; set clearAuth: true to accept that`,
  );
  return {
    ...core,
    rules,
    preview(asked) {
      const { destination } = asked;
      if (destination.kind === 'ip') return rules.judge({ ...asked, ip: destination.ip, own: false });
      return rules.judge({ ...asked, ip: null, own: options.resolver.lookup(destination.name) !== undefined });
    },
    users,
    listeners: options.listeners.filter((listener) => !clear.includes(listener)),
    problems: () => [...rules.problems, ...refused, ...(users?.problems() ?? [])],
  };
}

const mayAskInClear = (listener: TcpListener, options: RuledProxyOptions): boolean =>
  options.clearAuth === true || isLoopback(listener.address);
