// The connections to one backend that speaks HTTP/2, and the requests that wait for a stream. One connection, until its streams are used up.

import type {
  AcquireOptions,
  Deadline,
  Deadlines,
  UpstreamFailure,
  UpstreamLimits,
  UpstreamPool,
  UpstreamTarget,
  UpstreamTimeouts,
  UpstreamUser,
  Waiting,
} from '../http1/index.ts';
import { UpstreamConnection } from './upstream-connection.ts';
import type { UpstreamOwner } from './upstream-host.ts';
import type { Http2UpstreamLimits } from './upstream-limits.ts';

/** What all shelves of a pool share. */
export interface ShelfOptions {
  readonly limits: UpstreamLimits;
  readonly http2: Http2UpstreamLimits;
  readonly timeouts: UpstreamTimeouts;
  readonly deadlines: Deadlines;
  /** Makes connections of HTTP/1, for what this backend cannot do on a stream. */
  readonly http1: UpstreamPool;
  readonly state: { readonly draining: boolean };
}

export class UpstreamShelf implements UpstreamOwner {
  readonly limits: UpstreamLimits;
  readonly http2: Http2UpstreamLimits;
  readonly timeouts: UpstreamTimeouts;
  readonly deadlines: Deadlines;
  pings = true;
  readonly #options: ShelfOptions;
  readonly #onEmpty: () => void;
  readonly #open = new Set<UpstreamConnection>();
  /** Whom a connection is for that carries one request. */
  readonly #reserved = new Map<UpstreamConnection, Ticket>();
  readonly #queue = new Set<Ticket>();
  #isRetired = false;
  #isServing = false;

  constructor(options: ShelfOptions, onEmpty: () => void) {
    this.limits = options.limits;
    this.http2 = options.http2;
    this.timeouts = options.timeouts;
    this.deadlines = options.deadlines;
    this.#options = options;
    this.#onEmpty = onEmpty;
  }

