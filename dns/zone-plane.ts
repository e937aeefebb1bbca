// The plane: the zone in the form that the hot path reads. Names are found by their lower-case wire form; what they answer is compiled
// when somebody first asks after a change, so that a change costs a map entry and a worker's memory holds only what is asked.

import type { Plane, TableChange, TableLoad } from '../src/ports/index.ts';
import type { Cell } from '../src/runtime/index.ts';
import { bitOf, typesIn, type NameEntry, type OwnZone } from './name-entry.ts';
import { NameStore } from './name-store.ts';
import type { DenialSoa } from './reply.ts';
import { compileTemplate, type TargetRecords, type Template } from './template.ts';
import {
  encodeRdata,
  isWithin,
  keyOfName,
  nameOfKey,
  parentKey,
  rrType,
  rrTypeNumber,
  asksWithin,
  type Query,
} from './wire/index.ts';
import type { Journal } from './transfer/journal.ts';
import { recordOf, type RecordText, type ZoneRecord, type ZoneRr } from './zone/index.ts';
import { isPrivate } from './answerers/private-names.ts';
import { mesosZone, ownZones, reverseZones } from './zones.ts';

export interface ZoneIndex {
  /** False until a first table came: nothing may be denied before. */
  readonly isReady: boolean;
  readonly serial: number;
  find(key: string): NameEntry | undefined;
  /** As `find` for the name that a query asks. */
  asked(query: Query): NameEntry | undefined;
  /** The zone of our own that holds `key`, whether or not the name exists. */
  zoneOf(key: string): OwnZone | undefined;
  /** As `zoneOf` for the name that a query asks. */
  zoneAsked(query: Query): OwnZone | undefined;
  /** Every record of a zone as it is now; not changed by what happens afterwards. */
  recordsOf(zone: OwnZone): Iterable<ZoneRecord>;
  /** The answer to `type`, compiled and current; null if the name has none. */
  templateOf(entry: NameEntry, type: number): Template | null;
  /** As `templateOf` for a question that reached the entry under another name. */
  compileFor(entry: NameEntry, type: number, questionEnd: number): Template | null;
}

export interface ZonePlaneOptions {
  readonly domain: string;
  readonly negativeTtlSeconds: number;
  /** Epoch milliseconds, for serials. */
  readonly now: () => number;
  readonly zoneNames: Cell;
  readonly compiledNames: Cell;
  /** Told of what changes, for transfers; default: nobody. */
  readonly journal?: Journal;
}

interface PlaneState {
  readonly options: ZonePlaneOptions;
  zones: Map<string, OwnZone>;
  /** The same, longest apex first. */
  byLength: readonly OwnZone[];
  entries: NameStore;
  names: number;
  serial: number;
  /** Grows with each change: tells templates that their targets may have changed. */
  generation: number;
  isReady: boolean;
}

export function createZonePlane(options: ZonePlaneOptions): {
  readonly plane: Plane<RecordText>;
  readonly index: ZoneIndex;
} {
  const state = emptyState(options);
  return {
    plane: {
      name: 'zone',
      replace(table) {
        const load = loadTable(state);
        for (const [name, text] of table) load.take(name, text);
        load.finish();
      },
      load: () => loadTable(state),
      keys: () => namesIn(state),
      apply(change) {
        applyChange(state, change);
        finishChange(state);
      },
    },
    index: {
      get isReady() {
        return state.isReady;
      },
      get serial() {
        return state.serial;
      },
      find: (key) => entryAt(state, key),
      asked: (query) => state.entries.asked(query),
      zoneOf: (key) => zoneOf(state, key),
      zoneAsked: (query) => state.byLength.find(({ apex }) => asksWithin(query, apex)),
      recordsOf: (zone) => recordsOf(state, zone),
      templateOf: (entry, type) => templateOf(state, entry, type),
      compileFor: (entry, type, questionEnd) => compile(state, entry, type, questionEnd),
    },
  };
}

function zonesOf(domain: string): Map<string, OwnZone> {
  const sparse: readonly string[] = Object.values(reverseZones);
  const zones = [...ownZones(domain), ...sparse].map((name) => {
    const apex = keyOfName(name);
    if (apex === null) throw new RangeError(`"${name}" is no domain name`);
    return { apex, isMesos: name === mesosZone(domain), isSparse: sparse.includes(name), serial: 0, denialSoa: null };
  });
  return new Map(zones.map((zone) => [zone.apex, zone]));
}

const longestFirst = (zones: ReadonlyMap<string, OwnZone>): readonly OwnZone[] =>
  [...zones.values()].sort((a, b) => b.apex.length - a.apex.length);

function emptyState(options: ZonePlaneOptions): PlaneState {
  const zones = zonesOf(options.domain);
  return {
    options,
    zones,
    byLength: longestFirst(zones),
    entries: new NameStore(),
    names: 0,
    serial: 0,
    generation: 0,
    isReady: false,
  };
}

