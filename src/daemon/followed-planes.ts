// The planes of a worker by the tables that they follow, and how each table is kept for them.

import type { Plane } from '../ports/index.ts';
import type { TableName } from './message.ts';
import { Fingerprints } from './fingerprints.ts';
import { FollowedTable, type AnyRecord } from './tables.ts';

export const planesOf = (planes: readonly Plane<AnyRecord>[], name: TableName): readonly Plane<AnyRecord>[] =>
  planes.filter((plane) => plane.name === name);

/** Records are kept for planes that need them given again. */
export const tableFor = (planes: readonly Plane<AnyRecord>[]): FollowedTable | Fingerprints =>
  planes.every((plane) => plane.load !== undefined) ? new Fingerprints() : new FollowedTable();
