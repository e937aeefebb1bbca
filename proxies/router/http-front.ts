// One front for clients of both versions of HTTP: by ALPN over TLS, by HTTP/2's preface where plain listeners take it.

import type { Server, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { CidrMatcher, Clock } from '../../src/runtime/index.ts';
import {
  createHttp1Front,
  type Exchange,
  type Http1Limits,
  type Http1Timeouts,
  type KnownOfClient,
  type LocalAnswer,
  type Peer,
  type RequestView,
} from '../http1/index.ts';
import { createHttp2Front } from '../http2/index.ts';
import type { Http2Metrics } from './http2-metrics.ts';

interface HttpFrontOptions {
  readonly clock: Clock;
  readonly limits: Partial<Http1Limits>;
  readonly timeouts: Partial<Http1Timeouts>;
  readonly trusted: CidrMatcher;
  /** Whether plain connections may begin with HTTP/2 (prior knowledge). */
  readonly h2c: boolean;
  readonly metrics: Http2Metrics;
  readonly onExchange: (exchange: Exchange) => void;
  readonly onRefused: (status: number, request: RequestView | null, peer: Peer, handled: boolean) => LocalAnswer;
}

export interface HttpFront {
  /** Accepts plain connections. */
  createServer(): Server;
  /** Takes a connection that was accepted elsewhere (TLS, PROXY protocol), made with `allowHalfOpen`. */
  accept(socket: Socket, secure: boolean, known?: KnownOfClient): void;
  readonly connections: number;
  /** Within `deadlineMs`, as the fronts of each version do. */
  drain(deadlineMs: number): void;
  onceEmpty(callback: () => void): void;
  destroy(): void;
}

export function createHttpFront({ h2c, metrics, ...options }: HttpFrontOptions): HttpFront {
  const http2 = createHttp2Front({
    ...options,
    onFault: (reason) => metrics.faults.cell(reason).value++,
    onStreamReset: (reason) => metrics.resets.cell(reason).value++,
  });
  metrics.watchHeld(() => http2.heldBytes);
  const http1 = createHttp1Front({
    ...options,
    ...(h2c ? { onHttp2: (switched, peer) => http2.adopt(switched, peer) } : {}),
  });
  return {
    createServer: () => http1.createServer(),
    accept(socket, secure, known) {
      const front = socket instanceof TLSSocket && socket.alpnProtocol === 'h2' ? http2 : http1;
      front.accept(socket, secure, known);
    },
    get connections() {
      return http1.connections + http2.connections;
    },
    drain(deadlineMs) {
      http1.drain(deadlineMs);
      http2.drain();
    },
    onceEmpty(callback) {
      http1.onceEmpty(() => http2.onceEmpty(callback));
    },
    destroy() {
      http1.destroy();
      http2.destroy();
    },
  };
}
