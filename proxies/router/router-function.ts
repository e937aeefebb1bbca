// The inbound router as a function of the daemon: listeners in front, backends behind, the table of routes between.

import type { Server } from 'node:net';
import type { Plane, TrafficFunction } from '../../src/ports/index.ts';
import {
  closeWhenQuiet,
  compileCidrs,
  messageOf,
  OpenAddresses,
  type Clock,
  type Logger,
  type Metrics,
  type Random,
  type TcpListener,
} from '../../src/runtime/index.ts';
import type { PolicyTools } from '../../lb/index.ts';
import type { Exchange, Http1Timeouts, Peer, RequestView, UpstreamTimeouts } from '../http1/index.ts';
import { createAnyPool } from '../http2/index.ts';
import type { TlsMaterial } from '../../certs/index.ts';
import { createAccessLog, type AccessLogOptions } from './access-log.ts';
import type { Http2Limits } from '../http2/index.ts';
import { createPasswordChecker } from '../passwords/index.ts';
import { openErrorPages } from './error-pages.ts';
import { clientAddress } from './forwarding-fields.ts';
import { createFrontDoor, type RouterTlsOptions } from './front-door.ts';
import { createHttpFront, type HttpFront } from './http-front.ts';
import { createHttp2Metrics } from './http2-metrics.ts';
import { createRequestIds } from './request-id.ts';
import type { RouteRecord } from './route-record.ts';
import { Mirrors } from './mirror.ts';
import { loopBusyShare, watchOverload } from './overload.ts';
import { createPortDoors } from './port-doors.ts';
import { RoutePlane } from './route-plane.ts';
import { RouterCore } from './router-core.ts';
import { createRouterMetrics } from './router-metrics.ts';
import { createServicePorts } from './service-ports.ts';
import { createTlsMetrics, type TlsProfile } from '../tls/index.ts';
import { serveTcp } from './tcp-port.ts';

export interface RouterTimeouts extends Http1Timeouts, Omit<UpstreamTimeouts, 'idleMs'> {
  /** How long an idle connection to a backend is kept. */
  readonly upstreamIdleMs: number;
  /** A whole request, its answer included; 0: without end. */
  readonly requestMs: number;
  /** A tunnel without a byte. */
  readonly tunnelMs: number;
  /** A tunnel of which one side has ended. */
  readonly halfClosedMs: number;
}

