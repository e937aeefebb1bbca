// A listening TCP socket at an address of a VIP.

import { createServer, type Server, type Socket } from 'node:net';
import { codeOf } from '../../src/runtime/index.ts';
import type { OpenSocket } from './vip-listener.ts';

export interface OpenTcpOptions {
  readonly ip: string;
  readonly port: number;
  /** Several workers share the port. */
  readonly reusePort: boolean;
  /** Paused, and half-open when its client ends. */
  readonly onConnection: (socket: Socket) => void;
}

const backlog = 4096;
/** Turns of the event loop without a new connection that say that the queue is empty (node26.md §A1.3). */
const quietTurns = 4;

/** The socket, or the system's code. Never rejects. */
export async function openTcp(options: OpenTcpOptions): Promise<OpenSocket | string> {
  let accepted = 0;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    accepted++;
    options.onConnection(socket);
  });
  const code = await listening(server, options);
  if (code !== null) return code;
  return {
    async close() {
      for (let quiet = 0; quiet < quietTurns;) {
        const seen = accepted;
        await new Promise((resolve) => void setImmediate(resolve));
        quiet = accepted === seen ? quiet + 1 : 0;
      }
      server.close();
    },
  };
}

function listening(server: Server, options: OpenTcpOptions): Promise<string | null> {
  return new Promise((resolve) => {
    // Later errors are those of single accepts (EMFILE): the listener goes on.
    server.on('error', (error) => resolve(codeOf(error) === '' ? 'unknown' : codeOf(error)));
    const { ip, port, reusePort } = options;
    server.listen({ host: ip, port, backlog, exclusive: true, reusePort }, () => resolve(null));
  });
}
