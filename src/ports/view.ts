// Port: a view, a table of records derived from the snapshot. Pure in its inputs; the table lives on and is changed in place for the
// reason the snapshot is. Law (test/contracts/view): after any events, the table equals that of a fresh view rebuilt from the snapshot.

import type { Delta, Diagnostic, Snapshot } from '../cluster/index.ts';

/** Records by key. Records are plain data (JSON gives them back unchanged), frozen and replaced, never edited. */
export type Table<R> = ReadonlyMap<string, R>;

/** What changed in a table. A key stands in one of the two at most. Travels to the workers as JSON. */
export interface TableChange<R> {
  readonly set: readonly (readonly [key: string, record: R])[];
  readonly removed: readonly string[];
}

export interface View<R> {
  /** The table's name on the way to the workers and in the admin API: `zone`, `vips`, `routes`, `owners`. */
  readonly name: string;
  readonly table: Table<R>;
  /**
   * Only where the table makes its records anew each time it is asked for them, so that whoever keeps them would keep what the view is too
   * lean to: the sum of `hashRow` over all rows (modulo 2^32) as the last change left them. After a failure the next `rebuild` returns all
   * that was not told yet.
   */
  readonly rowSum?: () => number;
  /** Makes the table that of `snapshot` from nothing and returns the difference to what it held. */
  rebuild(snapshot: Snapshot): TableChange<R>;
  /**
   * As `rebuild`, a few milliseconds a step: each gives what of the difference is known for good, an empty change where nothing is yet. The
   * snapshot stays as it is and nothing is derived until the last step; the table is only then what it says.
   */
  rebuildInSlices?(snapshot: Snapshot): Generator<TableChange<R>, void>;
  /**
   * Brings the table from `delta.from` to `delta.to`; `snapshot` is at `delta.to`. Costs the size of the change, not of the cluster.
   * Called only after a first `rebuild`.
   */
  derive(delta: Delta, snapshot: Snapshot): TableChange<R>;
  /** What of the cluster this view could not honour, as of now. */
  diagnostics(): readonly Diagnostic[];
  /** The table as sorted text, one or more lines a record, each ended by a newline. */
  print(): string;
}
