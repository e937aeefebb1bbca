// What all requests of the router share: look-up, pool, ids, counters, log, tunnels. Decides what is answered here and what is forwarded.

import type { Socket } from 'node:net';
import type { Backend } from '../../src/cluster/index.ts';
import {
  openTunnel,
  type CidrMatcher,
  type Clock,
  type Logger,
  type Random,
  type Tunnel,
} from '../../src/runtime/index.ts';
import {
  Deadlines,
  type Exchange,
  type LocalAnswer,
  type Peer,
  type RequestView,
  type UpstreamPool,
  type UpstreamTarget,
} from '../http1/index.ts';
import type { AccessLog } from './access-log.ts';
import { clientAddress, givenRequestId } from './forwarding-fields.ts';
import { Forwarding } from './forwarding.ts';
import type { CompiledRoute } from './route-plane.ts';
import { optionsAnswer, routerError } from './router-answers.ts';
import type { RouteCounters, RouterMetrics } from './router-metrics.ts';

export interface RouterCoreOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: RouterMetrics;
  readonly trusted: CidrMatcher;
  readonly noRoute: 503 | 404;
  readonly accessLog: AccessLog | null;
  readonly newRequestId: () => string;
  readonly lookup: (host: string, path: string) => CompiledRoute | null;
  readonly tunnelIdleMs: number;
  readonly tunnelHalfClosedMs: number;
  /** A whole request, its answer included; 0: without end. */
  readonly requestMs: number;
  /** A tunnel has ended. */
  readonly onTunnelEnd: () => void;
}

export class RouterCore {
  readonly pool: UpstreamPool;
  readonly log: Logger;
  readonly metrics: RouterMetrics;
  readonly trusted: CidrMatcher;
  readonly tunnels = new Set<Tunnel>();
  /** One for all requests: pickers do not keep it. */
  readonly pickRequest: { hash: number; tried: ReadonlySet<string> | null } = { hash: 0, tried: null };
  readonly #options: RouterCoreOptions;
  readonly #targets = new WeakMap<Backend, UpstreamTarget>();
  readonly #deadlines: Deadlines;

