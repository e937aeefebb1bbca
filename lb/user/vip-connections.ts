// Connections of VIPs: each accepted socket gets a backend that can be reached, then a tunnel to it. Until a byte was sent another
// backend may be tried, each once.

import type { Socket } from 'node:net';
import type { Backend } from '../../src/cluster/index.ts';
import { codeOf, connectForTunnel, openTunnel, type Clock } from '../../src/runtime/index.ts';
import { createClientCount } from './client-count.ts';
import { proxyHeader, type ProxiedAddresses } from './proxy-header.ts';
import type { ServedVip } from './served-vip.ts';
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
  /** How long connections of a backend that is gone may go on; absent or 0: as long as they like. A VIP's label goes first. */
  readonly drainMs?: number;
  /** How long a UDP client stays with its backend without a datagram; absent: a minute. */
  readonly udpMs?: number;
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
  readonly meters: VipMeters;
}

export interface VipConnections {
  /** Takes over an accepted, paused socket. `vip` is asked again for each try: its parts may have been replaced meanwhile. */
  serve(downstream: Socket, vip: ServedVip): void;
  readonly active: number;
  /** Resolves when none is left, or after `deadlineMs`. */
  drained(deadlineMs: number): Promise<void>;
  /** Resets all of them. */
  destroy(): void;
}

interface Connection {
  readonly vip: ServedVip;
  readonly downstream: Socket;
  readonly hash: number;
  /** Monotonic time after which no further backend is tried. */
  readonly tryUntil: number;
  destroy(): void;
}

export function createVipConnections(options: VipConnectionsOptions): VipConnections {
  const { clock, meters, timeouts } = options;
  const open = new Set<Connection>();
  const clients = createClientCount(options.mostPerClient);
  const isCounted = options.mostPerClient > 0;
  const waiting = new Set<() => void>();

  function serve(downstream: Socket, vip: ServedVip): void {
    // A system call, which most connections are spared.
    const isTold = isCounted || vip.gate !== null || vip.hashesClients;
    const client = isTold ? (downstream.remoteAddress ?? '') : '';
    const isFull = options.mostConnections > 0 && open.size >= options.mostConnections;
    if (isFull || !clients.enter(client)) {
      refuse(downstream, 'limit');
      return;
    }
    const { gate } = vip;
    const refusal = gate?.enter(client) ?? null;
    if (refusal !== null) {
      clients.leave(client);
      refuse(downstream, refusal);
      return;
    }
    const tryUntil = clock.monotonic() + (timeouts.connectTotalMs || Infinity);
    const hash = vip.hashOf(client);
    const connection: Connection = { vip, downstream, hash, tryUntil, destroy: () => downstream.resetAndDestroy() };
    open.add(connection);
    meters.active.value++;
    // Both before a tunnel has the socket: it may go at any time.
    downstream.on('error', ignore);
    downstream.once('close', () => {
      gate?.leave(client);
      end(connection, client);
    });
    tryNext(connection, null);
  }

  function refuse(downstream: Socket, reason: 'limit' | 'rate' | 'allow' | 'no-backend'): void {
    meters.failures[reason].value++;
    downstream.resetAndDestroy();
  }

  function tryNext(connection: Connection, tried: Set<string> | null): void {
    const { vip, downstream, hash } = connection;
    const isLate = tried !== null && clock.monotonic() >= connection.tryUntil;
    const backend = isLate ? null : vip.picker.pick({ hash, tried });
    if (backend === null) {
      refuse(downstream, 'no-backend');
      return;
    }
    connectTo(connection, backend, (upstream) => {
      if (upstream !== null) join(connection, backend, upstream);
      else if (!downstream.destroyed) tryNext(connection, (tried ?? new Set<string>()).add(backend.key));
    });
  }

  /** Calls `onOutcome` once: with a connected socket, or null. */
  function connectTo(connection: Connection, backend: Backend, onOutcome: (upstream: Socket | null) => void): void {
    const upstream = connectForTunnel({ host: backend.ip, port: backend.port });
    const { flows } = connection.vip;
    const tally = connection.vip.picker.started(backend);
    const startedAt = clock.monotonic();
    const miss = (code: string): void => {
      settle();
      meters.failures[connectFailure(code)].value++;
      tally.judged('unreachable', clock.monotonic() - startedAt);
      tally.ended();
      onOutcome(null);
    };
    const fail = (error: Error): void => miss(codeOf(error));
    const connected = (): void => {
      settle();
      tally.judged('ok', clock.monotonic() - startedAt);
      upstream.once('close', () => {
        tally.ended();
        flows.leave(backend.key, connection);
      });
      onOutcome(upstream);
    };
    const settle = (): void => {
      timer?.cancel();
      upstream.off('connect', connected).off('error', fail);
    };
    const giveUp = (): void => {
      upstream.on('error', ignore).destroy();
      miss('ETIMEDOUT');
    };
    const timer = timeouts.connectMs === 0 ? null : clock.after(timeouts.connectMs, giveUp);
    upstream.once('connect', connected).once('error', fail);
    connection.destroy = () => {
      settle();
      tally.ended();
      upstream.on('error', ignore).destroy();
      connection.downstream.resetAndDestroy();
    };
  }

  function join(connection: Connection, backend: Backend, upstream: Socket): void {
    const { vip, downstream } = connection;
    if (vip.proxyProtocol !== null) upstream.write(proxyHeader(vip.proxyProtocol, addressesOf(downstream)));
    const tunnel = openTunnel(downstream, upstream, {
      idleMs: timeouts.idleMs,
      halfCloseMs: timeouts.halfCloseMs,
      clock,
      onEnd: ({ bytesUp, bytesDown }) => {
        meters.bytesUp.value += bytesUp;
        meters.bytesDown.value += bytesDown;
      },
    });
    connection.destroy = () => tunnel.destroy();
    // Last: the backend may be gone, and its deadline near.
    vip.flows.enter(backend.key, connection);
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

const addressesOf = (socket: Socket): ProxiedAddresses => ({
  clientIp: socket.remoteAddress ?? '',
  clientPort: socket.remotePort ?? 0,
  ownIp: socket.localAddress ?? '',
  ownPort: socket.localPort ?? 0,
});

const ignore = (): void => undefined;
