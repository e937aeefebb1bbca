// The record of a target that the cluster decides: an app's port and who serves it now.

import type { Backend } from '../../src/cluster/index.ts';

/** Key in the table `forwards`: the target as it is written, `app:/id:portname`. */
export interface TargetEntry {
  readonly id: string;
  /** Sorted by key. */
  readonly backends: readonly Backend[];
  /** Why there is none; null where there are some. */
  readonly reason: string | null;
}

/** An app's port as a target names it: by its name, or by its index. */
export interface AppTarget {
  readonly id: string;
  readonly portName: string;
}

export const targetKey = ({ id, portName }: AppTarget): string => `app:${id}:${portName}`;
