// Messages as versions before this one know them: their rows of the zone are objects, and they hash rows otherwise.

import { recordOf, textOf, type ZoneRecord } from '../../dns/index.ts';
import type { ControlMessage } from './message.ts';
import type { AnyChange, AnyRecord } from './tables.ts';

type Row = readonly [key: string, record: AnyRecord];
type Turn = (row: Row) => Row;

const toRecord: Turn = ([name, text]) => [name, recordOf(name, text as string)];
const toText: Turn = ([name, record]) => [name, textOf((record as ZoneRecord).rrs)];

/** What a worker of an earlier version is told instead. */
export const toFormer = (message: ControlMessage): ControlMessage => turned(message, toRecord);

/** What a control of an earlier version means. */
export const fromFormer = (message: ControlMessage): ControlMessage => turned(message, toText);

function turned(message: ControlMessage, turn: Turn): ControlMessage {
  switch (message.type) {
    case 'rows':
      return message.table === 'zone' ? { ...message, rows: message.rows.map(turn) } : message;
    case 'whole':
      return { ...message, hashes: {} };
    case 'change': {
      const { zone } = message.changes;
      const changes = zone === undefined ? message.changes : { ...message.changes, zone: turnedChange(zone, turn) };
      return { ...message, changes, hashes: {} };
    }
    default:
      return message;
  }
}

const turnedChange = ({ set, removed }: AnyChange, turn: Turn): AnyChange => ({ set: set.map(turn), removed });
