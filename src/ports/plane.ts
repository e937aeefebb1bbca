// Port: a plane, what moves traffic by a table. Its hot path reads one reference, once, at the start of a packet, query or request.

import type { Table, TableChange } from './view.ts';

export interface Plane<R> {
  /** Name of the table it follows. */
  readonly name: string;
  /**
   * Makes the plane follow `table` as a whole: the first thing it hears, and again after a failed `apply`. All-or-nothing; idempotent.
   * One call at a time. The table stays the caller's and is changed in place before the next `apply`: what the hot path reads must be
   * compiled from it, not be it.
   */
  replace(table: Table<R>): void | Promise<void>;
  /**
   * Follows one change; `table` already has it. When it returns (or its promise does) the plane serves by it: a name is answered only
   * after the plane of its address has confirmed. A throw means that the plane's state is unknown: `replace` follows.
   */
  apply(change: TableChange<R>, table: Table<R>): void | Promise<void>;
  /**
   * Only where the plane holds all of its table in a form of its own: a whole table comes to it row by row, nobody else keeps the rows,
   * `apply` gets an empty table, and after a failure everything is fetched again.
   */
  load?(): TableLoad<R>;
  /** Only beside `load`: the keys of the rows that it serves by. */
  keys?(): Iterable<string>;
}

/** A whole table under way to a plane, which serves by the former one until `finish`. One that is dropped leaves no trace. */
export interface TableLoad<R> {
  take(key: string, record: R): void;
  finish(): void;
}

/**
 * What a worker starts and stops: one function of the daemon with its listeners. Those whose configuration may change under what is open have
 * a `reconfigure` beside this, of a shape of their own, which the worker calls.
 */
export interface TrafficFunction {
  readonly name: string;
  /** Opens the listeners. Called once, after the planes heard their first table. Rejects if not one listener could be opened. */
  start(): Promise<void>;
  /**
   * Stops accepting, lets what is under way end, politely asks kept connections to go, and resolves when nothing is left or
   * `deadlineMs` has passed. What is left then is cut by `stop`.
   */
  drain(deadlineMs: number): Promise<void>;
  /**
   * A successor receives on copies of the same sockets: leaves it the datagrams that have not been read yet, and resolves when what was
   * read is answered. Called beside `drain`; a function that is not told goes on answering datagrams until `stop`.
   */
  handOver?(): Promise<void>;
  /** Closes everything at once. */
  stop(): Promise<void>;
}
