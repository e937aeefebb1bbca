// What a connection of an HTTP/1 client needs of the front that accepted it.

import type { Deadlines } from './deadlines.ts';
import type { Exchange, Peer, RequestView, Switched } from './exchange.ts';
import type { Http1Limits, Http1Timeouts } from './limits.ts';
import type { LocalAnswer } from './local-answer.ts';
import type { ServerConnection } from './server-connection.ts';

export interface ConnectionFront {
  readonly limits: Http1Limits;
  readonly timeouts: Http1Timeouts;
  readonly deadlines: Deadlines;
  readonly date: () => string;
  /** How long a connection may be idle while the front drains; null: it does not. */
  readonly drainIdleMs: number | null;
  onExchange(exchange: Exchange): void;
  onRefused(status: number, request: RequestView | null, peer: Peer, handled: boolean): LocalAnswer;
  /** The client speaks HTTP/2 without having asked; null: that version is refused. */
  readonly onHttp2: ((switched: Switched, peer: Peer) => void) | null;
  onClosed(connection: ServerConnection): void;
}