function loadTable(state: PlaneState): TableLoad<RecordText> {
  const next = emptyState(state.options);
  const fixedZones = next.zones.size;
  // A name may come before the zone it is in.
  const early: (readonly [string, RecordText])[] = [];
  return {
    take(name, text) {
      openZone(next, name, text);
      if (!setRecord(next, name, text)) early.push([name, text]);
    },
    finish() {
      for (const [name, text] of early) setRecord(next, name, text);
      if (next.zones.size > fixedZones) moveToZones(next);
      next.entries.forgetRecent();
      const { zones, byLength, entries, names } = next;
      Object.assign(state, { zones, byLength, entries, names, isReady: true });
      finishChange(state);
      // What was there before is not known: nobody can be told of the difference.
      state.options.journal?.clear();
    },
  };
}

/** Names that came before the SOA of a zone of their own stand in the zone around it. */
function moveToZones(state: PlaneState): void {
  const moved: (readonly [string, RecordText])[] = [];
  const { entries } = state;
  for (const id of entries.ids()) {
    const key = entries.keyOf(id);
    if (entries.hasText(id) && zoneOf(state, key) !== entries.zoneOf(id))
      moved.push([nameOfKey(key), entries.textOf(id)]);
  }
  for (const [name] of moved) removeRecord(state, name);
  for (const [name, text] of moved) setRecord(state, name, text);
}

function applyChange(state: PlaneState, change: TableChange<RecordText>): void {
  for (const name of change.removed) removeRecord(state, name);
  for (const [name, text] of change.set) openZone(state, name, text);
  for (const [name, text] of change.set) setRecord(state, name, text, state.options.journal);
}

const soaBit = bitOf(rrType.SOA);

/** A zone beside the fixed ones, of static configuration (specs/dns.md §6.4): the SOA at its apex says that it is there. */
function openZone(state: PlaneState, name: string, text: RecordText): void {
  if ((typesIn(text) & soaBit) === 0) return;
  const apex = keyOfName(name);
  if (apex === null || state.zones.has(apex) || !isPrivate(apex)) return;
  state.zones.set(apex, { apex, isMesos: false, isSparse: false, serial: 0, denialSoa: null });
  state.byLength = longestFirst(state.zones);
}

/** Serials are the time in seconds, and grow by one at least. */
function finishChange(state: PlaneState): void {
  state.serial = Math.max(state.serial + 1, Math.floor(state.options.now() / 1000)) >>> 0;
  state.generation++;
  for (const zone of state.zones.values()) finishZone(state, zone);
  state.options.zoneNames.value = state.names;
}

/** False outside our zones. */
function setRecord(state: PlaneState, name: string, text: RecordText, journal?: Journal): boolean {
  const { entries } = state;
  const held = entries.idOfName(name);
  const id = held === 0 ? openSought(state) : held;
  if (id === 0) return false;
  if (!entries.hasText(id)) state.names++;
  if (journal !== undefined)
    journal.note(entries.zoneOf(id).apex, entries.keyOf(id), recordAt(entries, id), recordOf(name, text));
  entries.setText(id, text, typesIn(text));
  return true;
}

function removeRecord(state: PlaneState, name: string): void {
  const { entries } = state;
  const id = entries.idOfName(name);
  if (id === 0 || !entries.hasText(id)) return;
  state.options.journal?.note(entries.zoneOf(id).apex, entries.keyOf(id), recordAt(entries, id), null);
  entries.setText(id, '', 0);
  state.names--;
  closeName(state, id);
}

const recordAt = (entries: NameStore, id: number): ZoneRecord | null =>
  entries.hasText(id) ? recordOf(nameOfKey(entries.keyOf(id)), entries.textOf(id)) : null;

/** The number of a name, made with those above it up to the apex; 0 outside our zones. */
function openName(state: PlaneState, key: string): number {
  const held = state.entries.idOf(key);
  return held === 0 ? openSought(state) : held;
}

/** As `openName` for the name that was sought last, and is not there. */
function openSought(state: PlaneState): number {
  const { entries } = state;
  const parent = entries.parentOfSought();
  // Nearly always: names come below those that are there.
  if (parent === 0 || state.byLength.some(({ apex }) => entries.isSought(apex))) return openBelow(state);
  const id = entries.addSought(entries.zoneOf(parent));
  entries.countChild(parent, 1);
  return id;
}

function openBelow(state: PlaneState): number {
  const { entries } = state;
  const key = entries.soughtKey;
  const zone = key === '' ? undefined : zoneOf(state, key);
  if (zone === undefined) return 0;
  const id = entries.addSought(zone);
  const parent = key === zone.apex ? 0 : openName(state, parentKey(key));
  if (parent !== 0) entries.countChild(parent, 1);
  return id;
}

