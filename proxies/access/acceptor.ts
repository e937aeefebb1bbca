// Accepts connections on listeners that others bound, and keeps account of them until the last has closed.

import { createServer, type Server, type Socket } from 'node:net';
import {
  closeWhenQuiet,
  IsthmusError,
  messageOf,
  watchYoung,
  type Clock,
  type Logger,
  type TcpListener,
} from '../../src/runtime/index.ts';
import { cutConnection } from './tls-entry.ts';

export interface Acceptor {
  /** Rejects if not one listener could be opened; problems of the others are in `problems`. */
  start(): Promise<void>;
  /** Stops accepting and resolves when all connections have closed or `deadlineMs` has passed. */
  drain(deadlineMs: number): Promise<void>;
  /** Resets what is open. */
  stop(): Promise<void>;
  problems(): readonly string[];
}

export interface AcceptorOptions<L extends TcpListener> {
  readonly listeners: readonly L[];
  readonly clock: Clock;
  readonly log: Logger;
  /** The socket is half-open, is watched by keepalive, and has an `error` listener; everything else is the callee's. */
  readonly onConnection: (socket: Socket, listener: L) => void;
  /** Whether something is written to clients before a tunnel has them, which sees to delays itself; then they have none. Absent: true. */
  readonly speaksFirst?: boolean;
  /** Called once at the start of `drain`, for those that keep idle connections. */
  readonly onDrain?: () => void;
}

export function createAcceptor<L extends TcpListener>(options: AcceptorOptions<L>): Acceptor {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const problems: string[] = [];
  let onEmpty: (() => void) | null = null;

  function accept(socket: Socket, listener: L): void {
    sockets.add(socket);
    watchYoung(socket, options.clock);
    // Whoever has the socket hears `close` and looks at what came before; the error itself is the client's affair.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0) onEmpty?.();
    });
    options.onConnection(socket, listener);
  }

  async function open(listener: L): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: options.speaksFirst ?? true }, (socket) =>
      accept(socket, listener),
    );
    await listener.attach(server);
    server.on('error', (error) => options.log.warn({ error: messageOf(error) }, 'a connection could not be accepted'));
    servers.push(server);
  }

  async function openOrTell(listener: L): Promise<void> {
    try {
      await open(listener);
    } catch (error) {
      problems.push(`cannot listen on ${listener.address}:${listener.port}: ${messageOf(error)}`);
    }
  }

  const close = (): Promise<unknown> =>
    Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));

  return {
    async start() {
      await Promise.all(options.listeners.map(openOrTell));
      if (servers.length === 0) {
        throw new IsthmusError('LISTEN_FAILED', problems[0] ?? 'there is no listener', {
          side: 'internal',
          retryable: true,
        });
      }
    },
    async drain(deadlineMs) {
      // Not a server's own close, which waits for its connections without a deadline.
      await Promise.all(servers.map(closeWhenQuiet));
      options.onDrain?.();
      if (sockets.size === 0) return;
      await new Promise<void>((resolve) => {
        const deadline = options.clock.after(deadlineMs, resolve);
        onEmpty = () => {
          deadline.cancel();
          resolve();
        };
      });
    },
    async stop() {
      const closed = close();
      for (const socket of sockets) cutConnection(socket);
      await closed;
    },
    problems: () => problems,
  };
}