  constructor(options: RouterCoreOptions, pool: UpstreamPool) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.clock);
    this.pool = pool;
    this.log = options.log;
    this.metrics = options.metrics;
    this.trusted = options.trusted;
  }

  onExchange(exchange: Exchange): void {
    const { request, peer } = exchange;
    const startedMs = this.#options.clock.monotonic();
    const requestId = givenRequestId(request, peer) ?? this.#options.newRequestId();
    if (request.method === 'CONNECT' || request.method === 'TRACE') {
      // What a client sends behind a CONNECT is no HTTP.
      const answer = { ...routerError(405, requestId, request.fields), closes: true };
      this.#answer(exchange, answer, requestId, startedMs);
      return;
    }
    if (request.form === 'asterisk') {
      this.#answer(exchange, optionsAnswer(requestId), requestId, startedMs);
      return;
    }
    const route = this.#options.lookup(request.host, request.matchPath);
    if (route === null)
      this.#answer(exchange, routerError(this.#options.noRoute, requestId, request.fields), requestId, startedMs);
    else new Forwarding(this, exchange, route, requestId, startedMs).start();
  }

  /** A request that is no exchange: its form is refused. */
  onRefused(status: number, request: RequestView | null, peer: Peer, handled: boolean): LocalAnswer {
    const { newRequestId, clock, accessLog, metrics } = this.#options;
    const requestId = newRequestId();
    // Its handler has counted and logged it.
    if (handled) return routerError(status, requestId, request?.fields ?? null);
    metrics.noRoute.count(status);
    accessLog?.add({
      ...nobody,
      requestId,
      status,
      clientAddress: peer.address,
      peerAddress: peer.address,
      outcome: 'denied',
      ...ofRequest(request),
    });
    this.log.debug({ status, peer: peer.address, at: clock.now() }, 'refused a request by its form');
    return routerError(status, requestId, request?.fields ?? null);
  }

  randomHash(): number {
    return (this.#options.random() * 0x1_0000_0000) >>> 0;
  }

  /** Counts the time of a whole request, where that is limited. */
  watch(forwarding: Forwarding): void {
    const { requestMs } = this.#options;
    if (requestMs === 0) return;
    forwarding.deadlineAt = this.#deadlines.in(requestMs);
    this.#deadlines.add(forwarding);
  }

  unwatch(forwarding: Forwarding): void {
    if (this.#options.requestMs !== 0) this.#deadlines.remove(forwarding);
  }

  targetOf(backend: Backend): UpstreamTarget {
    let target = this.#targets.get(backend);
    if (target === undefined)
      this.#targets.set(backend, (target = { key: backend.key, host: backend.ip, port: backend.port }));
    return target;
  }

  openTunnel(forwarding: Forwarding, downstream: Socket, upstream: Socket): void {
    const { clock, tunnelIdleMs, tunnelHalfClosedMs, onTunnelEnd } = this.#options;
    const tunnel: Tunnel = openTunnel(downstream, upstream, {
      idleMs: tunnelIdleMs,
      halfCloseMs: tunnelHalfClosedMs,
      clock,
      onEnd: () => {
        this.tunnels.delete(tunnel);
        this.#record(forwarding, 101, 'ok');
        onTunnelEnd();
      },
    });
    this.tunnels.add(tunnel);
    forwarding.route.counters.count(101);
  }

  /** Counts and logs a forwarded request that is over. */
  finish(forwarding: Forwarding, status: number, outcome: string): void {
    forwarding.route.counters.count(status);
    this.metrics.seconds.observe((this.#options.clock.monotonic() - forwarding.startedMs) / 1000);
    if (this.#options.accessLog !== null) this.#record(forwarding, status, outcome);
  }

  #answer(exchange: Exchange, answer: LocalAnswer, requestId: string, startedMs: number): void {
    const seconds = (this.#options.clock.monotonic() - startedMs) / 1000;
    this.#count(this.metrics.noRoute, answer.status, seconds);
    this.#options.accessLog?.add({
      ...nobody,
      ...ofRequest(exchange.request),
      requestId,
      status: answer.status,
      clientAddress: clientAddress(exchange.request, exchange.peer, this.trusted),
      peerAddress: exchange.peer.address,
      bytesOut: answer.body.length,
      durationMs: seconds * 1000,
      outcome: answer.status < 400 ? 'ok' : 'denied',
    });
    exchange.respond(answer);
  }

  #count(counters: RouteCounters, status: number, seconds: number): void {
    counters.count(status);
    this.metrics.seconds.observe(seconds);
  }

  #record(forwarding: Forwarding, status: number, outcome: string): void {
    const { exchange, backend, route } = forwarding;
    this.#options.accessLog?.add({
      ...nobody,
      ...ofRequest(exchange.request),
      requestId: forwarding.requestId,
      status,
      clientAddress: clientAddress(exchange.request, exchange.peer, this.trusted),
      peerAddress: exchange.peer.address,
      bytesIn: exchange.bytesReceived,
      bytesOut: exchange.bytesSent,
      durationMs: this.#options.clock.monotonic() - forwarding.startedMs,
      route: route.entry.id,
      appId: route.entry.appId,
      server: backend?.key ?? '',
      task: backend?.task ?? '',
      retries: forwarding.retries,
      outcome,
    });
  }
}

const nobody = {
  method: '-',
  authority: '',
  target: '-',
  version: 11,
  bytesIn: 0,
  bytesOut: 0,
  durationMs: 0,
  route: '',
  appId: '',
  server: '',
  task: '',
  retries: 0,
  userAgent: '',
  referer: '',
};

interface RequestWords {
  readonly method: string;
  readonly authority: string;
  readonly target: string;
  readonly version: number;
  readonly userAgent: string;
  readonly referer: string;
}

function ofRequest(request: RequestView | null): Partial<RequestWords> {
  if (request === null) return {};
  return {
    method: request.method,
    authority: request.authority,
    target: request.forwardTarget === '' ? request.authority : request.forwardTarget,
    version: request.version,
    userAgent: request.fields.get('user-agent') ?? '',
    referer: request.fields.get('referer') ?? '',
  };
}
