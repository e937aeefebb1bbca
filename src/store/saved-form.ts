// Form of the saved snapshot: a header in one line, then members, each zipped JSON lines. Zipped because a large cluster's 100 MB of lines
// say the same again and again, and would stand in memory together.

import type { Task } from '../cluster/index.ts';

export const savedKey = 'snapshot/last';
export const savedFormat = 3;

export interface SavedMember {
  readonly bytes: number;
  /** Lets it be unzipped in one piece. */
  readonly unzippedBytes: number;
  readonly sha256: string;
}

export interface SavedHeader {
  readonly format: typeof savedFormat;
  /** Epoch milliseconds. */
  readonly savedAt: number;
  readonly members: readonly SavedMember[];
}

export type SavedKind = 'task' | 'agent' | 'framework' | 'app';

/** A later line of one record replaces an earlier one. In place of a task's shared fields are numbers of the member's parts. */
export type SavedLine =
  | readonly [kind: SavedKind | 'masters' | 'part', record: unknown]
  | readonly [kind: 'gone', of: SavedKind, key: string];

/** Fields that tasks of one app have in common. */
export const sharedFields = [
  'labels',
  'statusLabels',
  'ports',
  'mappings',
  'hostPorts',
  'agentIps',
] as const satisfies readonly (keyof Task)[];
