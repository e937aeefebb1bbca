// A listener of control with its own life.

import type { Server } from 'node:http';

export interface ControlServer {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Stops accepting and cuts what is open: nothing that control serves is worth waiting for. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
