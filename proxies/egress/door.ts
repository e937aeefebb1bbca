// Between an accepted connection and HTTP: the PROXY header of a listed peer, the gate, TLS.

import type { Socket } from 'node:net';
import { compileCidrs, type TcpListener } from '../../src/runtime/index.ts';
import {
  awaitIntroduction,
  clientAddress,
  enterTls,
  listenerText,
  sayFarewell,
  type RuledCore,
} from '../access/index.ts';
import { formatLocalAnswer, type Http1Front } from '../http1/index.ts';
import { failureAnswer } from './answers.ts';
import type { EgressChange, EgressOptions } from './options.ts';

export interface Door {
  accept(socket: Socket, listener: TcpListener): void;
  reconfigure(change: EgressChange): void;
  problems(): readonly string[];
}

interface Caller {
  readonly ip: string;
  readonly port: number;
}

/** `serve` takes those who may come in. */
export function createDoor(core: RuledCore, options: EgressOptions, serve: Http1Front['accept']): Door {
  const { clock, secure = null } = options;
  let introduced = compileCidrs(options.proxyProtocol ?? []);

  function accept(socket: Socket, listener: TcpListener): void {
    const peer = clientAddress(socket);
    const deadline = clock.monotonic() + core.timeouts.headerMs;
    if (!introduced.matcher.has(peer)) {
      enter(socket, listener, peer, null, deadline);
      return;
    }
    void awaitIntroduction(socket, core.timeouts.headerMs, clock).then((introduction) => {
      if (introduction === null) {
        core.sessions.refuse('malformed', { client: peer, listener: listenerText(listener), proxyHeader: false });
        socket.destroy();
      } else if (!socket.destroyed) {
        enter(socket, listener, introduction.client?.ip ?? peer, introduction.client, deadline);
        if (secure === null) socket.resume();
      }
    });
  }

  function enter(socket: Socket, listener: TcpListener, client: string, said: Caller | null, deadline: number): void {
    const refusal = core.gate.enter(client);
    if (refusal !== null) {
      refuse(socket, listener, client, refusal);
      return;
    }
    socket.once('close', () => core.gate.leave(client));
    const addresses = {
      address: client,
      port: said?.port ?? socket.remotePort ?? 0,
      localAddress: localAddressOf(socket, listener),
      localPort: listener.port,
    };
    if (secure === null) {
      serve(socket, false, { tls: null, addresses });
      return;
    }
    void enterTls(socket, secure, Math.max(1, deadline - clock.monotonic()), clock).then((stream) => {
      if (stream === null) core.sessions.refuse('malformed', { client, listener: listenerText(listener), tls: false });
      else serve(stream, true, { tls: null, addresses });
    });
  }

  function refuse(socket: Socket, listener: TcpListener, client: string, refusal: 'limit' | 'rate'): void {
    core.sessions.refuse(refusal, { client, listener: listenerText(listener) });
    if (secure !== null) {
      socket.resetAndDestroy();
      return;
    }
    const date = new Date(clock.now()).toUTCString();
    const answer = formatLocalAnswer(failureAnswer(refusal, null), date, false, 'Connection: close\r\n');
    sayFarewell(socket, answer, clock);
  }

  return {
    accept,
    reconfigure({ proxyProtocol }) {
      if (proxyProtocol !== undefined) introduced = compileCidrs(proxyProtocol);
    },
    problems: () => introduced.problems.map((problem) => `proxyProtocol: ${problem}`),
  };
}

/** The system is asked only where the listener has several. */
const localAddressOf = (socket: Socket, { address }: TcpListener): string =>
  address === '0.0.0.0' || address === '::' ? (socket.localAddress ?? address) : address;