  get counts(): { readonly open: number; readonly idle: number; readonly waiting: number } {
    const idle = [...this.#open].filter(({ active, isOpen }) => isOpen && active === 0).length;
    return { open: this.#open.size, idle, waiting: this.#queue.size + this.#reserved.size };
  }

  acquire(target: UpstreamTarget, user: UpstreamUser, options: AcquireOptions): Waiting | null {
    // A backend that is asked for again has come back.
    this.#isRetired = false;
    const isFirst = this.#queue.size === 0;
    const connection = isFirst && target.keepAlive !== false ? this.#withRoom(target) : null;
    if (connection !== null && options.upgradable === true && !connection.server.connectProtocol)
      return this.#options.http1.acquire(target, user, options);
    if (connection !== null) {
      user.onUpstreamReady(connection.begin(user, target.timeouts ?? this.timeouts));
      return null;
    }
    // Those who wait for a connection alone are within what it will carry.
    const mostWaiting = target.mostWaiting ?? this.limits.queued;
    if (this.#active() + this.#queue.size - this.#mostAtOnce(target) >= mostWaiting) {
      user.onUpstreamFailed({ reason: 'queue', message: `${mostWaiting} requests wait for a stream already` });
      return null;
    }
    const ticket = new Ticket(target, user, options, this);
    this.#queue.add(ticket);
    this.deadlines.add(ticket);
    this.#connect();
    return ticket;
  }

  /** Ends what is idle, and what is under way with its last stream. */
  retire(): void {
    this.#isRetired = true;
    for (const connection of [...this.#open]) if (!connection.isConnecting) connection.leaveSoon();
    this.#forget();
  }

  destroy(): void {
    for (const ticket of [...this.#queue, ...this.#reserved.values()]) this.drop(ticket);
    for (const connection of [...this.#open]) connection.destroy();
    this.#forget();
  }

  // What tickets ask for.

  /** The ticket waits no more. */
  drop(ticket: Ticket): void {
    this.deadlines.remove(ticket);
    this.#queue.delete(ticket);
    for (const [connection, one] of [...this.#reserved]) {
      if (one !== ticket) continue;
      this.#reserved.delete(connection);
      connection.destroy();
    }
    this.#forget();
  }

  // What connections tell.

  onReady(connection: UpstreamConnection): void {
    const ticket = this.#reserved.get(connection);
    if (ticket === undefined) {
      this.#serve();
      this.#connect();
      return;
    }
    this.#reserved.delete(connection);
    this.#give(ticket, connection);
    connection.leaveSoon();
  }

  onFailed(connection: UpstreamConnection, failure: UpstreamFailure): void {
    this.#open.delete(connection);
    const own = this.#reserved.get(connection);
    this.#reserved.delete(connection);
    const isLast = [...this.#open].every(({ isOpen }) => !isOpen);
    const tickets = own === undefined ? (isLast ? [...this.#queue] : []) : [own];
    for (const ticket of tickets) this.#fail(ticket, failure);
  }

  onChange(): void {
    if (this.#queue.size === 0 || this.#isServing) return;
    // Not within the end of a call, whose user has not heard of it yet.
    this.#isServing = true;
    setImmediate(() => {
      this.#isServing = false;
      this.#serve();
      this.#connect();
    });
  }

  keeps(): boolean {
    return !this.#isRetired && !this.#options.state.draining;
  }

  onCalm(): void {
    this.pings = false;
  }

  onClosed(connection: UpstreamConnection): void {
    this.#open.delete(connection);
    if (connection.served > 0) this.onChange();
    // Another would do the same.
    else if ([...this.#open].every(({ isOpen }) => !isOpen))
      for (const ticket of [...this.#queue])
        this.#fail(ticket, { reason: 'connect', message: 'the backend closed the connection before a request' });
    this.#forget();
  }

  /** The first in use that has room, so that spare ones age and close; null: none has. */
  #withRoom(target: UpstreamTarget): UpstreamConnection | null {
    if (this.#active() >= this.#mostAtOnce(target)) return null;
    for (const connection of this.#open) if (connection.room > 0) return connection;
    return null;
  }

  /** Requests under way, by label, by configuration, or by what all connections carry. */
  #mostAtOnce(target: UpstreamTarget): number {
    const { connectionsPerBackend, streamsPerConnection } = this.http2;
    const bound = target.mostConnections ?? this.limits.connectionsPerBackend;
    return bound > 0 ? bound : connectionsPerBackend * streamsPerConnection;
  }

  #active(): number {
    let active = 0;
    for (const connection of this.#open) active += connection.active;
    return active + this.#reserved.size;
  }

  /** Gives what is free to those who wait longest. */
  #serve(): void {
    for (const ticket of this.#queue) {
      if (ticket.target.keepAlive === false) continue;
      const connection = this.#withRoom(ticket.target);
      if (connection === null) return;
      this.#queue.delete(ticket);
      this.#give(ticket, connection);
    }
  }

  #give(ticket: Ticket, connection: UpstreamConnection): void {
    const { target, user, options } = ticket;
    this.deadlines.remove(ticket);
    if (options.upgradable === true && !connection.server.connectProtocol)
      ticket.elsewhere = this.#options.http1.acquire(target, user, options);
    else {
      const stream = (ticket.stream = connection.begin(user, target.timeouts ?? this.timeouts));
      user.onUpstreamReady(stream);
    }
  }

  /** Opens a connection for those who wait, where that may help: one at a time, as each carries many. */
  #connect(): void {
    for (const ticket of this.#queue) {
      const { target } = ticket;
      if (this.#active() >= this.#mostAtOnce(target)) return;
      if (target.keepAlive !== false) {
        if (this.#mayOpen()) this.#open.add(new UpstreamConnection(target, this));
        return;
      }
      this.#queue.delete(ticket);
      const connection = new UpstreamConnection(target, this);
      this.#open.add(connection);
      this.#reserved.set(connection, ticket);
    }
  }

  #mayOpen(): boolean {
    let shared = 0;
    for (const connection of this.#open) {
      if (this.#reserved.has(connection)) continue;
      if (connection.isConnecting || connection.room > 0) return false;
      // A backend that takes no streams for now, or left before it took any, takes none on another connection either.
      if (connection.isOpen ? connection.server.mostStreams === 0 : connection.served === 0) return false;
      if (connection.isOpen) shared++;
    }
    return shared < this.http2.connectionsPerBackend;
  }

  #fail(ticket: Ticket, failure: UpstreamFailure): void {
    this.#queue.delete(ticket);
    this.deadlines.remove(ticket);
    ticket.user.onUpstreamFailed(failure);
  }

  #forget(): void {
    if (this.#open.size === 0 && this.#queue.size === 0) this.#onEmpty();
  }
}

/** A request that waits for a stream. */
class Ticket implements Waiting, Deadline {
  deadlineAt: number;
  readonly target: UpstreamTarget;
  readonly user: UpstreamUser;
  readonly options: AcquireOptions;
  /** What it was given. */
  stream: { destroy(): void } | null = null;
  elsewhere: Waiting | null = null;
  readonly #shelf: UpstreamShelf;
  readonly #queueMs: number;

  constructor(target: UpstreamTarget, user: UpstreamUser, options: AcquireOptions, shelf: UpstreamShelf) {
    this.target = target;
    this.user = user;
    this.options = options;
    this.#shelf = shelf;
    this.#queueMs = (target.timeouts ?? shelf.timeouts).queueMs;
    this.deadlineAt = shelf.deadlines.in(this.#queueMs);
  }

  onDeadline(): void {
    this.#shelf.drop(this);
    this.user.onUpstreamFailed({ reason: 'queue', message: `no stream became free within ${this.#queueMs} ms` });
  }

  cancel(): void {
    if (this.elsewhere !== null) this.elsewhere.cancel();
    else if (this.stream !== null) this.stream.destroy();
    else this.#shelf.drop(this);
  }
}
