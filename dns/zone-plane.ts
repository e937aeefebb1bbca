// The plane: the zone in the form that the hot path reads. Names are found by their lower-case wire form; what they answer is compiled
// when somebody first asks after a change, so that a change costs a map entry and a worker's memory holds only what is asked.

import type { Plane, Table, TableChange } from '../src/ports/index.ts';
import type { Cell } from '../src/runtime/index.ts';
import { createNameIndex, type NameIndex } from './name-index.ts';
import type { DenialSoa } from './reply.ts';
import { compileTemplate, type Template } from './template.ts';
import { encodeRdata, keyOfName, parentKey, rrType, rrTypeNumber, type Query } from './wire/index.ts';
import type { Journal } from './transfer/journal.ts';
import type { ZoneRecord, ZoneRr } from './zone/index.ts';
import { isPrivate } from './answerers/private-names.ts';
import { mesosZone, ownZones, reverseZones } from './zones.ts';

export interface OwnZone {
  /** Apex as key. */
  readonly apex: string;
  /** Mesos-DNS's zone says RA, dcos-net's do not (specs/dns.md §4.2, §6.7). */
  readonly isMesos: boolean;
  /** Only names with records are ours: others below the apex are somebody else's (reverse zones). */
  readonly isSparse: boolean;
  /** Of its SOA; 0 until the apex is in the table. */
  serial: number;
  /** Null until the apex is in the table. */
  denialSoa: DenialSoa | null;
}

export interface NameEntry {
  readonly key: string;
  readonly zone: OwnZone;
  /** Null for a name that only has names below it. */
  record: ZoneRecord | null;
  /** Names directly below. */
  children: number;
  /** Compiled for `record`; few types are ever asked of a name. */
  templates: readonly Template[];
}

