// A service as requests see it: who is chosen, by what, how it is called, and what is counted. Its backends change with tasks, its settings
// with labels; requests hold the service and read what is in it at the moment.

import type { Backend, BackendKey } from '../../src/cluster/index.ts';
import type { Picker, Policy } from '../../src/ports/index.ts';
import type { Clock, Random } from '../../src/runtime/index.ts';
import { introducedTarget, type IntroducedPeer } from './introduction.ts';
import { breakerOf, type BreakerState, type CircuitBreaker } from './circuit-breaker.ts';
import { upstreamTls } from './upstream-tls.ts';
import { hashesRequests, policyOf, type HashKey, type PolicyTools } from '../../lb/index.ts';
import { defaultUpstreamTimeouts, type UpstreamTarget, type UpstreamTimeouts } from '../http1/index.ts';
import type { BackendMeter, RouterMetrics } from './router-metrics.ts';
import { retryRuleOf, type RetryRule } from './retry-rule.ts';
import type { SetEntry } from './route-record.ts';
import type { ServiceEntry, ServiceTimeouts } from './service-record.ts';
import type { Mirror } from './traffic-record.ts';
import { compileSticky, serverName, type StickySessions } from './sticky-cookie.ts';

/** A backend as this service calls it. */
export interface BackendTarget extends UpstreamTarget {
  readonly meter: BackendMeter;
  /** Marathon-LB's name of it. */
  readonly name: string;
}

export interface ServiceOptions {
  readonly balancing: PolicyTools & { readonly clock: Clock; readonly random: Random };
  readonly metrics: RouterMetrics;
  /** The breaker of a service has changed its state. */
  readonly onBreaker: (service: string, state: BreakerState) => void;
  /** Of the configuration. */
  readonly timeouts: Partial<UpstreamTimeouts>;
}

/** Tries, the first included, where labels say nothing (specs/l7.md §3.10). */
const defaultTries = 3;
const usualBalance = { policy: 'roundrobin' } as const;
const plainPolicies = new WeakMap<PolicyTools, Policy>();

/** One for all services whose labels ask for nothing else. */
function plainPolicy(tools: PolicyTools): Policy {
  let policy = plainPolicies.get(tools);
  if (policy === undefined) plainPolicies.set(tools, (policy = policyOf(usualBalance, tools)));
  return policy;
}

/** Clients choose hosts under wildcards. */
const mostTargets = 5_000;

export class Service {
  readonly id: string;
  entry: ServiceEntry | null = null;
  picker: Picker;
  /** Null: none is asked for. */
  breaker: CircuitBreaker | null = null;
  sticky: StickySessions | null = null;
  /** Null: chance. */
  hashKey: HashKey | null = null;
  tries = defaultTries;
  /** Null: connections begin with what is to be said. */
  sendProxy: 'v1' | 'v2' | null = null;
  /** Null: what a backend has answered, or failed to in time, stands. */
  retryRule: RetryRule | null = null;
  /** Once all backends were asked, they may be asked again. */
  startsOver = false;
  /** The whole request, 0: the configuration's; and one try up to its answer's head, 0: no limit of its own. */
  totalMs = 0;
  perTryMs = 0;
  tunnelMs = 0;
  /** Null: no request is copied. */
  mirror: Mirror | null = null;
  /** Whether a backend takes new requests. */
  isServed = false;
  /** Whether nobody is left, not even to end what has begun. */
  isEmpty = true;

  #set: SetEntry;
  /** Null until somebody asks: most services of a large cluster are never called by one worker. */
  #targets: Map<string, BackendTarget> | null = null;
  /** Backends are called over TLS. */
  #secure = false;
  #timeouts: UpstreamTimeouts | null = null;
  readonly #options: ServiceOptions;

