// The HTTP/1.1 front: accepts connections, reads requests, hands exchanges to a handler. Knows nothing of where they go.

import type { Server, Socket } from 'node:net';
import type { CidrMatcher, Clock } from '../../src/runtime/index.ts';
import type { Exchange, ExchangeHandler, Peer, RequestView } from './exchange.ts';
import type { Http1Limits, Http1Timeouts } from './limits.ts';
import type { LocalAnswer } from './local-answer.ts';

export interface Http1FrontOptions {
  readonly clock: Clock;
  readonly limits?: Partial<Http1Limits>;
  readonly timeouts?: Partial<Http1Timeouts>;
  /** Peers whose statements about others are believed, and who are not counted per client. */
  readonly trusted?: CidrMatcher;
  /**
   * A request is complete up to its body. Returns who hears of it, or null where it has been answered in the call. Its body does not
   * flow before `resumeBody`.
   */
  readonly onExchange: (exchange: Exchange) => ExchangeHandler | null;
  /** The answer to a request refused by its form: 400, 408, 413, 414, 417, 431, 501, 505. `request` is null where the head is not whole. */
  readonly onRefused: (status: number, request: RequestView | null, peer: Peer) => LocalAnswer;
}

export interface Http1Front {
  /** Accepts connections of `server` (made here, with the options the front needs); bind it by a listener's `attach`. */
  createServer(): Server;
  /** Takes a connection that was accepted elsewhere (TLS), made with `allowHalfOpen`. */
  accept(socket: Socket, secure: boolean): void;
  /** Connections that are open, tunnels not among them. */
  readonly connections: number;
  /** Closes idle connections now and the others after their present answer, which says `Connection: close`. */
  drain(): void;
  /** Calls back once no connection is left. */
  onceEmpty(callback: () => void): void;
  /** Cuts all connections. */
  destroy(): void;
}

/** What `createHttp1Front` is. */
export type CreateHttp1Front = (options: Http1FrontOptions) => Http1Front;