export interface RouterOptions {
  readonly http: readonly TcpListener[];
  /** Where TLS is spoken; absent: nowhere. */
  readonly https?: readonly TcpListener[];
  /** Absent: plain HTTP without PROXY headers. */
  readonly tls?: RouterTlsOptions | null;
  /** Where X-Marathon-App-Id says which app is meant: private, as it reaches every app. */
  readonly appIdHeader?: readonly TcpListener[];
  /** Address on which service ports are opened; absent: none are. */
  readonly servicePorts?: string | null;
  /** What service ports that ask for TLS offer in handshakes; absent or null: those stay closed. */
  readonly portTls?: TlsProfile | null;
  /** Among how many workers limits of routes are divided, and whether they share service ports; absent: 1. */
  readonly workers?: number;
  /** Whether other processes open the same service ports. Absent: no. */
  readonly shared?: boolean;
  /** A directory of `503.html` and the like; absent: the built-in pages. */
  readonly errorPages?: string | null;
  /** What policies share in this worker. */
  readonly balancing?: PolicyTools;
  /** CIDRs of peers whose X-Forwarded-* and request ids are believed. */
  readonly trustedProxies?: readonly string[];
  /** The answer where no route matches; default 503, as Marathon-LB has it. */
  readonly noRoute?: 503 | 404;
  /** Whether plain connections may begin with HTTP/2 (prior knowledge). Absent: no. */
  readonly h2c?: boolean;
  /** How long events may wait for the loop before new requests get 503; 0: however long. Absent: `defaultShedMs`. */
  readonly shedAfterMs?: number;
  /** Our name in Via; absent or null: none is written. */
  readonly via?: string | null;
  readonly limits?: Partial<Http2Limits> & {
    /** Connections to one backend, 0: no limit; requests beyond wait. */
    readonly connectionsPerBackend?: number;
  };
  readonly timeouts?: Partial<RouterTimeouts>;
  readonly accessLog?: AccessLogOptions | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface RouterFunction extends TrafficFunction {
  readonly plane: Plane<RouteRecord>;
  /** Addresses as bound, in the order configured. */
  listeners(): readonly string[];
  /** Service port to `host:port`, of those that are open. */
  readonly serviceAddresses: OpenAddresses;
  /** Handshakes are made by it from now on. */
  takeTls(material: TlsMaterial): void;
  /** Reads error pages again. */
  reload(): void;
  /** What was configured and could not be opened or understood, for people. */
  problems(): readonly string[];
}

const defaultTunnelMs = 3_600_000;
const defaultHalfClosedMs = 60_000;
const defaultShedMs = 200;
/** Handshakes under way while requests are refused: each costs as much as hundreds of requests. */
const mostPendingShedding = 32;
/** Handshakes under way, where connections are not limited. */
const mostPending = 10_000;

export function createRouterFunction(options: RouterOptions): RouterFunction {
  const { clock, random, log } = options;
  const timeouts = options.timeouts ?? {};
  const cidrs = compileCidrs(options.trustedProxies ?? []);
  const problems = [...cidrs.problems];
  const servers: Server[] = [];
  const drained = { onTunnelEnd: (): void => undefined };
  const fronts = (): readonly HttpFront[] => [front, portFront, appFront];
  const connections = (): number => fronts().reduce((sum, one) => sum + one.connections, 0);
  const metrics = createRouterMetrics(options.metrics, () => connections() + core.tunnels.size);
  const passwords = createPasswordChecker(log);
  const errorPages = options.errorPages ? openErrorPages(options.errorPages) : null;
  const pool = createAnyPool({
    clock,
    limits: upstreamLimits(options.limits),
    timeouts: upstreamTimeouts(timeouts),
  });
  const plane = new RoutePlane({
    balancing: { random, clock, ...options.balancing },
    policies: {
      clock,
      random,
      log,
      passwords,
      workers: options.workers ?? 1,
      countFault: (kind) => metrics.countFault(kind),
    },
    timeouts: upstreamTimeouts(timeouts),
    metrics,
    onBreaker(service, state) {
      if (state === 'open') metrics.openedBreakers.value++;
      const happened =
        state === 'open' ? 'opened: its requests get 503' : state === 'closed' ? 'closed' : 'lets some through';
      log.warn({ service, state }, `the circuit breaker of a service ${happened}`);
    },
    onBackendGone(key) {
      pool.retire(key);
      mirrors.pool.retire(key);
    },
    onPorts: async (ports) => servicePorts?.follow(ports),
  });
  const mirrors = new Mirrors({
    clock,
    random,
    serviceOf: (id) => plane.serviceOf(id),
    count: (result) => metrics.countMirrored(result),
  });
  const accessLog = options.accessLog ? createAccessLog(options.accessLog, clock, metrics.droppedLines) : null;
  const overload = watchOverload({
    mostDelayMs: options.shedAfterMs ?? defaultShedMs,
    busyShare: loopBusyShare(),
    clock,
    onChange(isShedding, delayMs) {
      const fields = { delayMs: Math.round(delayMs), shed: metrics.shed.value };
      if (isShedding) log.warn(fields, 'overloaded: new requests get 503 until the event loop keeps up');
      else log.info(fields, 'not overloaded any more: requests are served');
    },
  });
  const clientOf = (request: RequestView, peer: Peer): string => clientAddress(request, peer, cidrs.matcher);
  const core = new RouterCore(
    {
      clock,
      random,
      log,
      metrics,
      accessLog,
      trusted: cidrs.matcher,
      via: options.via ?? '',
      noRoute: options.noRoute ?? 503,
      overload,
      newRequestId: createRequestIds(clock, random),
      errorPages,
      serviceOf: (id) => plane.serviceOf(id),
      mirrors,
      door: options.tls ? { answerTo: (...asked) => door?.answerTo(...asked) ?? null } : null,
      lookup: (request, peer) => plane.lookup(request, peer, clientOf),
      tunnelIdleMs: timeouts.tunnelMs ?? defaultTunnelMs,
      tunnelHalfClosedMs: timeouts.halfClosedMs ?? defaultHalfClosedMs,
      requestMs: timeouts.requestMs ?? 0,
      onTunnelEnd: () => drained.onTunnelEnd(),
    },
    pool,
  );
  const http2Metrics = createHttp2Metrics(options.metrics);
  const createFront = (onExchange: (exchange: Exchange) => void): HttpFront =>
    createHttpFront({
      h2c: options.h2c ?? false,
      metrics: http2Metrics,
      clock,
      limits: options.limits ?? {},
      timeouts,
      trusted: cidrs.matcher,
      onExchange,
      onRefused: (status, request, peer, handled) => core.onRefused(status, request, peer, handled),
    });
  const front = createFront((exchange) => core.onExchange(exchange));
  const appFront = createFront((exchange) => core.onAppExchange(exchange, (id) => plane.lookupApp(id)));
  const portFront = createFront((exchange) =>
    core.onPortExchange(exchange, plane.ports.get(exchange.peer.localPort)?.route ?? null),
  );
  const tlsMetrics = createTlsMetrics(options.metrics);
  const mostPendingNow = (): number =>
    overload.isShedding ? mostPendingShedding : (options.limits?.connections ?? mostPending);
  const door = options.tls
    ? createFrontDoor({
        tls: options.tls,
        front,
        passThrough(serverName, socket) {
          const route = plane.lookupSni(serverName);
          if (route !== null) serveTcp(socket, { route }, tcpOptions);
          return route !== null;
        },
        mostPending: mostPendingNow,
        metrics: tlsMetrics,
        clock,
        log,
      })
    : null;
  const portDoors = createPortDoors({
    profile: options.portTls ?? null,
    mostPending: mostPendingNow,
    metrics: tlsMetrics,
    clock,
    log,
  });
  const servicePorts =
    typeof options.servicePorts === 'string'
      ? createServicePorts({
          address: options.servicePorts,
          shared: options.shared ?? false,
          createHttpServer: () => portFront.createServer(),
          onTcp(socket, current, accepted) {
            const port = current();
            if (port === null) socket.destroy();
            else serveTcp(socket, port, tcpOptions, accepted?.addresses ?? null);
          },
          onHttp: (accepted) => portFront.accept(accepted.socket, accepted.tls !== null, accepted),
          doors: portDoors,
          clock,
          log,
        })
      : null;
  const tcpOptions = {
    clock,
    tunnels: core.tunnels,
    idleMs: timeouts.tunnelMs ?? defaultTunnelMs,
    halfCloseMs: timeouts.halfClosedMs ?? defaultHalfClosedMs,
    randomHash: () => core.randomHash(),
    onTunnelEnd: () => drained.onTunnelEnd(),
  };

  async function open(listener: TcpListener, server: Server): Promise<boolean> {
    try {
      await listener.attach(server);
    } catch (error) {
      problems.push(`cannot listen on ${addressOf(listener)}: ${messageOf(error)}`);
      return false;
    }
    server.on('error', (error) =>
      log.error({ listener: addressOf(listener), error: messageOf(error) }, 'a router listener failed'),
    );
    servers.push(server);
    return true;
  }

  /** Resolves when neither connection nor tunnel is left. */
  function empty(): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        const busy = fronts().find((one) => one.connections > 0);
        if (busy !== undefined) busy.onceEmpty(look);
        else if (core.tunnels.size > 0) drained.onTunnelEnd = look;
        else resolve();
      };
      look();
    });
  }

  return {
    name: 'router',
    plane,
    listeners: () => [...options.http, ...(options.https ?? [])].map(addressOf),
    takeTls(material) {
      door?.take(material);
      portDoors.take(material);
    },
    serviceAddresses: servicePorts?.addresses ?? new OpenAddresses(),
    reload: () => errorPages?.reload(),
    problems: () => [
      ...problems,
      ...(door?.problems() ?? []),
      ...plane.problems(),
      ...(servicePorts?.problems() ?? []),
      ...(errorPages?.problems() ?? []),
    ],
    async start() {
      const vhosts = [
        ...options.http.map((listener) => open(listener, door?.createPlainServer() ?? front.createServer())),
        ...(door === null ? [] : (options.https ?? []).map((listener) => open(listener, door.createTlsServer()))),
      ];
      const opened = await Promise.all(vhosts);
      await Promise.all((options.appIdHeader ?? []).map((listener) => open(listener, appFront.createServer())));
      await servicePorts?.start();
      if (opened.length > 0 && !opened.includes(true))
        throw new Error(`the router cannot listen: ${problems.join('; ')}`);
    },
    async drain(deadlineMs) {
      await Promise.all([...servers.map(closeWhenQuiet), servicePorts?.drain()]);
      for (const one of fronts()) one.drain(deadlineMs);
      pool.drain();
      mirrors.pool.drain();
      let cancel = (): void => undefined;
      const deadline = new Promise<void>((resolve) => {
        const timer = clock.after(deadlineMs, resolve);
        cancel = () => timer.cancel();
      });
      await Promise.race([empty(), deadline]);
      cancel();
      accessLog?.flush();
    },
    async stop() {
      overload.stop();
      const closed = servers
        .splice(0)
        .map((server) => new Promise<void>((resolve) => void server.close(() => resolve())));
      await servicePorts?.stop();
      door?.destroy();
      for (const one of fronts()) one.destroy();
      for (const tunnel of [...core.tunnels]) tunnel.destroy();
      pool.destroy();
      mirrors.pool.destroy();
      passwords.stop();
      accessLog?.flush();
      await Promise.all(closed);
    },
  };
}

const addressOf = ({ address, port }: TcpListener): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

function upstreamLimits(limits: RouterOptions['limits']): { connectionsPerBackend?: number } {
  return limits?.connectionsPerBackend === undefined ? {} : { connectionsPerBackend: limits.connectionsPerBackend };
}

function upstreamTimeouts({
  upstreamIdleMs,
  connectMs,
  queueMs,
  responseMs,
  answerMs,
}: Partial<RouterTimeouts>): Partial<UpstreamTimeouts> {
  return {
    ...(upstreamIdleMs === undefined ? {} : { idleMs: upstreamIdleMs }),
    ...(connectMs === undefined ? {} : { connectMs }),
    ...(queueMs === undefined ? {} : { queueMs }),
    ...(responseMs === undefined ? {} : { responseMs }),
    ...(answerMs === undefined ? {} : { answerMs }),
  };
}
