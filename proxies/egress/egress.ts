// The HTTP forward proxy: containers reach the outside, as far as the rules allow, by absolute-form requests and CONNECT.

import { connect, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { IsthmusError, type TcpListener } from '../../src/runtime/index.ts';
import type { TrafficFunction } from '../../src/ports/index.ts';
import {
  canonicalIp,
  clientAddress,
  createAcceptor,
  createDialer,
  createRuledCore,
  destinationText,
  dialLimits,
  hostPort,
  listenerText,
  sayFarewell,
  type RuleConfig,
  type RuledCore,
  type RuledProxyOptions,
} from '../access/index.ts';
import {
  createHttp1Front,
  createUpstreamPool,
  formatLocalAnswer,
  type Exchange,
  type Http1Front,
  type LocalAnswer,
  type UpstreamPool,
} from '../http1/index.ts';
import { failureAnswer, optionsAnswer, refusalAnswer } from './answers.ts';
import { createClientPages, type ClientOptions, type ClientPages } from './client-pages.ts';
import { targetOf } from './proxy-target.ts';
import { Relay, type RelaySurroundings } from './relay.ts';
import { maxForwardsOf } from './request-head.ts';

export interface EgressOptions extends RuledProxyOptions {
  /** Serves `/proxy.pac`, `/wpad.dat`, `/proxy.env` and `/proxy.json`; null or absent: not. */
  readonly clients?: ClientOptions | null;
  /** Our name in Via fields, one for all that are this proxy to others; made up where absent. */
  readonly pseudonym?: string;
  /** A tunnel must begin with a TLS ClientHello whose server name is that of its CONNECT. */
  readonly requireSniMatch?: boolean;
  /** Wrong passwords on one connection, after which it ends; 0: any number. */
  readonly authAttempts?: number;
}

export interface EgressFunction extends TrafficFunction {
  /** Takes other rules, for requests from now on and for the pages that clients fetch; what is open stays. */
  replaceRules(rules: readonly RuleConfig[]): void;
  /** What of its configuration could not be honoured, one line each; empty: all of it. */
  problems(): readonly string[];
  /** Takes a connection that came to another listener, which counts it: paused, nothing read. `client`: who it is. */
  take(socket: Socket, listener: TcpListener, client: string): void;
}

/** TrafficFunction `httpProxy`. Listeners that would carry passwords in clear are not opened; `start` rejects where none is left. */
export function createEgressFunction(options: EgressOptions): EgressFunction {
  const core = createRuledCore('egress', options);
  const { clock, log } = options;
  const pool = createPool(core, options);
  const pages = (rules: EgressOptions['rules']): ClientPages => createClientPages(options.clients ?? null, rules);
  const around: Surroundings = { ...createSurroundings(core, options, pool), pages: pages(options.rules) };
  const front = createFront(core, options, around);
  const acceptor = createAcceptor({
    listeners: core.listeners,
    clock,
    log,
    onConnection: (socket, listener) => accept(core, options, front, socket, listener),
    onDrain: () => {
      front.drain();
      pool.drain();
    },
  });
  return {
    name: 'httpProxy',
    replaceRules(rules) {
      core.replaceRules(rules);
      around.pages = pages(rules);
    },
    take(socket, { address, port }, client) {
      const isTls = socket instanceof TLSSocket;
      const addresses = { address: client, port: socket.remotePort ?? 0, localAddress: address, localPort: port };
      front.accept(socket, isTls, { tls: null, addresses });
      socket.resume();
    },
    problems: () => [...core.problems(), ...acceptor.problems()],
    async start() {
      if (core.listeners.length === 0) {
        const reason = core.problems()[0] ?? 'there is no listener';
        throw new IsthmusError('HTTP_PROXY_NOT_STARTED', reason, { side: 'internal', retryable: false });
      }
      await core.users?.start();
      await acceptor.start();
    },
    drain: (deadlineMs) => acceptor.drain(deadlineMs),
    async stop() {
      core.users?.stop();
      front.destroy();
      pool.destroy();
      await acceptor.stop();
    },
  };
}

function createPool({ timeouts }: RuledCore, { clock }: EgressOptions): UpstreamPool {
  const { connectMs, responseMs, idleMs } = timeouts;
  return createUpstreamPool({ clock, timeouts: { connectMs, responseMs, answerMs: idleMs } });
}

function createSurroundings(core: RuledCore, options: EgressOptions, pool: UpstreamPool): RelaySurroundings {
  const { clock, resolver, random } = options;
  const plain = (host: string, port: number): Socket =>
    connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 });
  const dialer = createDialer({
    ...core.timeouts,
    ...dialLimits(core.limits),
    resolver,
    connect: options.connect ?? plain,
    clock,
    parents: core.parents,
  });
  const pseudonym = options.pseudonym ?? `isthmus-${Math.floor(random() * 0x1_0000_0000).toString(16)}`;
  const { requireSniMatch = false, authAttempts = 0 } = options;
  return {
    ...{ core, clock, pool, dialer, pseudonym, requireSniMatch },
    isLastAttempt: createAttempts(authAttempts),
    appsOf: (client) => options.owners.appsOf(client),
    listenerOf: ({ peer }) => hostPort(peer.localAddress, peer.localPort),
  };
}