  constructor(id: string, options: ServiceOptions) {
    this.id = id;
    this.#options = options;
    this.#set = { kind: 'set', id, backends: [], lastResort: false };
    this.picker = plainPolicy(options.balancing)(this.#set, null);
  }

  get name(): string {
    return this.entry?.name ?? this.id;
  }

  get backends(): readonly Backend[] {
    return this.#set.backends;
  }

  replaceSet(set: SetEntry): void {
    this.#set = set;
    this.isEmpty = set.backends.every(({ state }) => state === 'down');
    this.isServed = set.backends.some(({ state }) => state === 'up');
    this.#compileBackends();
  }

  /** Null: nothing is said of the service any more. */
  configure(entry: ServiceEntry | null): void {
    this.entry = entry;
    this.#secure = entry?.protocol === 'https' || entry?.protocol === 'h2';
    this.breaker = breakerOf(entry?.breaker, this.breaker, {
      clock: this.#options.balancing.clock,
      random: this.#options.balancing.random,
      onChange: (state) => this.#options.onBreaker(this.name, state),
    });
    // Before a TLS handshake none is written: that is said in `degraded`.
    this.sendProxy = this.#secure ? null : (entry?.sendProxy ?? null);
    const balance = entry?.balance;
    const hashes = balance !== undefined && hashesRequests(balance.policy);
    this.hashKey = balance?.key ?? (hashes ? { by: 'client' } : null);
    const retries = entry?.retries;
    this.tries = retries === undefined ? defaultTries : retries.attempts + 1;
    this.retryRule = retryRuleOf(retries);
    this.startsOver = this.retryRule?.startsOver === true;
    this.totalMs = entry?.timeouts?.totalMs ?? 0;
    this.perTryMs = entry?.timeouts?.perTryMs ?? 0;
    this.tunnelMs = entry?.timeouts?.tunnelMs ?? 0;
    this.mirror = entry?.mirror ?? null;
    this.#timeouts = entry?.timeouts === undefined ? null : this.#merged(entry.timeouts);
    this.#targets = null;
    this.#compileBackends();
  }

  /** Whether there is somebody to ask again besides `asked` and those who were asked before. */
  hasOther(tried: ReadonlySet<string> | null, asked: Backend): boolean {
    const isOther = ({ key, state }: Backend): boolean =>
      state === 'up' && key !== asked.key && tried?.has(key) !== true;
    return this.startsOver || this.#set.backends.some(isOther);
  }

  /** `host`: what the client asked for, which a certificate may have to name. `peer`: whom a backend is told of, where it wants that. */
  targetFor(backend: Backend, host: string, peer: IntroducedPeer): BackendTarget {
    const target = this.targetOf(backend, host);
    return this.sendProxy === null ? target : introducedTarget(target, this.sendProxy, peer);
  }

  targetOf(backend: Backend, host: string): BackendTarget {
    const key = this.#secure ? `${backend.key} ${host}` : backend.key;
    const targets = (this.#targets ??= new Map<string, BackendTarget>());
    let target = targets.get(key);
    if (target !== undefined) return target;
    if (targets.size > mostTargets) targets.clear();
    targets.set(key, (target = this.#makeTarget(backend, host)));
    return target;
  }

  #compileBackends(): void {
    const { balance, slowStartMs, sticky } = this.entry ?? {};
    const { balancing } = this.#options;
    const policy =
      balance === undefined && slowStartMs === undefined
        ? plainPolicy(balancing)
        : policyOf(balance ?? usualBalance, { ...balancing, ...(slowStartMs === undefined ? {} : { slowStartMs }) });
    this.picker = policy(this.#set, this.picker);
    this.sticky = sticky === undefined ? null : compileSticky(sticky, this.#set);
    if (this.#targets === null) return;
    const present = new Set(this.#set.backends.map(({ key }) => key));
    for (const key of this.#targets.keys())
      if (!present.has(key.split(' ')[0] as BackendKey)) this.#targets.delete(key);
  }

  #makeTarget(backend: Backend, host: string): BackendTarget {
    const { key, ip, port } = backend;
    const { connectionsPerBackend, waitingPerBackend, keepAlive, protocol } = this.entry ?? {};
    const index = this.#set.backends.findIndex((one) => one.key === key);
    const tls = this.#secure ? upstreamTls(this.entry?.upstreamTls, ip, port, host) : null;
    return {
      key: tls === null ? key : `${key} ${tls.key}`,
      ...(tls === null ? {} : { dial: tls.dial }),
      ...(protocol === 'h2c' || protocol === 'h2' ? { http2: tls === null ? {} : { dial: tls.dialHttp2 } } : {}),
      host: ip,
      port,
      meter: this.#options.metrics.meterOf(key),
      name: this.#set.names?.[index] ?? serverName(backend),
      ...(this.#timeouts === null ? {} : { timeouts: this.#timeouts }),
      ...(connectionsPerBackend === undefined ? {} : { mostConnections: connectionsPerBackend }),
      ...(waitingPerBackend === undefined ? {} : { mostWaiting: waitingPerBackend }),
      ...(keepAlive === undefined ? {} : { keepAlive }),
    };
  }

  #merged({ connectMs, queueMs, responseMs, answerMs }: ServiceTimeouts): UpstreamTimeouts {
    const own = { connectMs, queueMs, responseMs, answerMs };
    const said = Object.entries(own).filter(([, ms]) => ms !== undefined);
    return { ...defaultUpstreamTimeouts, ...this.#options.timeouts, ...Object.fromEntries(said) };
  }
}
