// Connections to backends, kept per address: the one used last goes out first, so that spare ones age and close. Bounded, with a queue.

import type { Socket } from 'node:net';
import type { Clock } from '../../src/runtime/index.ts';
import { type Deadline, Deadlines } from './deadlines.ts';
import {
  defaultUpstreamLimits,
  defaultUpstreamTimeouts,
  type UpstreamLimits,
  type UpstreamTimeouts,
} from './limits.ts';
import { type ConnectionOwner, UpstreamConnection } from './upstream-connection.ts';
import type { UpstreamUser } from './upstream-user.ts';

export interface UpstreamTarget {
  /** Connections are shared by equal keys: address, and whatever else they depend on (TLS name, parent proxy). */
  readonly key: string;
  readonly host: string;
  readonly port: number;
  /** Instead of the pool's. */
  readonly timeouts?: UpstreamTimeouts;
  /** Instead of the pool's `connectionsPerBackend`. */
  readonly mostConnections?: number;
  /** Instead of the pool's `queued`. */
  readonly mostWaiting?: number;
  /** False: a connection carries one request. */
  readonly keepAlive?: boolean;
  /** Makes the socket where `host` and `port` alone do not; connecting or connected, without listeners for data. */
  readonly dial?: () => Socket;
  /** Speaks HTTP/2; `dial` as above, where that is not by HTTP/1's own way. `mostConnections` are requests at once then. */
  readonly http2?: { readonly dial?: () => Socket };
}

export interface AcquireOptions {
  /** A new connection even where an idle one is there: after a reused one failed. */
  readonly fresh?: boolean;
  /** Not one that lay idle for long, which the backend may be closing now: for what may not be sent twice. */
  readonly careful?: boolean;
  /** The request may switch protocols; the connection is new and is never kept. */
  readonly upgradable?: boolean;
}

export interface UpstreamPool {
  /**
   * Finds or opens a connection; tells `user` by `onUpstreamReady` (in this call, where one is free) or `onUpstreamFailed`. The answer
   * withdraws the request while it waits; null where it was served at once.
   */
  acquire(target: UpstreamTarget, user: UpstreamUser, options?: AcquireOptions): Waiting | null;
  /** Closes what is idle to `key`, or to a key that goes on behind it with a blank, and keeps nothing that comes back: the backend has gone. Requests under way go on. */
  retire(key: string): void;
  /** Closes what is idle, everywhere, and keeps nothing from now on. */
  drain(): void;
  /** Cuts everything. */
  destroy(): void;
  /** Of one backend, or of all. */
  counts(key?: string): { readonly open: number; readonly idle: number; readonly waiting: number };
}

export interface Waiting {
  cancel(): void;
}

export interface UpstreamPoolOptions {
  readonly clock: Clock;
  readonly limits?: Partial<UpstreamLimits>;
  readonly timeouts?: Partial<UpstreamTimeouts>;
}

/** Backends rarely close what was used within it. */
const staleMs = 1_000;

export function createUpstreamPool(options: UpstreamPoolOptions): UpstreamPool {
  const limits = { ...defaultUpstreamLimits, ...options.limits };
  const timeouts = { ...defaultUpstreamTimeouts, ...options.timeouts };
  const deadlines = new Deadlines(options.clock);
  const shelves = new Map<string, Shelf>();
  const state = { draining: false };
  const shelfOf = (key: string): Shelf => {
    let shelf = shelves.get(key);
    if (shelf === undefined) {
      shelf = new Shelf(limits, timeouts, deadlines, state, () => shelves.delete(key));
      shelves.set(key, shelf);
    }
    return shelf;
  };
  return {
    acquire: (target, user, acquire = {}) => shelfOf(target.key).acquire(target, user, acquire),
    retire(key) {
      for (const [held, shelf] of [...shelves]) if (held === key || held.startsWith(`${key} `)) shelf.retire();
    },
    drain() {
      state.draining = true;
      for (const shelf of [...shelves.values()]) shelf.retire();
    },
    destroy() {
      state.draining = true;
      for (const shelf of [...shelves.values()]) shelf.destroy();
    },
    counts(key) {
      const counted =
        key === undefined ? [...shelves.values()] : [shelves.get(key)].filter((shelf) => shelf !== undefined);
      const sum = { open: 0, idle: 0, waiting: 0 };
      for (const shelf of counted) {
        sum.open += shelf.open.size;
        sum.idle += shelf.idle.length;
        sum.waiting += shelf.queue.size;
      }
      return sum;
    },
  };
}

/** The connections to one address. */
class Shelf implements ConnectionOwner {
  readonly limits: UpstreamLimits;
  readonly timeouts: UpstreamTimeouts;
  readonly deadlines: Deadlines;
  readonly open = new Set<UpstreamConnection>();
  readonly idle: UpstreamConnection[] = [];
  readonly queue = new Set<Ticket>();
  readonly #pool: { readonly draining: boolean };
  readonly #onEmpty: () => void;
  #retired = false;

  constructor(
    limits: UpstreamLimits,
    timeouts: UpstreamTimeouts,
    deadlines: Deadlines,
    pool: { readonly draining: boolean },
    onEmpty: () => void,
  ) {
    this.limits = limits;
    this.timeouts = timeouts;
    this.deadlines = deadlines;
    this.#pool = pool;
    this.#onEmpty = onEmpty;
  }

