// Control's own plane: the kernel, which follows the table of VIPs by control's hand. Workers hear of a change when the kernel has it, so
// that no name points at an address that is not there yet; a kernel that takes too long holds nobody up.

import type { Plane } from '../ports/index.ts';
import type { Clock, Logger, Random } from '../runtime/index.ts';
import type { TableName } from './message.ts';
import { createReconciler } from './reconciler.ts';
import { joinChanges, noChange, type AnyChange, type AnyRecord, type PublishedTable } from './tables.ts';

type Changes = Readonly<Partial<Record<TableName, AnyChange>>>;

export interface KernelLinkOptions {
  readonly plane: Plane<AnyRecord> & { problems(): readonly string[]; stop(): Promise<void> };
  readonly table: PublishedTable;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The kernel has the first whole table, or took too long over it. */
  readonly onWhole: () => void;
  /** The kernel has these changes, or took too long over them. */
  readonly onChanges: (from: number, changes: Changes) => void;
}

export interface KernelLink {
  publishWhole(): void;
  publish(from: number, changes: Changes): void;
  problems(): readonly string[];
  stop(): Promise<void>;
}

/** The whole table of a large cluster takes a second or two. */
const patienceWithWholeMs = 10_000;
const patienceMs = 250;

export function createKernelLink(options: KernelLinkOptions): KernelLink {
  const { plane, clock } = options;
  const reconciler = createReconciler({
    ...options,
    table: options.table.records,
    onProblem: () => undefined,
  });
  let held: { readonly from: number; readonly changes: Changes } | null = null;
  let isWaiting = false;
  let hasWhole = false;

  const release = (): void => {
    if (!isWaiting) return;
    isWaiting = false;
    const pass = held;
    held = null;
    if (!hasWhole) {
      hasWhole = true;
      options.onWhole();
    } else if (pass !== null) options.onChanges(pass.from, pass.changes);
  };
  const hold = (done: Promise<void>, mostMs: number): void => {
    isWaiting = true;
    const late = clock.after(mostMs, release);
    void done.then(() => {
      late.cancel();
      release();
    });
  };
  return {
    publishWhole: () => hold(reconciler.replace(), patienceWithWholeMs),
    publish(from, changes) {
      const own = changes.vips ?? noChange;
      const done = changes.vips === undefined ? null : reconciler.apply(own);
      // Whoever hears of the whole table hears of what came meanwhile.
      if (!hasWhole) return;
      if (isWaiting) {
        held = { from: held?.from ?? from, changes: held === null ? changes : joined(held.changes, changes) };
        return;
      }
      if (done === null) {
        options.onChanges(from, changes);
        return;
      }
      held = { from, changes };
      hold(done, patienceMs);
    },
    problems() {
      const failure = reconciler.problem();
      return [...(failure === null ? [] : [failure]), ...plane.problems()].map((line) => `vips: ${line}`);
    },
    async stop() {
      reconciler.stop();
      await plane.stop();
    },
  };
}

function joined(first: Changes, second: Changes): Changes {
  const all: Partial<Record<TableName, AnyChange>> = { ...first };
  for (const [name, change] of Object.entries(second) as [TableName, AnyChange][])
    all[name] = joinChanges(first[name] ?? noChange, change);
  return all;
}
