// Sessions of UDP VIPs: a client's address and port stay with one backend until neither has sent for a while, the backend takes no more,
// or it refuses. Then the next datagram finds another one; one that was refused without an answer so far is sent there again.

import type { RemoteInfo, Socket } from 'node:dgram';
import type { Backend } from '../../src/cluster/index.ts';
import type { Tally } from '../../src/ports/index.ts';
import type { Clock, Timer } from '../../src/runtime/index.ts';
import { createClientCount } from './client-count.ts';
import { connectUdp, type Reply } from './open-udp.ts';
import type { ServedVip } from './served-vip.ts';
import type { VipMeters } from './vip-meters.ts';

export interface VipSessionsOptions {
  /** A session without a datagram for this long is forgotten, at most a quarter later. */
  readonly idleMs: number;
  /** Of all VIPs together; 0: no limit. A datagram that would need one more is dropped. */
  readonly mostSessions: number;
  /** The same of one client, loopback never. */
  readonly mostPerClient: number;
  readonly clock: Clock;
  readonly meters: VipMeters;
}

export interface VipSessions {
  receive(vip: ServedVip, datagram: Buffer, from: RemoteInfo, reply: Reply): void;
  /** Ends the sessions of `vip` whose backend takes no new ones: their next datagram goes elsewhere. */
  review(vip: ServedVip): void;
  /** Ends all sessions of `vip`. */
  forget(vip: ServedVip): void;
  readonly active: number;
  destroy(): void;
}

interface Session {
  readonly vip: ServedVip;
  readonly id: string;
  readonly client: RemoteInfo;
  readonly reply: Reply;
  backend: Backend;
  socket: Socket;
  tally: Tally;
  /** Monotonic time of the last datagram either way. */
  seenAt: number;
  isConnected: boolean;
  hasAnswer: boolean;
  /** What waits for the socket to be connected, or was sent last and not answered: a refusal costs nobody's question. */
  pending: Buffer[];
  tried: Set<string> | null;
  /** To be called when it ends. */
  readonly giveBack: () => void;
}

/** Datagrams of one client that may wait for a socket. */
const mostPending = 16;
const looksPerIdle = 4;

