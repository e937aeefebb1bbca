// How a server of `node:http` stops without a reset for whoever has just connected.

import type { Server } from 'node:http';
import { Server as TcpServer } from 'node:net';

/** A connection without a request gets this long to send one. */
const firstRequestMs = 1_000;
/** An answer under way gets this long. */
const lastAnswerMs = 5_000;

/**
 * Stops accepting, lets requests and answers under way end, and cuts what is left. HTTP's own `close` ends connections at once that are
 * accepted and whose request is not read yet, which their clients see as a reset. Resolves when no connection is left; at once where the
 * server does not listen.
 */
export function closeHttpServer(server: Server): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    // What has arrived is read in the turn that follows the timer, before the immediate.
    const late = setTimeout(() => setImmediate(() => server.closeIdleConnections()), firstRequestMs);
    const cut = setTimeout(() => server.closeAllConnections(), lastAnswerMs);
    TcpServer.prototype.close.call(server, () => {
      clearTimeout(late);
      clearTimeout(cut);
      resolve();
    });
  });
}
