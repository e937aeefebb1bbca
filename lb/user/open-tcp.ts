// A listening TCP socket at an address of a VIP.

import { createServer, type Server, type Socket } from 'node:net';
import { closeWhenQuiet, codeOf } from '../../src/runtime/index.ts';
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

/** The socket, or the system's code. Never rejects. */
export async function openTcp(options: OpenTcpOptions): Promise<OpenSocket | string> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, options.onConnection);
  const code = await listening(server, options);
  return code ?? { close: () => closeWhenQuiet(server) };
}

function listening(server: Server, options: OpenTcpOptions): Promise<string | null> {
  return new Promise((resolve) => {
    // Later errors are those of single accepts (EMFILE): the listener goes on.
    server.on('error', (error) => resolve(codeOf(error) === '' ? 'unknown' : codeOf(error)));
    const { ip, port, reusePort } = options;
    server.listen({ host: ip, port, backlog, exclusive: true, reusePort }, () => resolve(null));
  });
}