function closeName(state: PlaneState, id: number): void {
  const { entries } = state;
  if (entries.hasText(id) || entries.childrenOf(id) > 0) return;
  const key = entries.keyOf(id);
  const { apex } = entries.zoneOf(id);
  entries.remove(id);
  const parent = key === apex ? 0 : entries.idOf(parentKey(key));
  if (parent === 0) return;
  entries.countChild(parent, -1);
  closeName(state, parent);
}

function entryAt({ entries }: PlaneState, key: string): NameEntry | undefined {
  const id = entries.idOf(key);
  return id === 0 ? undefined : entries.entryOf(id);
}

function zoneOf(state: PlaneState, key: string): OwnZone | undefined {
  return state.byLength.find(({ apex }) => isWithin(key, apex));
}

function templateOf(state: PlaneState, entry: NameEntry, type: number): Template | null {
  if (!entry.has(type)) return null;
  for (let template = entry.template; template !== null; template = template.next)
    if (template.type === type && isCurrent(state, template)) return template;
  const template = compile(state, entry, type, 12 + entry.key.length + 4);
  if (template === null) return null;
  template.next = withoutType(entry.template, type);
  entry.template = template;
  return template;
}

function withoutType(list: Template | null, type: number): Template | null {
  if (list === null || list.type === type) return list?.next ?? null;
  list.next = withoutType(list.next, type);
  return list;
}

/** A template also holds addresses of its targets: they are looked at again after each change of the zone. */
function isCurrent(state: PlaneState, template: Template): boolean {
  if (template.checkedIn === state.generation) return true;
  if (template.type === rrType.SOA || template.type === rrType.ANY) return false;
  for (const { name, text } of template.targets) if (entryOf(state, name)?.text !== text) return false;
  template.checkedIn = state.generation;
  return true;
}

function entryOf(state: PlaneState, name: string): NameEntry | undefined {
  const key = keyOfName(name);
  return key === null ? undefined : entryAt(state, key);
}

function compile(state: PlaneState, entry: NameEntry, type: number, questionEnd: number): Template | null {
  const rrs = (entry.record?.rrs ?? []).filter((rr) => type === rrType.ANY || rrTypeNumber(rr.type) === type);
  if (rrs.length === 0) return null;
  const targetOf = (name: string): TargetRecords => {
    const target = entryOf(state, name);
    return { text: target?.text, rrs: target?.record?.rrs ?? [] };
  };
  const template = compileTemplate(type, rrs, questionEnd, state.serial, targetOf);
  template.checkedIn = state.generation;
  state.options.compiledNames.value++;
  return template;
}

function finishZone(state: PlaneState, zone: OwnZone): void {
  const rrs = entryAt(state, zone.apex)?.record?.rrs ?? [];
  const soa = rrs.find((rr): rr is SoaRr => rr.type === 'SOA');
  const before = zone.serial;
  zone.serial = soa === undefined ? 0 : soa.serial === 0 ? state.serial : soa.serial;
  state.options.journal?.close(zone.apex, before, zone.serial);
  if (soa === undefined) zone.denialSoa = null;
  else if (zone.denialSoa === null || before !== zone.serial) zone.denialSoa = compileDenial(state, zone, soa);
}

function* namesIn({ entries }: PlaneState): Iterable<string> {
  for (const id of entries.ids()) if (entries.hasText(id)) yield nameOfKey(entries.keyOf(id));
}

/** Gathers the texts at once and reads them as they are asked for: what is let go meanwhile may be written over. */
function recordsOf({ entries }: PlaneState, zone: OwnZone): Iterable<ZoneRecord> {
  const held: (readonly [string, string])[] = [];
  for (const id of entries.ids())
    if (entries.zoneOf(id) === zone && entries.hasText(id)) held.push([entries.keyOf(id), entries.textOf(id)]);
  return recordsIn(held);
}

function* recordsIn(held: readonly (readonly [string, string])[]): Iterable<ZoneRecord> {
  for (const [key, text] of held) yield recordOf(nameOfKey(key), text);
}

type SoaRr = ZoneRr & { readonly type: 'SOA' };

function compileDenial(state: PlaneState, zone: OwnZone, soa: SoaRr): DenialSoa | null {
  const minimum = Math.min(soa.minimum, state.options.negativeTtlSeconds);
  const data = encodeRdata({ ...soa, serial: zone.serial, minimum });
  if (data === null) return null;
  const tail = Buffer.alloc(10 + data.length);
  tail.writeUInt16BE(rrType.SOA, 0);
  tail.writeUInt16BE(1, 2);
  tail.writeUInt32BE(Math.min(soa.ttl, minimum), 4);
  tail.writeUInt16BE(data.length, 8);
  data.copy(tail, 10);
  return { apexOctets: zone.apex.length, tail };
}
