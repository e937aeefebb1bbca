// Puts the shared parts together, once for each proxy function.

import type { Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { connectForTunnel, isLoopback, openTunnel, type Metrics, type TcpListener } from '../../src/runtime/index.ts';
import { hostPort } from './address.ts';
import { createAdmissions, type Admission, type Admissions } from './admission.ts';
import { createDescriptorBudget } from './descriptors.ts';
import { createDialer, type Dialer, type DialRequest } from './dial.ts';
import { createGate, type Gate } from './gate.ts';
import type { ProxyOptions, RuledProxyOptions } from './options.ts';
import { createParents, type ParentLists, type Parents } from './parents.ts';
import { createLoopCheck, type LoopCheck } from './ranges.ts';
import { createRuleAccounts, type RuleAccounts } from './rule-account.ts';
import type { RuleConfig } from './rule-config.ts';
import { createRules, type AccessRequest, type Rules, type Verdict } from './rules.ts';
import { createSessions, type Session, type Sessions } from './session.ts';
import { limitsOf, timeoutsOf, type AccessLimits, type AccessTimeouts, type ProxyKind } from './settings.ts';
import { createUsers, type Users } from './users.ts';

export interface TunnelParts {
  readonly session: Session;
  readonly admission: Admission | null;
  /** Payload that was passed on before the tunnel opened. */
  readonly bytesUp?: number;
  readonly bytesDown?: number;
}

/** What may change while connections are open. Absent keys have their defaults. */
export type AccessChange = Pick<ProxyOptions, 'limits' | 'timeouts' | 'parents'>;

export interface AccessCore {
  /** In force now, as are the timeouts and the dialler: to be asked anew by each connection. */
  readonly limits: AccessLimits;
  readonly timeouts: AccessTimeouts;
  readonly gate: Gate;
  /** Users, apps and bandwidth. */
  readonly admissions: Admissions;
  readonly sessions: Sessions;
  /** Its sockets go to `openTunnel` unread. */
  readonly dialer: Dialer;
  readonly parents: Parents;
  readonly isLoop: LoopCheck;
  /** Takes others for what comes from now on; counts go on, and nothing that is open ends. */
  reconfigure(change: AccessChange): void;
  /** Joins the sockets of an allowed session under every timeout and limit; ends the session and releases its admission. */
  tunnel(downstream: Socket, upstream: Socket, parts: TunnelParts): void;
}

/** A request as the client made it, before anybody looked up where it leads. */
export type AskedFor = Omit<AccessRequest, 'ip' | 'own'>;

export interface RuledCore extends AccessCore {
  /** In force now. */
  readonly rules: Rules;
  /** Takes other rules; sessions that are open stay. */
  replaceRules(rules: readonly RuleConfig[]): void;
  /** Reads another users file, in the call. Not from or to no file. */
  replaceUsers(path: string | null): void;
  /** The verdict before anything is resolved: a denial is final, an `allow` of a name is judged again for each address. */
  preview(asked: AskedFor): Verdict;
  /** What the dialler is asked after `preview` gave `first`: with an address that a rule allows, `admission` is that rule's. */
  dialRequest(asked: AskedFor, first: Verdict, admission: Admission): Omit<DialRequest, 'signal'>;
  /** Counts a session that no dialler is asked for; `rule` as in `Verdict`. Else why the rule keeps it out. */
  followRule(admission: Admission, rule: number | null, client: string): 'limit' | 'rate' | null;
  /** Null where nobody is asked for a password. */
  readonly users: Users | null;
  /** Those that may be opened. */
  readonly listeners: readonly TcpListener[];
  problems(): readonly string[];
}

/** `sessions`: those of another core of the same function, where it has several. */
export function createAccessCore(subsystem: ProxyKind, options: ProxyOptions, sessions?: Sessions): AccessCore {
  const { clock, log, metrics, resolver } = options;
  const limits = { ...limitsOf(subsystem, options.limits, options.workers) };
  const timeouts = { ...timeoutsOf(subsystem, options.timeouts) };
  const connect = options.connect ?? ((host: string, port: number) => connectForTunnel({ host, port }));
  const isLoop = createLoopCheck(options.ownListeners, clock);
  const onHit = limitHits(subsystem, metrics);
  const parentsOf = (lists: ParentLists): Parents =>
    createParents({ lists, resolver, isLoop, connectMs: timeouts.connectMs, clock, log, metrics, subsystem });
  const dialerOf = (): Dialer =>
    createDialer({ ...timeouts, ...dialLimits(limits), onHit, resolver, connect, clock, parents });
  let lists = options.parents ?? {};
  let parents = parentsOf(lists);
  let dialer = dialerOf();
  const descriptors = createDescriptorBudget({ clock });
  const used = metrics.gauge(`${subsystem}_fd_used`, 'Descriptors of the process, as last counted.', []).cell();
  metrics.onRead(() => void (used.value = descriptors.used));
  const admissions = createAdmissions(limits, clock, onHit);
  return {
    limits,
    timeouts,
    gate: createGate(limits, clock, { onHit, descriptors }),
    admissions,
    sessions: sessions ?? createSessions({ subsystem, log, metrics, clock, sessionLog: options.sessionLog ?? null }),
    get dialer() {
      return dialer;
    },
    get parents() {
      return parents;
    },
    isLoop,
    reconfigure(change) {
      const { connectMs } = timeouts;
      Object.assign(limits, limitsOf(subsystem, change.limits, options.workers));
      Object.assign(timeouts, timeoutsOf(subsystem, change.timeouts));
      admissions.retune();
      const wanted = change.parents ?? {};
      // The same lists stay as they are: they know which of their parents failed.
      if (!isDeepStrictEqual(wanted, lists) || timeouts.connectMs !== connectMs) parents = parentsOf(wanted);
      lists = wanted;
      dialer = dialerOf();
    },
    tunnel(downstream, upstream, { session, admission, bytesUp: early = 0, bytesDown: ahead = 0 }) {
      openTunnel(downstream, upstream, {
        idleMs: admission?.timeouts.tunnelMs ?? timeouts.tunnelMs,
        halfCloseMs: admission?.timeouts.halfClosedMs ?? timeouts.halfCloseMs,
        lifetimeMs: admission?.timeouts.lifetimeMs ?? timeouts.lifetimeMs,
        shaper: admission?.shaper ?? null,
        clock,
        onEnd(result) {
          admission?.release();
          const bytes = { bytesUp: result.bytesUp + early, bytesDown: result.bytesDown + ahead };
          session.end({ verdict: 'allow', ...result, ...bytes });
        },
      });
    },
  };
}

/** Options of a dialler, for those that make one of their own. */
export const dialLimits = (limits: AccessLimits): { readonly mostDials: number; readonly mostLookups: number } => ({
  mostDials: limits.dialsPending,
  mostLookups: limits.dnsPending,
});

function limitHits(subsystem: ProxyKind, metrics: Metrics): (limit: string) => void {
  const hits = metrics.counter(`${subsystem}_limit_hits_total`, 'Connections that a limit kept out, by limit.', [
    'limit',
  ]);
  return (limit) => void hits.cell(limit).value++;
}

export function createRuledCore(subsystem: 'socks' | 'egress', options: RuledProxyOptions): RuledCore {
  const core = createAccessCore(subsystem, options);
  const { clock, log } = options;
  const compile = (list: readonly RuleConfig[]): Rules =>
    createRules({ rules: list, cluster: options.owners, isLoop: core.isLoop, parents: core.parents.names });
  let ruleList = options.rules;
  let rules = compile(ruleList);
  const accounts = createRuleAccounts(ruleList, clock, options.workers);
  const users =
    options.users === null
      ? null
      : createUsers({ path: options.users, clock, log, wrongPasswords: () => core.limits.wrongPasswords });
  const clear = options.listeners.filter((listener) => users !== null && !mayAskInClear(listener, options));
  const refused = clear.map(
    ({ address, port }) =>
      `${hostPort(address, port)} would carry passwords in clear beyond loopback; set clearAuth: true to accept that`,
  );
  return {
    ...core,
    get dialer() {
      return core.dialer;
    },
    get parents() {
      return core.parents;
    },
    get rules() {
      return rules;
    },
    replaceRules(list) {
      rules = compile((ruleList = list));
      accounts.follow(list);
    },
    replaceUsers: (path) => void (path !== null && users?.follow(path)),
    reconfigure(change) {
      core.reconfigure(change);
      rules = compile(ruleList);
    },
    preview(asked) {
      const { destination } = asked;
      if (destination.kind === 'ip') return rules.judge({ ...asked, ip: destination.ip, own: false });
      return rules.judge({ ...asked, ip: null, own: options.resolver.lookup(destination.name) !== undefined });
    },
    followRule: (admission, rule, client) => admission.follow(accounts.now.at(rule), client),
    dialRequest: (asked, first, admission) => ({
      ...{ destination: asked.destination, port: asked.port, admit: admitter(accounts.now, asked, first, admission) },
      // Of an address the first verdict is the last.
      judge:
        asked.destination.kind === 'ip'
          ? () => first
          : (ip, own, aliases = none) => rules.judge({ ...asked, ip, own, aliases }),
      client: asked.client,
      throughParent: first.byName === true ? first.via : null,
    }),
    users,
    listeners: options.listeners.filter((listener) => !clear.includes(listener)),
    problems: () => [...rules.problems, ...refused, ...(users?.problems() ?? [])],
  };
}

const none: readonly string[] = [];

/** By the rules that judge: they may be others when a name has been resolved. */
function admitter(accounts: RuleAccounts, { client }: AskedFor, first: Verdict, admission: Admission) {
  if (accounts.isEmpty) return null;
  // A parent that gets the name is no address's affair.
  return (rule: number | null) => admission.follow(accounts.at(rule ?? first.rule), client);
}

const mayAskInClear = (listener: TcpListener, options: RuledProxyOptions): boolean =>
  options.clearAuth === true || isLoopback(listener.address);
