// The HTTP forward proxy: containers reach the outside, as far as the rules allow, by absolute-form requests and CONNECT.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { IsthmusError, type TcpListener } from '../../src/runtime/index.ts';
import type { TrafficFunction } from '../../src/ports/index.ts';
import { createAcceptor, createRuledCore } from '../access/index.ts';
import { createDoor } from './door.ts';
import { createEngines } from './engines.ts';
import type { EgressChange, EgressOptions } from './options.ts';

export interface EgressFunction extends TrafficFunction {
  /** Takes what is said anew, for requests from now on and for the pages that clients fetch; what is open stays. */
  reconfigure(change: EgressChange): void;
  /** What of its configuration could not be honoured, one line each; empty: all of it. */
  problems(): readonly string[];
  /** Takes a connection that came to another listener, which counts it: paused, nothing read. `client`: who it is. */
  take(socket: Socket, listener: TcpListener, client: string): void;
}

/** TrafficFunction `httpProxy`. Listeners that would carry passwords in clear are not opened; `start` rejects where none is left. */
export function createEgressFunction(options: EgressOptions): EgressFunction {
  const secure = options.secure ?? null;
  const core = createRuledCore('egress', { ...options, clearAuth: options.clearAuth === true || secure !== null });
  const { clock, log } = options;
  const engines = createEngines(core, options);
  const door = createDoor(core, options, (...client) => engines.now().front.accept(...client));
  const acceptor = createAcceptor({
    listeners: core.listeners,
    clock,
    log,
    onConnection: (socket, listener) => door.accept(socket, listener),
    onDrain: () => engines.drain(),
  });
  return {
    name: 'httpProxy',
    reconfigure(change) {
      core.reconfigure(change);
      core.replaceRules(change.rules);
      core.replaceUsers(change.users);
      door.reconfigure(change);
      engines.reconfigure(change);
    },
    take(socket, { address, port }, client) {
      const isTls = socket instanceof TLSSocket;
      const addresses = { address: client, port: socket.remotePort ?? 0, localAddress: address, localPort: port };
      engines.now().front.accept(socket, isTls, { tls: null, addresses });
      socket.resume();
    },
    problems: () => [...core.problems(), ...door.problems(), ...acceptor.problems()],
    async start() {
      if (core.listeners.length === 0) {
        const reason = core.problems()[0] ?? 'there is no listener';
        throw new IsthmusError('HTTP_PROXY_NOT_STARTED', reason, { side: 'internal', retryable: false });
      }
      await core.users?.start();
      await acceptor.start();
    },
    drain: (deadlineMs) => acceptor.drain(deadlineMs),
    async stop() {
      core.users?.stop();
      engines.destroy();
      await acceptor.stop();
    },
  };
}
