// What all requests of the router share: look-up, pool, ids, counters, log, tunnels. Decides what is answered here and what is forwarded.

import type { Socket } from 'node:net';
import type { Backend } from '../../src/cluster/index.ts';
import type { HashKey } from '../../lb/index.ts';
import { openTunnel, type CidrMatcher, type Logger, type Timer, type Tunnel } from '../../src/runtime/index.ts';
import {
  Deadlines,
  fieldId,
  type Exchange,
  type LocalAnswer,
  type Peer,
  type RequestView,
  type UpstreamPool,
} from '../http1/index.ts';
import { notForwarded } from './access-entry.ts';
import { dressLocally } from './answer-policy.ts';
import { fetchErrorPage, pageFor } from './error-page-fetch.ts';
import { clientAddress, givenRequestId, trustedProto } from './forwarding-fields.ts';
import { Forwarding } from './forwarding.ts';
import { MirroredForwarding } from './mirror.ts';
import { factsOf, type EntryPoint } from './request-facts.ts';
import type { RequestFlow } from './request-flow.ts';
import { passGate } from './request-gate.ts';
import { hashOfExchange } from './request-hash.ts';
import type { RequestPolicy } from './request-policy.ts';
import type { CompiledRoute } from './route-plane.ts';
import { forwardingError, isMeantForUs, noRouteError, optionsAnswer, routerError } from './router-answers.ts';
import { pauseMs } from './retry-rule.ts';
import type { RouterCoreOptions } from './router-core-options.ts';
import type { RouterMetrics } from './router-metrics.ts';
import type { Service } from './service.ts';
import { hasLooped } from './via.ts';

export class RouterCore {
  readonly pool: UpstreamPool;
  readonly log: Logger;
  readonly metrics: RouterMetrics;
  readonly trusted: CidrMatcher;
  /** Our name in Via; '': none is written. */
  readonly via: string;
  readonly tunnels = new Set<Tunnel>();
  /** One for all requests: pickers do not keep it. */
  readonly pickRequest: { hash: number; tried: ReadonlySet<string> | null } = { hash: 0, tried: null };
  /** Requests that are forwarded now, and those of them that are not on their first try. */
  active = 0;
  activeRetries = 0;
  readonly isLogging: boolean;
  readonly #options: RouterCoreOptions;
  readonly #deadlines: Deadlines;