export interface ZoneIndex {
  /** False until a first table came: nothing may be denied before. */
  readonly isReady: boolean;
  readonly serial: number;
  find(key: string): NameEntry | undefined;
  /** As `find` for the name that a query asks. */
  asked(query: Query): NameEntry | undefined;
  /** The zone of our own that holds `key`, whether or not the name exists. */
  zoneOf(key: string): OwnZone | undefined;
  /** Every record of a zone as it is now; not changed by what happens afterwards. */
  recordsOf(zone: OwnZone): readonly ZoneRecord[];
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

/** One for all names that nobody has asked yet. */
const noTemplates: readonly Template[] = [];

interface PlaneState {
  readonly options: ZonePlaneOptions;
  readonly zones: Map<string, OwnZone>;
  readonly entries: NameIndex<NameEntry>;
  names: number;
  serial: number;
  /** Grows with each change: tells templates that their targets may have changed. */
  generation: number;
  isReady: boolean;
}

export function createZonePlane(options: ZonePlaneOptions): {
  readonly plane: Plane<ZoneRecord>;
  readonly index: ZoneIndex;
} {
  const state: PlaneState = {
    options,
    zones: zonesOf(options.domain),
    entries: createNameIndex(),
    names: 0,
    serial: 0,
    generation: 0,
    isReady: false,
  };
  return {
    plane: {
      name: 'zone',
      replace(table) {
        replaceAll(state, table);
        finishChange(state);
        // What was there before is not known: nobody can be told of the difference.
        state.options.journal?.clear();
      },
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
      find: (key) => state.entries.get(key),
      asked: (query) => state.entries.asked(query),
      zoneOf: (key) => zoneOf(state, key),
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

function replaceAll(state: PlaneState, table: Table<ZoneRecord>): void {
  state.entries.clear();
  state.names = 0;
  for (const record of table.values()) openZone(state, record);
  for (const record of table.values()) setRecord(state, record);
  state.isReady = true;
}

function applyChange(state: PlaneState, change: TableChange<ZoneRecord>): void {
  for (const name of change.removed) removeRecord(state, name);
  for (const [, record] of change.set) openZone(state, record);
  for (const [, record] of change.set) setRecord(state, record, state.options.journal);
}

/** A zone beside the fixed ones, of static configuration (specs/dns.md §6.4): the SOA at its apex says that it is there. */
function openZone(state: PlaneState, { name, rrs }: ZoneRecord): void {
  if (!rrs.some(({ type }) => type === 'SOA')) return;
  const apex = keyOfName(name);
  if (apex === null || state.zones.has(apex) || !isPrivate(apex)) return;
  state.zones.set(apex, { apex, isMesos: false, isSparse: false, serial: 0, denialSoa: null });
}

/** Serials are the time in seconds, and grow by one at least. */
function finishChange(state: PlaneState): void {
  state.serial = Math.max(state.serial + 1, Math.floor(state.options.now() / 1000)) >>> 0;
  state.generation++;
  for (const zone of state.zones.values()) finishZone(state, zone);
  state.options.zoneNames.value = state.names;
}

function setRecord(state: PlaneState, record: ZoneRecord, journal?: Journal): void {
  const key = keyOfName(record.name);
  const entry = key === null ? null : openEntry(state, key);
  if (entry === null) return;
  if (entry.record === null) state.names++;
  journal?.note(entry.zone.apex, entry.key, entry.record, record);
  entry.record = record;
  entry.templates = noTemplates;
}

function removeRecord(state: PlaneState, name: string): void {
  const key = keyOfName(name);
  const entry = key === null ? undefined : state.entries.get(key);
  if (entry === undefined || entry.record === null) return;
  state.options.journal?.note(entry.zone.apex, entry.key, entry.record, null);
  entry.record = null;
  entry.templates = noTemplates;
  state.names--;
  closeEntry(state, entry);
}

/** The entry of a name, made with those above it up to the apex; null outside our zones. */
function openEntry(state: PlaneState, key: string): NameEntry | null {
  const held = state.entries.get(key);
  if (held !== undefined) return held;
  const zone = zoneOf(state, key);
  if (zone === undefined) return null;
  const entry: NameEntry = { key, zone, record: null, children: 0, templates: noTemplates };
  state.entries.add(entry);
  const parent = key === zone.apex ? null : openEntry(state, parentKey(key));
  if (parent !== null) parent.children++;
  return entry;
}

function closeEntry(state: PlaneState, entry: NameEntry): void {
  if (entry.record !== null || entry.children > 0) return;
  state.entries.delete(entry.key);
  const parent = entry.key === entry.zone.apex ? undefined : state.entries.get(parentKey(entry.key));
  if (parent === undefined) return;
  parent.children--;
  closeEntry(state, parent);
}

function zoneOf(state: PlaneState, key: string): OwnZone | undefined {
  for (let rest = key; rest !== ''; rest = parentKey(rest)) {
    const zone = state.zones.get(rest);
    if (zone !== undefined) return zone;
  }
  return undefined;
}

function templateOf(state: PlaneState, entry: NameEntry, type: number): Template | null {
  for (const template of entry.templates) {
    if (template.type === type && isCurrent(state, template)) return template;
  }
  const template = compile(state, entry, type, 12 + entry.key.length + 4);
  if (template === null) return null;
  entry.templates = [...entry.templates.filter((other) => other.type !== type), template];
  return template;
}

/** A template also holds addresses of its targets: they are looked at again after each change of the zone, by reference. */
function isCurrent(state: PlaneState, template: Template): boolean {
  if (template.checkedIn === state.generation) return true;
  if (template.type === rrType.SOA || template.type === rrType.ANY) return false;
  for (const { name, record } of template.targets) if (recordOf(state, name) !== record) return false;
  template.checkedIn = state.generation;
  return true;
}

function recordOf(state: PlaneState, name: string): ZoneRecord | undefined {
  const key = keyOfName(name);
  return key === null ? undefined : (state.entries.get(key)?.record ?? undefined);
}

function compile(state: PlaneState, entry: NameEntry, type: number, questionEnd: number): Template | null {
  const rrs = (entry.record?.rrs ?? []).filter((rr) => type === rrType.ANY || rrTypeNumber(rr.type) === type);
  if (rrs.length === 0) return null;
  const template = compileTemplate(type, rrs, questionEnd, state.serial, (name) => recordOf(state, name));
  template.checkedIn = state.generation;
  state.options.compiledNames.value++;
  return template;
}

function finishZone(state: PlaneState, zone: OwnZone): void {
  const rrs = state.entries.get(zone.apex)?.record?.rrs ?? [];
  const soa = rrs.find((rr): rr is SoaRr => rr.type === 'SOA');
  const before = zone.serial;
  zone.serial = soa === undefined ? 0 : soa.serial === 0 ? state.serial : soa.serial;
  state.options.journal?.close(zone.apex, before, zone.serial);
  if (soa === undefined) zone.denialSoa = null;
  else if (zone.denialSoa === null || before !== zone.serial) zone.denialSoa = compileDenial(state, zone, soa);
}

function recordsOf(state: PlaneState, zone: OwnZone): readonly ZoneRecord[] {
  const records: ZoneRecord[] = [];
  for (const entry of state.entries.values())
    if (entry.zone === zone && entry.record !== null) records.push(entry.record);
  return records;
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