function createAttempts(most: number): (exchange: Exchange) => boolean {
  const attempts = new WeakMap<object, number>();
  return ({ peer }) => {
    const count = (attempts.get(peer) ?? 0) + 1;
    attempts.set(peer, count);
    return most > 0 && count >= most;
  };
}

interface Surroundings extends RelaySurroundings {
  pages: ClientPages;
}

function createFront(core: RuledCore, options: EgressOptions, around: Surroundings): Http1Front {
  const { limits, timeouts } = core;
  return createHttp1Front({
    clock: options.clock,
    // The gate has counted connections already.
    limits: {
      headerBytes: limits.headerBytes,
      fields: limits.headerFields,
      connections: Infinity,
      perClient: Infinity,
    },
    timeouts: { headerMs: timeouts.headerMs, bodyMs: timeouts.idleMs, idleMs: timeouts.idleMs },
    onExchange: (exchange) => begin(core, options, around, exchange),
    onRefused(status, _request, peer) {
      core.sessions.refuse('malformed', { client: canonicalIp(peer.address), status });
      return refusalAnswer(status);
    },
  });
}

function accept(
  core: RuledCore,
  options: EgressOptions,
  front: Http1Front,
  socket: Socket,
  listener: TcpListener,
): void {
  const client = clientAddress(socket);
  const refusal = core.gate.enter(client);
  if (refusal === null) {
    socket.once('close', () => core.gate.leave(client));
    front.accept(socket, false);
    return;
  }
  core.sessions.refuse(refusal, { client, listener: listenerText(listener) });
  const date = new Date(options.clock.now()).toUTCString();
  sayFarewell(
    socket,
    formatLocalAnswer(failureAnswer(refusal, null), date, false, 'Connection: close\r\n'),
    options.clock,
  );
}

function begin(core: RuledCore, options: EgressOptions, around: Surroundings, exchange: Exchange): void {
  const { request, peer } = exchange;
  const own = ownAnswer(exchange, around.pages);
  if (own !== null) {
    exchange.respond(own);
    return;
  }
  const client = canonicalIp(peer.address) ?? peer.address;
  const listener = around.listenerOf(exchange);
  const isConnect = request.form === 'authority';
  const session = core.sessions.open({
    listener,
    client,
    proto: isConnect ? 'connect' : 'http',
    method: request.method,
  });
  const target = targetOf(request);
  if ('failure' in target) {
    session.end({ verdict: 'deny', reason: target.failure });
    exchange.respond(failureAnswer(target.failure, request.fields));
    return;
  }
  session.note({ target: destinationText(target.destination), port: target.port, apps: options.owners.appsOf(client) });
  const relay = new Relay(exchange, target, client, session, around);
  exchange.handle(relay);
  relay.run().catch((error: unknown) => {
    core.sessions.fault(error);
    relay.fault();
  });
}

/** What concerns us alone, from whoever asks. */
function ownAnswer({ request, peer }: Exchange, pages: ClientPages): LocalAnswer | null {
  if (request.form === 'asterisk') return optionsAnswer;
  // RFC 9110 §7.6.2: an OPTIONS that may go no further is about us.
  if (request.method === 'OPTIONS' && maxForwardsOf(request) === 0) return optionsAnswer;
  return pages.answer(request, peer);
}
