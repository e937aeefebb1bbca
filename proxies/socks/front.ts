// From an accepted connection to whoever speaks its protocol: PROXY header of a listed peer, the gate, TLS, and the first byte.

import type { Socket } from 'node:net';
import { compileCidrs, type TcpListener } from '../../src/runtime/index.ts';
import {
  awaitIntroduction,
  clientAddress,
  enterTls,
  listenerText,
  type RuledCore,
  type Session,
} from '../access/index.ts';
import { converse } from './conversation.ts';
import type { SocksChange, SocksOptions } from './options.ts';
import type { SocksMetrics } from './socks-metrics.ts';

export interface Front {
  accept(socket: Socket, listener: TcpListener): void;
  reconfigure(change: SocksChange): void;
  problems(): readonly string[];
}

const tlsHandshake = 0x16;
const firstLetter = 0x41;
const lastLetter = 0x5a;

export function createFront(core: RuledCore, given: SocksOptions, metrics: SocksMetrics): Front {
  const { clock, http = null, secure = null, tlsOnly = false } = given;
  let options = given;
  let introduced = compileCidrs(options.proxyProtocol ?? []);

  function accept(socket: Socket, listener: TcpListener): void {
    const peer = clientAddress(socket);
    const deadline = clock.monotonic() + core.timeouts.headerMs;
    if (!introduced.matcher.has(peer)) {
      enter(socket, listener, peer, deadline);
      return;
    }
    void awaitIntroduction(socket, core.timeouts.headerMs, clock).then((introduction) => {
      if (introduction !== null) {
        enter(socket, listener, introduction.client?.ip ?? peer, deadline);
        return;
      }
      metrics.handshakeFailure('proxy-header');
      core.sessions.refuse('malformed', { client: peer, listener: listenerText(listener), proxyHeader: false });
      socket.destroy();
    });
  }

  function enter(socket: Socket, listener: TcpListener, address: string, deadline: number): void {
    const refusal = core.gate.enter(address);
    if (refusal !== null) {
      core.sessions.refuse(refusal, { client: address, listener: listenerText(listener) });
      socket.resetAndDestroy();
      return;
    }
    if (socket.destroyed) core.gate.leave(address);
    else socket.once('close', () => core.gate.leave(address));
    const open = (): Session => core.sessions.open({ listener: listenerText(listener), client: address });
    const talk = (stream: Socket, session: Session): void => {
      const fault = (error: unknown): void => {
        core.sessions.fault(error);
        session.end({ verdict: 'deny', reason: 'connect-failure' });
        stream.destroy();
      };
      const client = { core, options, metrics, socket: stream, address, listener, session, fault };
      converse(client, Math.max(1, deadline - clock.monotonic()));
    };
    if (secure === null && http === null && !tlsOnly) {
      talk(socket, open());
      return;
    }
    void tellApart(socket, address, listener, deadline, open, talk);
  }

  /** Looks at the first byte, twice where that opens TLS. */
  async function tellApart(
    socket: Socket,
    address: string,
    listener: TcpListener,
    deadline: number,
    open: () => Session,
    talk: (stream: Socket, session: Session) => void,
  ): Promise<void> {
    const within = (): number => Math.max(1, deadline - clock.monotonic());
    const fail = (why: string): void => {
      metrics.handshakeFailure(why);
      open().end({ verdict: 'deny', reason: 'malformed' });
      stream.destroy();
      socket.destroy();
    };
    let stream = socket;
    let first = await firstByte(socket, within(), clock);
    const isTls = first === tlsHandshake && secure !== null;
    if (first === null || (tlsOnly && !isTls)) {
      fail(first === null ? 'timeout' : 'tls');
      return;
    }
    if (isTls) {
      const secured = await enterTls(socket, secure, within(), clock);
      stream = secured ?? socket;
      first = secured === null ? null : await firstByte(secured, within(), clock);
      if (first === null) {
        fail('tls');
        return;
      }
    }
    if (http !== null && first >= firstLetter && first <= lastLetter) http(stream, listener, address);
    else talk(stream, open());
  }

  return {
    accept,
    reconfigure(change) {
      options = { ...options, ...change };
      introduced = compileCidrs(options.proxyProtocol ?? []);
    },
    problems: () => introduced.problems.map((problem) => `proxyProtocol: ${problem}`),
  };
}

/** The byte stays to be read; `socket` is paused. Null: it ended, or time ran out. */
function firstByte(socket: Socket, withinMs: number, clock: SocksOptions['clock']): Promise<number | null> {
  return new Promise((resolve) => {
    const settle = (byte: number | null): void => {
      deadline.cancel();
      socket.off('data', onData).off('end', onEnd).off('close', onEnd);
      resolve(byte);
    };
    const onData = (chunk: Buffer): void => {
      socket.pause();
      socket.unshift(chunk);
      settle(chunk[0] ?? null);
    };
    const onEnd = (): void => settle(null);
    const deadline = clock.after(withinMs, onEnd);
    socket.on('data', onData).once('end', onEnd).once('close', onEnd);
    socket.resume();
    if (socket.destroyed) onEnd();
  });
}