  acquire(target: UpstreamTarget, user: UpstreamUser, options: AcquireOptions): Waiting | null {
    // A backend that is asked for again has come back.
    this.#retired = false;
    if (options.fresh !== true && options.upgradable !== true && !(options.careful === true && this.#isStale())) {
      for (let connection = this.idle.pop(); connection !== undefined; connection = this.idle.pop()) {
        if (connection.socket.destroyed) continue;
        connection.assign(user, target.timeouts ?? this.timeouts);
        user.onUpstreamReady(connection);
        return null;
      }
    }
    const { connectionsPerBackend, queued } = this.limits;
    const most = target.mostConnections ?? connectionsPerBackend;
    if (most === 0 || this.open.size < most) {
      const connection = this.#connect(target, user, options);
      return { cancel: () => connection.destroy() };
    }
    const mostWaiting = target.mostWaiting ?? queued;
    if (this.queue.size >= mostWaiting) {
      user.onUpstreamFailed({ reason: 'queue', message: `${mostWaiting} requests wait for a connection already` });
      return null;
    }
    const ticket = new Ticket(target, user, options, this);
    this.queue.add(ticket);
    this.deadlines.add(ticket);
    return ticket;
  }

  /** Whether even the idle connection used last lay for longer than careful users like. */
  #isStale(): boolean {
    const last = this.idle.at(-1);
    return last !== undefined && last.deadlineAt - last.idleMs + staleMs < this.deadlines.now;
  }

  retire(): void {
    this.#retired = true;
    for (const connection of this.idle.splice(0)) connection.destroy();
    this.#forget();
  }

  destroy(): void {
    for (const ticket of [...this.queue]) ticket.cancel();
    for (const connection of [...this.open]) connection.destroy();
    this.idle.length = 0;
    this.#forget();
  }

  onOpen(connection: UpstreamConnection): void {
    connection.user?.onUpstreamReady(connection);
  }

  onIdle(connection: UpstreamConnection): void {
    if (connection.keeps && this.#serveQueue(connection)) return;
    if (!connection.keeps || this.#retired || this.#pool.draining || this.idle.length >= this.limits.idlePerBackend) {
      connection.destroy();
      return;
    }
    connection.deadlineAt = this.deadlines.in(connection.idleMs);
    this.idle.push(connection);
  }

  onClosed(connection: UpstreamConnection): void {
    this.open.delete(connection);
    const at = this.idle.lastIndexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
    const next = this.#nextTicket();
    if (next !== undefined) next.connection = this.#connect(next.target, next.user, next.options);
    this.#forget();
  }

  leave(ticket: Ticket): void {
    this.queue.delete(ticket);
    this.deadlines.remove(ticket);
    this.#forget();
  }

  #connect(target: UpstreamTarget, user: UpstreamUser, options: AcquireOptions): UpstreamConnection {
    const connection = new UpstreamConnection(
      target.dial?.() ?? target,
      user,
      this,
      options.upgradable === true,
      target.timeouts ?? this.timeouts,
    );
    connection.keeps = target.keepAlive !== false;
    this.open.add(connection);
    return connection;
  }

  /** Gives a connection that has become free to whoever waits longest and can use it. */
  #serveQueue(connection: UpstreamConnection): boolean {
    const ticket = this.#nextTicket((candidate) => candidate.options.upgradable !== true);
    if (ticket === undefined) return false;
    connection.assign(ticket.user, ticket.target.timeouts ?? this.timeouts);
    ticket.connection = connection;
    // Not within the end of the answer before, whose user has not heard of it yet.
    setImmediate(() => {
      if (connection.user === ticket.user) ticket.user.onUpstreamReady(connection);
    });
    return true;
  }

  #nextTicket(suits: (ticket: Ticket) => boolean = () => true): Ticket | undefined {
    for (const ticket of this.queue) {
      if (!suits(ticket)) continue;
      this.queue.delete(ticket);
      this.deadlines.remove(ticket);
      return ticket;
    }
    return undefined;
  }

  #forget(): void {
    if (this.open.size === 0 && this.queue.size === 0) this.#onEmpty();
  }
}

/** A request that waits for a connection. */
class Ticket implements Waiting, Deadline {
  deadlineAt: number;
  /** The connection that it was given and that is not ready yet. */
  connection: UpstreamConnection | null = null;
  readonly target: UpstreamTarget;
  readonly user: UpstreamUser;
  readonly options: AcquireOptions;
  readonly #shelf: Shelf;
  readonly #queueMs: number;

  constructor(target: UpstreamTarget, user: UpstreamUser, options: AcquireOptions, shelf: Shelf) {
    this.target = target;
    this.user = user;
    this.options = options;
    this.#shelf = shelf;
    this.#queueMs = (target.timeouts ?? shelf.timeouts).queueMs;
    this.deadlineAt = shelf.deadlines.in(this.#queueMs);
  }

  onDeadline(): void {
    this.#shelf.leave(this);
    this.user.onUpstreamFailed({
      reason: 'queue',
      message: `no connection became free within ${this.#queueMs} ms`,
    });
  }

  cancel(): void {
    if (this.connection === null) this.#shelf.leave(this);
    else this.connection.destroy();
  }
}
