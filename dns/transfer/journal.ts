// What changed in a zone from serial to serial, for secondaries that have most of it already (RFC 1995). Bounded: who is further
// behind gets the whole zone.

import type { ZoneRecord, ZoneRr } from '../zone/index.ts';

/** A record under its owner, as key. */
export interface KeyedRr {
  readonly key: string;
  readonly rr: ZoneRr;
}

export interface ZoneChange {
  readonly from: number;
  readonly to: number;
  readonly deleted: readonly KeyedRr[];
  readonly added: readonly KeyedRr[];
}

export interface Journal {
  /** Notes that a name had `before` and has `after`. */
  note(apex: string, key: string, before: ZoneRecord | null, after: ZoneRecord | null): void;
  /**
   * Ends a change of a zone; what was noted for it stands between these serials. Equal: the change goes on (names that vanish are taken
   * out before the rest of their change is made, SOA included), and what was noted waits.
   */
  close(apex: string, from: number, to: number): void;
  clear(): void;
  /** All changes since `serial` in order; null if they are not all known. */
  since(apex: string, serial: number): readonly ZoneChange[] | null;
}

export const noJournal: Journal = {
  note: () => undefined,
  close: () => undefined,
  clear: () => undefined,
  since: () => null,
};

interface OpenChange {
  readonly deleted: KeyedRr[];
  readonly added: KeyedRr[];
}

/** `mostRecords`: added and deleted ones of all changes of a zone together. */
export function createJournal(mostRecords: number): Journal {
  const open = new Map<string, OpenChange>();
  const closed = new Map<string, ZoneChange[]>();
  const sizes = new Map<string, number>();
  return {
    note(apex, key, before, after) {
      let change = open.get(apex);
      if (change === undefined) open.set(apex, (change = { deleted: [], added: [] }));
      for (const rr of missingIn(after, before)) change.deleted.push({ key, rr });
      for (const rr of missingIn(before, after)) change.added.push({ key, rr });
    },
    close(apex, from, to) {
      if (from === to) return;
      const { deleted, added } = open.get(apex) ?? { deleted: [], added: [] };
      open.delete(apex);
      const changes = closed.get(apex) ?? [];
      changes.push({ from, to, deleted, added });
      closed.set(apex, changes);
      let size = (sizes.get(apex) ?? 0) + sizeOf(deleted, added);
      while (size > mostRecords) {
        const oldest = changes.shift() as ZoneChange;
        size -= sizeOf(oldest.deleted, oldest.added);
      }
      sizes.set(apex, size);
    },
    clear() {
      open.clear();
      closed.clear();
      sizes.clear();
    },
    since(apex, serial) {
      const changes = closed.get(apex) ?? [];
      const at = changes.findIndex(({ from }) => from === serial);
      return at < 0 ? null : changes.slice(at);
    },
  };
}

/** With the two SOA records that stand around a change. */
const sizeOf = (deleted: readonly KeyedRr[], added: readonly KeyedRr[]): number => deleted.length + added.length + 2;

/** Records of `record` that `other` does not have; the SOA is told by the serials. */
function missingIn(other: ZoneRecord | null, record: ZoneRecord | null): readonly ZoneRr[] {
  const held = new Set((other?.rrs ?? []).map((rr) => JSON.stringify(rr)));
  return (record?.rrs ?? []).filter((rr) => rr.type !== 'SOA' && !held.has(JSON.stringify(rr)));
}
