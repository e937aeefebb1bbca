// The HTTP/1.1 front: accepts connections, reads requests, hands exchanges to a handler. Knows nothing of where they go.

import { createServer, type Server, type Socket } from 'node:net';
import type { CidrMatcher, Clock } from '../../src/runtime/index.ts';
import type { ConnectionFront } from './connection-front.ts';
import type { Exchange, Peer, RequestView, Switched } from './exchange.ts';
import { createHttpDate } from './http-date.ts';
import { Deadlines } from './deadlines.ts';
import { defaultTimeouts, effectiveLimits, type Http1Limits, type Http1Timeouts } from './limits.ts';
import type { LocalAnswer } from './local-answer.ts';
import { ClientCount, peerOf, type KnownOfClient } from './peer.ts';
import { ServerConnection } from './server-connection.ts';

export interface Http1FrontOptions {
  readonly clock: Clock;
  readonly limits?: Partial<Http1Limits>;
  readonly timeouts?: Partial<Http1Timeouts>;
  /** Peers whose statements about others are believed, and who are not counted per client. */
  readonly trusted?: CidrMatcher;
  /** A request has come, complete up to its body: answer it in the call, or say by `handle` who hears of it. */
  readonly onExchange: (exchange: Exchange) => void;
  /**
   * The answer to a request refused by its form: 400, 408, 413, 414, 417, 431, 501, 505. `request` is null where the head is not whole.
   * `handled`: it was an exchange already, and its handler has heard `onClientLost`.
   */
  readonly onRefused: (status: number, request: RequestView | null, peer: Peer, handled: boolean) => LocalAnswer;
  /** Takes connections whose first bytes are HTTP/2's preface (RFC 9113 §3.3). Absent: they are refused with 505. */
  readonly onHttp2?: (switched: Switched, peer: Peer) => void;
}

export interface Http1Front {
  /** Accepts connections of `server` (made here, with the options the front needs); bind it by a listener's `attach`. */
  createServer(): Server;
  /** Takes a connection that was accepted elsewhere (TLS, PROXY protocol), made with `allowHalfOpen`. */
  accept(socket: Socket, secure: boolean, known?: KnownOfClient): void;
  /** Connections that are open, tunnels not among them. */
  readonly connections: number;
  /**
   * Closes connections after their next answer, which says `Connection: close`. Idle ones wait a while for a request that may be on its way:
   * a thirtieth of `deadlineMs`, and never beyond the usual idle time.
   */
  drain(deadlineMs?: number): void;
  /** Calls back once no connection is left. */
  onceEmpty(callback: () => void): void;
  /** Cuts all connections. */
  destroy(): void;
}

const defaultDrainMs = 30_000;
/** Part of a drain's time that idle connections have, and what they have in any case: whoever has just connected is about to ask. */
const drainIdleShare = 30;
const leastDrainIdleMs = 500;

/** Makes a front; nothing is accepted before a server of it is bound or `accept` is called. */
export function createHttp1Front(options: Http1FrontOptions): Http1Front {
  const connections = new Set<ServerConnection>();
  const clients = new ClientCount();
  const emptyCallbacks: (() => void)[] = [];
  let drainIdleMs: number | null = null;

  const front: ConnectionFront = {
    limits: effectiveLimits(options.limits),
    timeouts: { ...defaultTimeouts, ...options.timeouts },
    deadlines: new Deadlines(options.clock),
    date: createHttpDate(options.clock),
    get drainIdleMs() {
      return drainIdleMs;
    },
    onExchange: options.onExchange,
    onRefused: options.onRefused,
    onHttp2: options.onHttp2 ?? null,
    onClosed(connection) {
      if (!connections.delete(connection)) return;
      clients.remove(connection.peer);
      if (connections.size === 0) for (const callback of emptyCallbacks.splice(0)) callback();
    },
  };

  function accept(socket: Socket, secure: boolean, known: KnownOfClient | null = null): void {
    const peer = peerOf(socket, secure, options.trusted, known);
    if (peer === null || connections.size >= front.limits.connections || !clients.add(peer, front.limits.perClient)) {
      // An error handler, as a socket that is cut may still report.
      socket.on('error', () => undefined).destroy();
      return;
    }
    const connection = new ServerConnection(socket, peer, front);
    connections.add(connection);
    if (drainIdleMs !== null) connection.drain(drainIdleMs);
  }

  return {
    createServer: () => createServer({ allowHalfOpen: true, noDelay: true }, (socket) => accept(socket, false)),
    accept,
    get connections() {
      return connections.size;
    },
    drain(deadlineMs = defaultDrainMs) {
      drainIdleMs = Math.max(
        leastDrainIdleMs,
        Math.min(front.timeouts.idleMs || Infinity, deadlineMs / drainIdleShare),
      );
      for (const connection of [...connections]) connection.drain(drainIdleMs);
    },
    onceEmpty(callback) {
      if (connections.size === 0) callback();
      else emptyCallbacks.push(callback);
    },
    destroy() {
      drainIdleMs = 0;
      for (const connection of [...connections]) connection.destroy();
    },
  };
}
