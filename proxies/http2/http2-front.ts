// The HTTP/2 half of a listener: takes connections that are known to speak it and hands on requests as exchanges.

import type { Socket } from 'node:net';
import type { CidrMatcher, Clock } from '../../src/runtime/index.ts';
import {
  ClientCount,
  createHttpDate,
  Deadlines,
  defaultTimeouts,
  effectiveLimits,
  peerOf,
  type Exchange,
  type Http1Timeouts,
  type LocalAnswer,
  type Peer,
  type KnownOfClient,
  type RequestView,
  type Switched,
} from '../http1/index.ts';
import { HeldBytes } from './held-bytes.ts';
import { Http2Connection } from './http2-connection.ts';
import { defaultHttp2Limits, type Http2Limits } from './http2-limits.ts';
import type { FaultReason, Http2ConnectionFront, StreamReason } from './stream-host.ts';

export interface Http2FrontOptions {
  readonly clock: Clock;
  readonly limits?: Partial<Http2Limits>;
  readonly timeouts?: Partial<Http1Timeouts>;
  /** Peers whose statements about others are believed, and who are not counted per client. */
  readonly trusted?: CidrMatcher;
  /** A request has come, complete up to its body: answer it in the call, or say by `handle` who hears of it. */
  readonly onExchange: (exchange: Exchange) => void;
  /**
   * The answer to a request refused by its form. `request` is null where it is malformed and its stream is reset instead. `handled`: it was
   * an exchange already, and its handler has heard `onClientLost`.
   */
  readonly onRefused: (status: number, request: RequestView | null, peer: Peer, handled: boolean) => LocalAnswer;
  /** A client broke a rule of the protocol, or a limit, and its connection ends with GOAWAY. For counters. */
  readonly onFault?: (reason: FaultReason) => void;
  /** A stream of a connection that goes on was reset by us. For counters. */
  readonly onStreamReset?: (reason: StreamReason) => void;
}

export interface Http2Front {
  /** Takes a connection whose client agreed on HTTP/2 (ALPN), made with `allowHalfOpen`. */
  accept(socket: Socket, secure: boolean, known?: KnownOfClient): void;
  /** Takes one from an HTTP/1 front that found the preface on it. */
  adopt(switched: Switched, peer: Peer): void;
  readonly connections: number;
  /** Octets kept for clients that do not take them, and of bodies that nobody reads yet. */
  readonly heldBytes: number;
  /** Says GOAWAY; connections end after their last answer. */
  drain(): void;
  /** Calls back once no connection is left. */
  onceEmpty(callback: () => void): void;
  /** Cuts all connections. */
  destroy(): void;
}

export function createHttp2Front(options: Http2FrontOptions): Http2Front {
  const connections = new Set<Http2Connection>();
  const clients = new ClientCount();
  const emptyCallbacks: (() => void)[] = [];
  let draining = false;
  const limits = { ...defaultHttp2Limits, ...options.limits, ...effectiveLimits(options.limits) };
  const held = new HeldBytes(limits.totalHeldBytes, connections);

  const front: Http2ConnectionFront = {
    limits,
    held,
    timeouts: { ...defaultTimeouts, ...options.timeouts },
    deadlines: new Deadlines(options.clock),
    date: createHttpDate(options.clock),
    get draining() {
      return draining;
    },
    onExchange: options.onExchange,
    onRefused: options.onRefused,
    onClosed(connection) {
      if (!connections.delete(connection)) return;
      clients.remove(connection.peer);
      if (connections.size === 0) for (const callback of emptyCallbacks.splice(0)) callback();
    },
    onFault: options.onFault ?? (() => undefined),
    onStreamReset: options.onStreamReset ?? (() => undefined),
  };

  function take(socket: Socket, peer: Peer | null, early: Buffer | null): void {
    if (peer === null || connections.size >= limits.connections || !clients.add(peer, limits.perClient)) {
      // An error handler, as a socket that is cut may still report.
      socket.on('error', () => undefined).destroy();
      return;
    }
    const connection = new Http2Connection(socket, peer, front);
    connections.add(connection);
    if (draining) connection.drain();
    if (early !== null) connection.receive(early);
    socket.resume();
  }

  return {
    accept: (socket, secure, known) => take(socket, peerOf(socket, secure, options.trusted, known), null),
    adopt: ({ socket, early }, peer) => take(socket, peer, early),
    get connections() {
      return connections.size;
    },
    get heldBytes() {
      return held.bytes;
    },
    drain() {
      draining = true;
      for (const connection of [...connections]) connection.drain();
    },
    onceEmpty(callback) {
      if (connections.size === 0) callback();
      else emptyCallbacks.push(callback);
    },
    destroy() {
      draining = true;
      for (const connection of [...connections]) connection.destroy();
    },
  };
}
