// Connections of VIPs: each accepted socket gets a backend that can be reached, then a tunnel to it. Until a byte was sent another
// backend may be tried, each once.

import type { Socket } from 'node:net';
import type { Backend } from '../../src/cluster/index.ts';
import type { Picker } from '../../src/ports/index.ts';
import { codeOf, connectForTunnel, openTunnel, type Clock, type Random } from '../../src/runtime/index.ts';
import { createClientCount } from './client-count.ts';
import { connectFailure, type VipMeters } from './vip-meters.ts';

export interface VipTimeouts {
  /** For each backend that is tried; 0: as long as the system tries. */
  readonly connectMs: number;
  /** For all that are tried; absent or 0: no other limit than `connectMs` each. */
  readonly connectTotalMs?: number;
  /** Without a byte either way; 0: never. Keepalive finds peers that are gone. */
  readonly idleMs: number;
  /** The same after one side ended; 0: `idleMs`. */
  readonly halfCloseMs: number;
}

/** Half-closed for as long as IPVS keeps such a connection (specs/l4lb.md §2.3). */
export const defaultVipTimeouts: VipTimeouts = { connectMs: 3000, idleMs: 0, halfCloseMs: 120_000 };

export interface VipConnectionsOptions {
  readonly timeouts: VipTimeouts;
  /** Further ones are reset; 0: no limit. */
  readonly mostConnections: number;
  /** The same of one client: an IPv4 address or an IPv6 /64, loopback never. */
  readonly mostPerClient: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly meters: VipMeters;
}

export interface VipConnections {
  /** Takes over an accepted, paused socket. `picker` is asked again for each try: it may have been replaced meanwhile. */
  serve(downstream: Socket, picker: () => Picker): void;
  readonly active: number;
  /** Resolves when none is left, or after `deadlineMs`. */
  drained(deadlineMs: number): Promise<void>;
  /** Resets all of them. */
  destroy(): void;
}

interface Connection {
  readonly downstream: Socket;
  /** Monotonic time after which no further backend is tried. */
  readonly tryUntil: number;
  destroy(): void;
}

export function createVipConnections(options: VipConnectionsOptions): VipConnections {
  const { clock, meters, timeouts } = options;
  const open = new Set<Connection>();
  const clients = createClientCount(options.mostPerClient);
  const waiting = new Set<() => void>();

  function serve(downstream: Socket, picker: () => Picker): void {
    const client = downstream.remoteAddress ?? '';
    const isFull = options.mostConnections > 0 && open.size >= options.mostConnections;
    if (isFull || !clients.enter(client)) {
      meters.failures.limit.value++;
      downstream.resetAndDestroy();
      return;
    }
    const tryUntil = clock.monotonic() + (timeouts.connectTotalMs || Infinity);
    const connection: Connection = { downstream, tryUntil, destroy: () => downstream.resetAndDestroy() };
    open.add(connection);
    meters.active.value++;
    // Both before a tunnel has the socket: it may go at any time.
    downstream.on('error', ignore);
    downstream.once('close', () => end(connection, client));
    tryNext(connection, picker, null);
  }

  function tryNext(connection: Connection, picker: () => Picker, tried: Set<string> | null): void {
    const { downstream } = connection;
    const isLate = tried !== null && clock.monotonic() >= connection.tryUntil;
    const backend = isLate ? null : picker().pick({ hash: (options.random() * 0x100000000) >>> 0, tried });
    if (backend === null) {
      meters.failures['no-backend'].value++;
      downstream.resetAndDestroy();
      return;
    }
    connectTo(connection, backend, (upstream) => {
      if (upstream !== null) join(connection, upstream);
      else if (!downstream.destroyed) tryNext(connection, picker, (tried ?? new Set<string>()).add(backend.key));
    });
  }

  /** Calls `onOutcome` once: with a connected socket, or null. */
  function connectTo(connection: Connection, backend: Backend, onOutcome: (upstream: Socket | null) => void): void {
    const upstream = connectForTunnel({ host: backend.ip, port: backend.port });
    const refuse = (code: string): void => {
      settle();
      meters.failures[connectFailure(code)].value++;
      onOutcome(null);
    };
    const fail = (error: Error): void => refuse(codeOf(error));
    const connected = (): void => {
      settle();
      onOutcome(upstream);
    };
    const settle = (): void => {
      timer?.cancel();
      upstream.off('connect', connected).off('error', fail);
    };
    const giveUp = (): void => {
      upstream.on('error', ignore).destroy();
      refuse('ETIMEDOUT');
    };
    const timer = timeouts.connectMs === 0 ? null : clock.after(timeouts.connectMs, giveUp);
    upstream.once('connect', connected).once('error', fail);
    connection.destroy = () => {
      settle();
      upstream.on('error', ignore).destroy();
      connection.downstream.resetAndDestroy();
    };
  }

  function join(connection: Connection, upstream: Socket): void {
    const tunnel = openTunnel(connection.downstream, upstream, {
      idleMs: timeouts.idleMs,
      halfCloseMs: timeouts.halfCloseMs,
      clock,
      onEnd: ({ bytesUp, bytesDown }) => {
        meters.bytesUp.value += bytesUp;
        meters.bytesDown.value += bytesDown;
      },
    });
    connection.destroy = () => tunnel.destroy();
  }

  function end(connection: Connection, client: string): void {
    if (!open.delete(connection)) return;
    clients.leave(client);
    meters.active.value--;
    if (open.size === 0) for (const wake of waiting) wake();
  }

  return {
    serve,
    get active() {
      return open.size;
    },
    drained(deadlineMs) {
      if (open.size === 0) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = (): void => {
          timer.cancel();
          waiting.delete(wake);
          resolve();
        };
        const timer = clock.after(deadlineMs, wake);
        waiting.add(wake);
      });
    },
    destroy() {
      for (const connection of open) connection.destroy();
    },
  };
}

const ignore = (): void => undefined;
