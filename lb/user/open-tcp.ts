// A listening TCP socket at an address of a VIP. There are thousands of them, so each is one object without closures of its own.

import { Server, type Socket } from 'node:net';
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
export function openTcp(options: OpenTcpOptions): Promise<OpenSocket | string> {
  return new Promise((resolve) => {
    const server = new VipServer(options.onConnection);
    settling.set(server, resolve);
    const { ip, port, reusePort } = options;
    server.listen({ host: ip, port, backlog, exclusive: true, reusePort });
  });
}

/** Who waits for the outcome of a first attempt. */
const settling = new Map<Server, (outcome: OpenSocket | string) => void>();

class VipServer extends Server implements OpenSocket {
  readonly onConnection: (socket: Socket) => void;

  constructor(onConnection: (socket: Socket) => void) {
    super({ allowHalfOpen: true, pauseOnConnect: true });
    this.onConnection = onConnection;
    this.on('error', failed).on('listening', opened).on('connection', connected);
  }

  finish(): Promise<void> {
    return closeWhenQuiet(this);
  }
}

function opened(this: VipServer): void {
  settle(this, this);
}

/** Later errors are those of single accepts (EMFILE): the listener goes on. */
function failed(this: VipServer, error: Error): void {
  settle(this, codeOf(error) === '' ? 'unknown' : codeOf(error));
}

function connected(this: VipServer, socket: Socket): void {
  this.onConnection(socket);
}

function settle(server: VipServer, outcome: OpenSocket | string): void {
  settling.get(server)?.(outcome);
  settling.delete(server);
}
