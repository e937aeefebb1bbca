// Reconciler: keeps one plane at its table. One call at a time; changes that come meanwhile are joined (latest wins); after a failure the
// increments are forgotten and everything is written again, with back-off; nothing reaches the plane before the first complete table.

import type { Plane, Table } from '../ports/index.ts';
import { createBackoff, messageOf, type Clock, type Logger, type Random, type Timer } from '../runtime/index.ts';
import { isEmptyChange, joinChanges, noChange, type AnyChange, type AnyRecord } from './tables.ts';

export interface Reconciler {
  /** The table as a whole is new; resolves when the plane serves by it, or has failed to and a retry is scheduled. */
  replace(): Promise<void>;
  /** `change` has just been made to the table. Resolves as `replace` does. */
  apply(change: AnyChange): Promise<void>;
  /** Why the plane does not serve by its table; null if it does. */
  problem(): string | null;
  stop(): void;
}

export interface ReconcilerOptions {
  readonly plane: Plane<AnyRecord>;
  readonly table: Table<AnyRecord>;
  /** Writes the whole table where the plane alone keeps it; throws while it is not at hand. Default: `plane.replace(table)`. */
  readonly write?: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Called when `problem()` changed by itself: a retry that succeeded or failed. */
  readonly onProblem: () => void;
}

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { plane, table, clock, log } = options;
  const backoff = createBackoff({ firstMs: 200, mostMs: 10_000, random: options.random });
  let pending: AnyChange = noChange;
  let whole = false;
  let running: Promise<void> | null = null;
  let failure: string | null = null;
  let retry: Timer | null = null;
  let stopped = false;

  const runOnce = async (): Promise<void> => {
    const everything = whole;
    const change = pending;
    whole = false;
    pending = noChange;
    try {
      if (everything) await (options.write === undefined ? plane.replace(table) : options.write());
      else if (!isEmptyChange(change)) await plane.apply(change, table);
      if (failure !== null) log.info({ plane: plane.name }, 'plane follows its table again');
      failure = null;
      retry?.cancel();
      retry = null;
      backoff.reset();
    } catch (error) {
      failure = messageOf(error);
      whole = true;
      log.error(
        { plane: plane.name, error: failure },
        'plane failed to follow its table; everything is written again soon',
      );
      retry ??= clock.after(Math.max(50, backoff.next()), retryNow);
    }
  };
  const retryNow = (): void => {
    retry = null;
    void run().then(options.onProblem);
  };
  const run = (): Promise<void> => {
    running ??= (async () => {
      do await runOnce();
      while (retry === null && !stopped && (whole || !isEmptyChange(pending)));
      running = null;
    })();
    return running;
  };
  return {
    replace() {
      whole = true;
      pending = noChange;
      return run();
    },
    apply(change) {
      pending = joinChanges(pending, change);
      return retry === null ? run() : Promise.resolve();
    },
    problem: () => failure,
    stop() {
      stopped = true;
      retry?.cancel();
      retry = null;
    },
  };
}
