// Writes a picture of the cluster as v1 JSON, piece by piece, so that a big one is never held as one string.
import type { MasterView, WrittenList } from './master-source.ts';

export type Section = 'get_tasks' | 'get_executors' | 'get_frameworks' | 'get_agents' | 'get_state';

type Lists = readonly (readonly [string, Iterable<unknown>])[];

interface JsonStyle {
  readonly sortedKeys: boolean;
  // Texts of items that were written before: they never change, they are replaced.
  readonly texts?: WeakMap<object, string>;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

export function toJson(value: unknown, style: JsonStyle): string {
  return JSON.stringify(style.sortedKeys ? sorted(value) : value);
}

function listsOf(section: Exclude<Section, 'get_state'>, view: MasterView): Lists {
  switch (section) {
    case 'get_tasks':
      return [
        ['tasks', view.tasks],
        ['unreachable_tasks', view.unreachableTasks],
        ['completed_tasks', view.completedTasks],
      ];
    case 'get_executors':
      return [['executors', view.executors]];
    case 'get_frameworks':
      return [
        ['frameworks', view.frameworks],
        ['completed_frameworks', view.completedFrameworks],
      ];
    case 'get_agents':
      return [
        ['agents', view.agents],
        ['recovered_agents', view.recoveredAgents],
      ];
  }
}

function textOf(item: unknown, style: JsonStyle): string {
  if (style.texts === undefined || typeof item !== 'object' || item === null) return toJson(item, style);
  let text = style.texts.get(item);
  if (text === undefined) style.texts.set(item, (text = toJson(item, style)));
  return text;
}

// Text, or a list that knows its own.
type Piece = string | WrittenList<unknown>;

function isWritten(list: Iterable<unknown>): list is WrittenList<unknown> {
  return 'texts' in list;
}

function* listParts(list: Iterable<unknown>, style: JsonStyle): Generator<Piece> {
  if (isWritten(list) && !style.sortedKeys) {
    yield list;
    return;
  }
  let first = true;
  for (const item of list) {
    yield (first ? '' : ',') + textOf(item, style);
    first = false;
  }
}

// A version before 1.10 leaves empty lists out, so that an empty section becomes {}.
function* objectParts(lists: Lists, style: JsonStyle): Generator<Piece> {
  const ordered = style.sortedKeys ? [...lists].sort(([a], [b]) => (a < b ? -1 : 1)) : lists;
  let opened = false;
  yield '{';
  for (const [name, list] of ordered) {
    let begun = !style.sortedKeys;
    if (begun) yield `${opened ? ',' : ''}"${name}":[`;
    for (const part of listParts(list, style)) {
      if (!begun) yield `${opened ? ',' : ''}"${name}":[`;
      begun = true;
      yield part;
    }
    if (!begun) continue;
    yield ']';
    opened = true;
  }
  yield '}';
}

const SECTIONS = ['get_tasks', 'get_executors', 'get_frameworks', 'get_agents'] as const;

function* sectionParts(section: Section, view: MasterView, style: JsonStyle): Generator<Piece> {
  if (section !== 'get_state') {
    yield* objectParts(listsOf(section, view), style);
    return;
  }
  const order = style.sortedKeys ? [...SECTIONS].sort() : SECTIONS;
  yield '{';
  for (const [index, name] of order.entries()) {
    yield `${index === 0 ? '' : ','}"${name}":`;
    yield* objectParts(listsOf(name, view), style);
  }
  yield '}';
}

// The answer to a GET_ call, or the body of the SUBSCRIBED record when an interval is given.
export function responseParts(section: Section, view: MasterView, style: JsonStyle): Iterable<string> {
  return textsOf(responsePieces(section, view, style));
}

function* responsePieces(section: Section, view: MasterView, style: JsonStyle): Generator<Piece> {
  const type = `"type":"${section.toUpperCase()}"`;
  yield style.sortedKeys ? `{"${section}":` : `{${type},"${section}":`;
  yield* sectionParts(section, view, style);
  yield style.sortedKeys ? `,${type}}` : '}';
}

export function subscribedParts(
  view: MasterView,
  style: JsonStyle,
  heartbeatSeconds: number | undefined,
): Iterable<string> {
  return textsOf(subscribedPieces(view, style, heartbeatSeconds));
}

// Octets of all parts; undefined where only writing them would tell.
export function subscribedBytes(
  view: MasterView,
  style: JsonStyle,
  heartbeatSeconds: number | undefined,
): number | undefined {
  if (style.sortedKeys || !isWritten(view.tasks)) return undefined;
  let bytes = 0;
  for (const piece of subscribedPieces(view, style, heartbeatSeconds))
    bytes += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.bytes;
  return bytes;
}

function* subscribedPieces(view: MasterView, style: JsonStyle, heartbeatSeconds: number | undefined): Generator<Piece> {
  const beat = heartbeatSeconds === undefined ? '' : `"heartbeat_interval_seconds":${heartbeatSeconds.toFixed(3)}`;
  if (style.sortedKeys) {
    yield '{"subscribed":{"get_state":';
    yield* sectionParts('get_state', view, style);
    yield `${beat === '' ? '' : `,${beat}`}},"type":"SUBSCRIBED"}`;
    return;
  }
  yield `{"type":"SUBSCRIBED","subscribed":{${beat === '' ? '' : `${beat},`}"get_state":`;
  yield* sectionParts('get_state', view, style);
  yield '}}';
}

function* textsOf(pieces: Iterable<Piece>): Generator<string> {
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      yield piece;
      continue;
    }
    let first = true;
    for (const text of piece.texts()) {
      yield first ? text : `,${text}`;
      first = false;
    }
  }
}
