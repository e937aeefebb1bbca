// A listener of control with its own life.

import type { Server } from 'node:http';

export interface ControlServer {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** An answer under way gets this long. */
const lastAnswerMs = 1_000;

/** Stops accepting, lets answers under way end, and cuts what is left: nothing that control serves is worth waiting for. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), lastAnswerMs);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