export function createVipSessions(options: VipSessionsOptions): VipSessions {
  const { clock, meters, idleMs } = options;
  const byVip = new Map<ServedVip, Map<string, Session>>();
  const clients = createClientCount(options.mostPerClient);
  let active = 0;
  let sweep: Timer | null = null;

  function receive(vip: ServedVip, datagram: Buffer, from: RemoteInfo, reply: Reply): void {
    const id = `${from.address} ${from.port}`;
    const session = byVip.get(vip)?.get(id) ?? begin(vip, id, from, reply);
    if (session === null) return;
    session.seenAt = clock.monotonic();
    meters.datagramsUp.value++;
    meters.bytesUp.value += datagram.length;
    if (session.isConnected && session.hasAnswer) {
      session.socket.send(datagram, ignore);
      return;
    }
    if (session.pending.length >= mostPending) session.pending.shift();
    session.pending.push(datagram);
    if (session.isConnected) session.socket.send(datagram, ignore);
  }

  function begin(vip: ServedVip, id: string, client: RemoteInfo, reply: Reply): Session | null {
    const ip = client.address;
    const isFull = options.mostSessions > 0 && active >= options.mostSessions;
    const refusal = isFull || !clients.enter(ip) ? 'limit' : null;
    if (refusal !== null) return refuse(refusal);
    const closed = vip.gate?.enter(ip) ?? null;
    if (closed !== null) {
      clients.leave(ip);
      return refuse(closed);
    }
    const gate = vip.gate;
    const backend = vip.picker.pick({ hash: vip.hashOf(ip), tried: null });
    if (backend === null) {
      clients.leave(ip);
      gate?.leave(ip);
      return refuse('no-backend');
    }
    const session: Session = {
      ...{ vip, id, client, reply, backend, seenAt: 0, pending: [], tried: null, isConnected: false, hasAnswer: false },
      socket: connectUdp(backend.ip, backend.port),
      tally: vip.picker.started(backend),
      giveBack() {
        clients.leave(ip);
        gate?.leave(ip);
      },
    };
    follow(session);
    const own = byVip.get(vip) ?? new Map<string, Session>();
    byVip.set(vip, own.set(id, session));
    active++;
    meters.sessions.value++;
    vip.connections.value++;
    sweep ??= clock.after(idleMs / looksPerIdle, look);
    return session;
  }

  function refuse(reason: 'limit' | 'rate' | 'allow' | 'no-backend'): null {
    meters.failures[reason].value++;
    return null;
  }

  function follow(session: Session): void {
    const { socket } = session;
    const startedAt = clock.monotonic();
    socket.once('connect', () => {
      session.isConnected = true;
      for (const datagram of session.pending) socket.send(datagram, ignore);
    });
    socket.on('message', (datagram) => {
      if (!session.hasAnswer) session.tally.judged('ok', clock.monotonic() - startedAt);
      session.hasAnswer = true;
      session.pending = [];
      session.seenAt = clock.monotonic();
      meters.datagramsDown.value++;
      meters.bytesDown.value += datagram.length;
      session.reply(datagram, session.client.port, session.client.address);
    });
    socket.on('error', () => {
      if (session.socket === socket) moveOn(session, clock.monotonic() - startedAt);
    });
  }

  /** The backend has refused: another one is asked what this one did not answer. */
  function moveOn(session: Session, ms: number): void {
    const { vip, client } = session;
    if (byVip.get(vip)?.get(session.id) !== session) return;
    meters.failures.refused.value++;
    if (!session.hasAnswer) session.tally.judged('unreachable', ms);
    leave(session);
    session.tried = (session.tried ?? new Set<string>()).add(session.backend.key);
    const next = vip.picker.pick({ hash: vip.hashOf(client.address), tried: session.tried });
    if (next === null) {
      meters.failures['no-backend'].value++;
      drop(session);
      return;
    }
    session.backend = next;
    session.socket = connectUdp(next.ip, next.port);
    session.tally = vip.picker.started(next);
    session.isConnected = false;
    session.hasAnswer = false;
    follow(session);
  }

  function leave({ socket, tally }: Session): void {
    socket.removeAllListeners('message').on('error', ignore);
    closeSocket(socket);
    tally.ended();
  }

  function drop(session: Session): void {
    const own = byVip.get(session.vip);
    own?.delete(session.id);
    if (own?.size === 0) byVip.delete(session.vip);
    active--;
    meters.sessions.value--;
    session.giveBack();
  }

  function end(session: Session): void {
    leave(session);
    drop(session);
  }

  function look(): void {
    const before = clock.monotonic() - idleMs;
    for (const own of byVip.values()) for (const session of own.values()) if (session.seenAt <= before) end(session);
    sweep = active === 0 ? null : clock.after(idleMs / looksPerIdle, look);
  }

  function forget(vip: ServedVip): void {
    for (const session of byVip.get(vip)?.values() ?? []) end(session);
  }

  return {
    receive,
    review(vip) {
      const own = byVip.get(vip);
      if (own === undefined) return;
      const taking = new Set(vip.picker.set.backends.filter(({ weight }) => weight > 0).map(({ key }) => key));
      for (const session of own.values()) if (!taking.has(session.backend.key)) end(session);
    },
    forget,
    get active() {
      return active;
    },
    destroy() {
      sweep?.cancel();
      for (const vip of [...byVip.keys()]) forget(vip);
      sweep = null;
    },
  };
}

/** A socket whose binding failed is closed already. */
function closeSocket(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // ERR_SOCKET_DGRAM_NOT_RUNNING
  }
}

const ignore = (): void => undefined;