  constructor(options: RouterCoreOptions, pool: UpstreamPool) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.clock);
    this.pool = pool;
    this.log = options.log;
    this.metrics = options.metrics;
    this.trusted = options.trusted;
    this.via = options.via;
    this.isLogging = options.accessLog !== null;
  }

  /** A request on a vhost listener: its host and path say where it goes. */
  onExchange(exchange: Exchange): void {
    this.#receive(exchange, 'vhost', this.#options.lookup);
  }

  /** A request on a service port, whose route is known; null: the port is going away. */
  onPortExchange(exchange: Exchange, route: CompiledRoute | null): void {
    this.#receive(exchange, 'port', () => route);
  }

  /** A request that names its app by X-Marathon-App-Id. */
  onAppExchange(exchange: Exchange, lookup: (id: string) => CompiledRoute | null): void {
    this.#receive(exchange, 'app', ({ fields }) => {
      const id = fields.valueOf(fieldId.xMarathonAppId);
      return id === null ? null : lookup(id);
    });
  }

  #receive(exchange: Exchange, entry: EntryPoint, lookup: RouterCoreOptions['lookup']): void {
    const { request, peer } = exchange;
    const startedMs = this.#options.clock.monotonic();
    if (this.#options.overload.isShedding) {
      // As cheap as can be: no id, no page, no line in the log.
      this.metrics.shed.value++;
      this.metrics.noRoute.count(503);
      exchange.respond(forwardingError(503, '', request.fields, 'limited'));
      return;
    }
    const requestId = givenRequestId(request, peer) ?? this.#options.newRequestId();
    if (request.method === 'CONNECT' || request.method === 'TRACE') {
      // What a client sends behind a CONNECT is no HTTP.
      const answer = { ...routerError(405, requestId, request.fields), closes: true };
      this.#answer(exchange, answer, requestId, startedMs);
      return;
    }
    if (this.via !== '' && hasLooped(request.fields, this.via)) {
      this.#answer(exchange, forwardingError(508, requestId, request.fields, 'loop'), requestId, startedMs);
      return;
    }
    if (request.form === 'asterisk' || isMeantForUs(request)) {
      this.#answer(exchange, optionsAnswer(requestId), requestId, startedMs);
      return;
    }
    const barred = entry === 'vhost' ? (this.#options.door?.answerTo(request, peer, requestId) ?? null) : null;
    if (barred !== null) {
      this.#answer(exchange, barred, requestId, startedMs);
      return;
    }
    const route = lookup(request, peer);
    if (route === null) {
      const answer = noRouteError(entry === 'vhost' ? this.#options.noRoute : null, requestId, request.fields);
      this.#answer(exchange, answer, requestId, startedMs);
      return;
    }
    const { policy } = route.options;
    if (policy === null) this.#forward(exchange, route, requestId, startedMs, null);
    else this.#judge(exchange, entry, route, policy, requestId, startedMs);
  }

  #judge(
    exchange: Exchange,
    entry: EntryPoint,
    route: CompiledRoute,
    policy: RequestPolicy,
    requestId: string,
    startedMs: number,
  ): void {
    const facts = factsOf(exchange.request, exchange.peer, entry, requestId, this.trusted);
    passGate(exchange, policy, facts, {
      onPassed: (flow) => this.#forward(exchange, route, requestId, startedMs, flow),
      limitMs: route.service.totalMs || this.#options.requestMs,
      onRefused: (answer, flow, outcome) => this.#answer(exchange, answer, requestId, startedMs, route, flow, outcome),
      onLost: () => this.#note(exchange, requestId, startedMs, route, 499, 'client_abort', 0),
    });
  }

  #forward(
    exchange: Exchange,
    asked: CompiledRoute,
    requestId: string,
    startedMs: number,
    flow: RequestFlow | null,
  ): void {
    const { request } = exchange;
    const { branches } = asked;
    const route = branches === null ? asked : branches.choose(request.fields, this, exchange);
    const { breaker, mirror } = route.service;
    if (breaker !== null && !breaker.admits()) {
      flow?.leave?.();
      const answer = forwardingError(503, requestId, exchange.request.fields, 'limited');
      this.#answer(exchange, answer, requestId, startedMs, route, flow, 'limited');
      return;
    }
    this.active++;
    const { mirrors } = this.#options;
    const copied = mirror !== null && mirrors.takes(mirror, request) ? mirror : null;
    if (copied === null) new Forwarding(this, exchange, route, requestId, startedMs, flow).start();
    else new MirroredForwarding(mirrors, copied, this, exchange, route, requestId, startedMs, flow).start();
  }

  /** A request that is no exchange: its form is refused. */
  onRefused(status: number, request: RequestView | null, peer: Peer, handled: boolean): LocalAnswer {
    const { newRequestId, accessLog, metrics } = this.#options;
    const requestId = newRequestId();
    // Its handler has counted and logged it.
    const answer = this.dress(routerError(status, requestId, request?.fields ?? null), request?.host ?? '', null);
    if (handled) return answer;
    metrics.noRoute.count(status);
    accessLog?.add({
      ...notForwarded,
      requestId,
      request,
      peer,
      clientAddress: peer.address,
      status,
      outcome: 'denied',
    });
    this.log.debug({ status, peer: peer.address }, 'refused a request by its form');
    return answer;
  }

  now(): number {
    return this.#options.clock.monotonic();
  }

  after(ms: number, action: () => void): Timer {
    return this.#options.clock.after(ms, action);
  }

  /** Before a retry, the first being 1. */
  afterPause(retry: number, action: () => void): Timer {
    return this.after(pauseMs(retry, this.#options.random()), action);
  }

  /** An error with the page that somebody made for it, and what the route wants on every answer. */
  dress(answer: LocalAnswer, host: string, flow: RequestFlow | null): LocalAnswer {
    const { errorPages } = this.#options;
    const paged = errorPages === null ? answer : errorPages.dress(answer, host);
    return flow === null ? paged : dressLocally(paged, flow.policy, flow.facts);
  }

  /** Asks for the page that a service makes for this error; null: no rule names its status. What is returned calls it off. */
  askForPage(
    { policy, facts }: RequestFlow,
    plain: LocalAnswer,
    exchange: Exchange,
    done: (answer: LocalAnswer) => void,
  ): (() => void) | null {
    const rule = pageFor(policy.errorPages, plain.status);
    if (rule === null) return null;
    const service = this.#options.serviceOf(rule.set);
    const otherwise = dressLocally(plain, policy, facts);
    return fetchErrorPage(this, { rule, service, exchange, otherwise }, done);
  }

  isSecure({ request, peer }: Exchange): boolean {
    return (trustedProto(request, peer) ?? (peer.secure ? 'https' : 'http')) === 'https';
  }

  /** Retries may be a fifth of what is under way, so that an outage is not tripled; three may always be (specs/l7.md §3.10). */
  mayRetry(): boolean {
    return this.activeRetries <= Math.max(leastRetries, this.active * mostRetriesShare);
  }

  /** The backend that the client's cookie names, else whoever the policy picks; null: nobody is left. */
  choose(service: Service, exchange: Exchange, tried: ReadonlySet<string> | null): Backend | null {
    const { sticky, picker, hashKey } = service;
    const bound = sticky === null || tried !== null ? null : sticky.backendOf(exchange.request.fields);
    if (bound !== null) return bound;
    const request = this.pickRequest;
    request.hash = hashKey === null ? this.randomHash() : this.hashOf(hashKey, exchange);
    request.tried = tried;
    return picker.pick(request);
  }

  /** For the answer of a session that begins, or has moved. */
  cookieLines({ route, exchange, backend }: Forwarding): string {
    const { sticky } = route.service;
    if (sticky === null || backend === null) return '';
    if (sticky.backendOf(exchange.request.fields)?.key === backend.key) return '';
    return `${sticky.lineFor(backend, this.isSecure(exchange))}Cache-Control: private\r\n`;
  }

  hashOf(key: HashKey, exchange: Exchange): number {
    return hashOfExchange(key, exchange, this.trusted) ?? this.randomHash();
  }

  /** A request is not forwarded any more. */
  left(forwarding: Forwarding): void {
    this.active--;
    if (forwarding.retries > 0) this.activeRetries--;
    forwarding.flow?.leave?.();
  }

  randomHash(): number {
    return (this.#options.random() * 0x1_0000_0000) >>> 0;
  }

  /** Counts the time of a whole request, where that is limited. */
  watch(forwarding: Forwarding): void {
    const requestMs = forwarding.route.service.totalMs || this.#options.requestMs;
    if (requestMs === 0) return;
    // What it waited for before, a password or a delay on purpose, counts.
    forwarding.deadlineAt = this.#deadlines.in(Math.max(1, requestMs - (this.now() - forwarding.startedMs)));
    this.#deadlines.add(forwarding);
  }

  unwatch(forwarding: Forwarding): void {
    if (forwarding.deadlineAt !== Infinity) this.#deadlines.remove(forwarding);
  }

  openTunnel(forwarding: Forwarding, downstream: Socket, upstream: Socket): void {
    const { clock, tunnelIdleMs, tunnelHalfClosedMs, onTunnelEnd } = this.#options;
    const tunnel: Tunnel = openTunnel(downstream, upstream, {
      idleMs: forwarding.route.service.tunnelMs || tunnelIdleMs,
      halfCloseMs: tunnelHalfClosedMs,
      clock,
      onEnd: () => {
        this.tunnels.delete(tunnel);
        forwarding.onTunnelEnd();
        this.#record(forwarding, 101, 'ok', this.now());
        onTunnelEnd();
      },
    });
    this.tunnels.add(tunnel);
    forwarding.route.counters.count(101);
  }

  /** Counts and logs a forwarded request that is over. */
  finish(forwarding: Forwarding, status: number, outcome: string, nowMs: number): void {
    const { counters, service } = forwarding.route;
    const ms = nowMs - forwarding.startedMs;
    counters.count(status);
    counters.seconds.observe(ms / 1000);
    service.breaker?.ended(status, status === 502 || status === 504 || outcome === 'connect_failed', ms);
    const meter = forwarding.attempt?.target.meter;
    if (meter !== undefined) {
      meter.bytesIn.value += forwarding.exchange.bytesReceived;
      meter.bytesOut.value += forwarding.exchange.bytesSent;
    }
    if (this.#options.accessLog !== null) this.#record(forwarding, status, outcome, nowMs);
  }

  #answer(
    exchange: Exchange,
    plain: LocalAnswer,
    requestId: string,
    startedMs: number,
    route: CompiledRoute | null = null,
    flow: RequestFlow | null = null,
    outcome = plain.status === 429 ? 'limited' : plain.status < 400 ? 'ok' : 'denied',
  ): void {
    const answer = this.dress(plain, exchange.request.host, flow);
    this.#note(exchange, requestId, startedMs, route, answer.status, outcome, answer.body.length);
    exchange.respond(answer);
  }

  /** Counts and logs a request that was not forwarded. */
  #note(
    exchange: Exchange,
    requestId: string,
    startedMs: number,
    route: CompiledRoute | null,
    status: number,
    outcome: string,
    bytesOut: number,
  ): void {
    const durationMs = this.#options.clock.monotonic() - startedMs;
    const counters = route?.counters ?? this.metrics.noRoute;
    counters.count(status);
    counters.seconds.observe(durationMs / 1000);
    const { request, peer } = exchange;
    this.#options.accessLog?.add({
      ...notForwarded,
      requestId,
      request,
      peer,
      clientAddress: clientAddress(request, peer, this.trusted),
      route,
      status,
      bytesOut,
      durationMs,
      outcome,
    });
  }

  #record(forwarding: Forwarding, status: number, outcome: string, nowMs: number): void {
    const { exchange, startedMs, readyMs, answeredMs } = forwarding;
    const { request, peer } = exchange;
    this.#options.accessLog?.add({
      requestId: forwarding.requestId,
      peer,
      clientAddress: clientAddress(request, peer, this.trusted),
      request,
      route: forwarding.route,
      backend: forwarding.backend,
      serverName: forwarding.attempt?.target.name ?? '',
      status,
      bytesIn: exchange.bytesReceived,
      bytesOut: exchange.bytesSent,
      durationMs: nowMs - startedMs,
      connectMs: readyMs === 0 ? -1 : readyMs - startedMs,
      answerMs: answeredMs === 0 || readyMs === 0 ? -1 : answeredMs - readyMs,
      retries: forwarding.retries,
      outcome,
    });
  }
}

const leastRetries = 3;
const mostRetriesShare = 0.2;
