// The part of the HTTP proxy that serves by one state of the configuration: front, pool, dialler, pages. A change makes another, and the
// connections of the former stay with it.

import { connect, type Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { canonicalIp, createDialer, destinationText, dialLimits, hostPort, type RuledCore } from '../access/index.ts';
import {
  createHttp1Front,
  createUpstreamPool,
  type Exchange,
  type Http1Front,
  type LocalAnswer,
  type UpstreamPool,
} from '../http1/index.ts';
import { failureAnswer, optionsAnswer, refusalAnswer } from './answers.ts';
import { createClientPages, type ClientPages } from './client-pages.ts';
import type { EgressChange, EgressOptions } from './options.ts';
import { targetOf } from './proxy-target.ts';
import { Relay, type RelaySurroundings } from './relay.ts';
import { maxForwardsOf } from './request-head.ts';

interface Engine {
  readonly front: Http1Front;
  readonly pool: UpstreamPool;
}

export interface Engines {
  /** For connections that come now. */
  now(): Engine;
  /** `core` has changed already. */
  reconfigure(change: EgressChange): void;
  drain(): void;
  destroy(): void;
}

export function createEngines(core: RuledCore, given: EgressOptions): Engines {
  const { random } = given;
  const pseudonym = given.pseudonym ?? `isthmus-${Math.floor(random() * 0x1_0000_0000).toString(16)}`;
  let options = given;
  let pages = pagesOf(options);
  const make = (): Engine => {
    const pool = createPool(core, options);
    const around = { ...createSurroundings(core, options, pool, pseudonym), pages: () => pages };
    return { pool, front: createFront(core, options, around) };
  };
  let current = make();
  /** Those with connections left, the current one among them. */
  const all = new Set([current]);
  return {
    now: () => current,
    reconfigure(change) {
      const former = current;
      const before = options;
      options = { ...options, ...change };
      pages = pagesOf(options);
      if (isDeepStrictEqual(makingsOf(options), makingsOf(before))) return;
      all.add((current = make()));
      former.front.onceEmpty(() => {
        all.delete(former);
        former.pool.drain();
      });
    },
    drain() {
      for (const { front, pool } of all) {
        front.drain();
        pool.drain();
      }
    },
    destroy() {
      for (const { front, pool } of all) {
        front.destroy();
        pool.destroy();
      }
    },
  };
}

/** What an engine is made from, besides what the core has. */
const makingsOf = ({ limits, timeouts, parents, requireSniMatch, authAttempts }: EgressOptions): unknown => [
  ...[limits, timeouts, parents, requireSniMatch, authAttempts],
];

const pagesOf = ({ clients = null, rules }: EgressOptions): ClientPages => createClientPages(clients, rules);

function createPool({ timeouts }: RuledCore, { clock }: EgressOptions): UpstreamPool {
  const { connectMs, responseMs, idleMs } = timeouts;
  return createUpstreamPool({ clock, timeouts: { connectMs, responseMs, answerMs: idleMs } });
}

function createSurroundings(
  core: RuledCore,
  options: EgressOptions,
  pool: UpstreamPool,
  pseudonym: string,
): RelaySurroundings {
  const { clock, resolver } = options;
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
  /** Those of now. */
  pages(): ClientPages;
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

function begin(core: RuledCore, options: EgressOptions, around: Surroundings, exchange: Exchange): void {
  const { request, peer } = exchange;
  const own = ownAnswer(exchange, around.pages());
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
