// The zone view: the snapshot as names and records. Tasks contribute by a pure function of themselves, so that what a task gave before
// can be worked out again instead of being remembered.

import { emptySnapshot, sameRecord, type Delta, type Snapshot, type Task } from '../../src/cluster/index.ts';
import type { TableChange, View } from '../../src/ports/index.ts';
import { inParts } from '../../src/runtime/index.ts';
import { agentRecords, fixedRecords, frameworkRecords, masterRecords } from './cluster-records.ts';
import type { Contributions } from './contribution.ts';
import { createFindings, type FindingCounts, type Findings } from './findings.ts';
import { reserve } from './held-lines.ts';
import { createMemo, type Memo } from './memo.ts';
import { NameTable } from './name-table.ts';
import type { ZoneOptions, ZoneSettings } from './options.ts';
import { rrsOf, type RecordText } from './record-text.ts';
import { rdataText, rrLine } from './record.ts';
import { createSerials, noSerials } from './serials.ts';
import { zoneSettings } from './settings.ts';
import { createTaskRecorder, recordedFields, type TaskRecorder } from './task-records.ts';
import { vipNames, vipRecords, type VipFamilies } from './vip-records.ts';
import { ownZones } from '../zones.ts';

/** Who gave one record of a name: task keys, or `masters`, `agent ID`, `framework ID`, `vip NAME`, `configuration`. */
export interface RecordSources {
  /** `TYPE RDATA`. */
  readonly record: string;
  readonly sources: readonly string[];
}

export interface ZoneView extends View<RecordText> {
  /** For `explainName`: the records of a name (lower case, trailing dot) with their sources. */
  sourcesOf(name: string): readonly RecordSources[];
  /** How many names were put together so far: tests hold that a change costs its own size. */
  readonly touchedNames: number;
  /** That the table was last derived from; an empty one before. Changes in place. */
  readonly snapshot: Snapshot;
  /** Of what `diagnostics` tells of names, without putting it into words. */
  findingCounts(): FindingCounts;
  /** Of the zone with this apex (trailing dot), 0 before its first records. */
  serialOf(apex: string): number;
}

/** Makes the view of all zones of our own (specs/dns.md §3, §6). Options left out have Mesos-DNS's defaults. */
export function createZoneView(options: ZoneOptions): ZoneView {
  const settings = zoneSettings(options);
  const { now, onSerial } = options;
  const serials =
    now === undefined
      ? noSerials
      : createSerials(ownZones(settings.zone), now, onSerial ?? (() => undefined), options.kept);
  const names = new NameTable(serials);
  const findings = createFindings();
  const sources = createSources(names);
  const vips = createVips(sources, settings);
  const tasks = {
    names,
    findings,
    vips,
    settings,
    recorder: createTaskRecorder(settings),
    labels: createMemo<string>(mostLabels),
  };
  let current: Snapshot = emptySnapshot();
  function* build(snapshot: Snapshot): Generator<void> {
    current = snapshot;
    names.clear();
    findings.clear();
    sources.clear();
    vips.clear();
    sources.put('configuration', fixedRecords(settings));
    sources.put('masters', masterRecords(snapshot.masters, settings));
    for (const step of inParts(snapshot.agents.values(), perStep)) {
      for (const agent of step) sources.put(`agent ${agent.id}`, agentRecords(agent, settings));
      yield;
    }
    for (const framework of snapshot.frameworks.values())
      sources.put(`framework ${framework.id}`, frameworkRecords(framework, settings));
    for (const step of inParts(snapshot.tasks.values(), perStep)) {
      for (const task of step) changeTask(tasks, undefined, task);
      yield;
    }
    tasks.recorder.forget();
    tasks.labels.clear();
    for (const _ of vips.settle(snapshot)) yield;
  }
  return {
    name: 'zone',
    table: names.rows,
    rowSum: () => names.hash,
    get touchedNames() {
      return names.touchedNames;
    },
    get snapshot() {
      return current;
    },
    findingCounts: () => findings.counts(),
    serialOf: (apex) => serials.of(apex),
    rebuild(snapshot) {
      for (const _ of build(snapshot));
      return names.take();
    },
    *rebuildInSlices(snapshot) {
      for (const _ of build(snapshot)) yield unchanged;
      if (names.isTold) yield names.take();
      else yield* names.takeFirst();
    },
    derive(delta, snapshot) {
      current = snapshot;
      if (delta.masters !== null) sources.put('masters', masterRecords(snapshot.masters, settings));
      deriveAgents(sources, settings, delta);
      for (const { before, after } of delta.tasks.values()) changeTask(tasks, before, after);
      for (const name of delta.allocations.keys()) vips.touch(name);
      for (const _ of vips.settle(snapshot));
      return names.take();
    },
    diagnostics: () => findings.diagnostics(),
    print: () => print(names),
    sourcesOf(name) {
      const text = names.textOf(name);
      if (text === '') return [];
      const given = names.sourcesOf(name);
      return rrsOf(text).map((rr, i) => ({ record: `${rr.type} ${rdataText(rr)}`, sources: given[i] ?? [] }));
    },
  };
}

const unchanged: TableChange<RecordText> = { set: [], removed: [] };

const mostLabels = 8192;

/** What one step of building takes in. */
const perStep = 50;

function deriveAgents(sources: Sources, settings: ZoneSettings, delta: Delta): void {
  for (const [id, { after }] of delta.agents) {
    sources.put(`agent ${id}`, after === undefined ? [] : agentRecords(after, settings));
  }
  for (const [id, { after }] of delta.frameworks) {
    sources.put(`framework ${id}`, after === undefined ? [] : frameworkRecords(after, settings));
  }
}

interface TaskSinks {
  readonly names: NameTable;
  readonly findings: Findings;
  readonly vips: Vips;
  readonly settings: ZoneSettings;
  readonly recorder: TaskRecorder;
  /** Names that VIP labels ask for. */
  readonly labels: Memo<string>;
}

function changeTask(sinks: TaskSinks, before: Task | undefined, after: Task | undefined): void {
  const { names, findings, vips, settings, recorder, labels } = sinks;
  if (before !== undefined && after !== undefined && isSameInNames(before, after, settings)) return;
  const [source, former] = [after, before].map((task) => (task === undefined ? null : sourceOf(task, settings)));
  const records = after === undefined ? null : recorder.of(after);
  const formerRecords = before === undefined ? null : recorder.of(before);
  if (before !== undefined && former !== undefined && former !== null && formerRecords !== null) {
    if (source !== former || records === null) names.remove(former, formerRecords.contributions);
    else names.change(source, formerRecords.contributions, records.contributions);
    findings.remove(before, formerRecords);
    for (const [name, families] of vipNames(before, labels)) vips.remove(name, families);
  }
  if (after !== undefined && source !== undefined && source !== null && records !== null) {
    if (source !== former) names.add(source, records.contributions);
    findings.add(after, records);
    for (const [name, families] of vipNames(after, labels)) vips.add(name, families);
  }
}

/** Whether no name can tell the two apart: most of what changes of a task is its health. */
function isSameInNames(before: Task, after: Task, settings: ZoneSettings): boolean {
  for (const field of recordedFields) if (!sameRecord(before[field], after[field])) return false;
  return sourceOf(before, settings) === sourceOf(after, settings);
}

/** With `publish: healthy` a task that fails its checks, or has yet to pass them, is a reserve for its names. */
function sourceOf(task: Task, { publish }: ZoneSettings): string {
  if (publish === 'running') return task.key;
  const isUnproven = task.hasHealthCheck && task.healthy === null && task.appHealth !== 'alive';
  const isBad = task.healthy === false || task.appHealth === 'failing' || task.ready === false;
  return isBad || isUnproven ? reserve(task.key) : task.key;
}

/** Contributions of sources other than tasks: few, so what each gave is kept. */
interface Sources {
  put(source: string, contributions: Contributions): void;
  clear(): void;
}

function createSources(names: NameTable): Sources {
  const given = new Map<string, Contributions>();
  return {
    put(source, contributions) {
      names.change(source, given.get(source) ?? [], contributions);
      if (contributions.length === 0) given.delete(source);
      else given.set(source, contributions);
    },
    clear: () => given.clear(),
  };
}

/** VIP names: there while a task is a backend for them and an address was given to them. */
interface Vips {
  add(name: string, families: VipFamilies): void;
  remove(name: string, families: VipFamilies): void;
  touch(name: string): void;
  /** In steps. */
  settle(snapshot: Snapshot): Generator<void>;
  clear(): void;
}

/** How many tasks ask for a VIP, and how many of them are backends of each family. */
interface VipTasks {
  tasks: number;
  ip4: number;
  ip6: number;
}

function createVips(sources: Sources, settings: ZoneSettings): Vips {
  const tasksOfVip = new Map<string, VipTasks>();
  const dirty = new Set<string>();
  function count(name: string, families: VipFamilies, step: 1 | -1): void {
    const held = tasksOfVip.get(name) ?? { tasks: 0, ip4: 0, ip6: 0 };
    held.tasks += step;
    if (families.ip4) held.ip4 += step;
    if (families.ip6) held.ip6 += step;
    if (held.tasks > 0) tasksOfVip.set(name, held);
    else tasksOfVip.delete(name);
    dirty.add(name);
  }
  return {
    add: (name, families) => count(name, families, 1),
    remove: (name, families) => count(name, families, -1),
    touch: (name) => void dirty.add(name),
    *settle(snapshot) {
      let settled = 0;
      for (const name of dirty) {
        if (++settled % perStep === 0) yield;
        const held = tasksOfVip.get(name);
        const allocation = held === undefined ? undefined : snapshot.allocations.get(name);
        const families = { ip4: (held?.ip4 ?? 0) > 0, ip6: (held?.ip6 ?? 0) > 0 };
        sources.put(`vip ${name}`, allocation === undefined ? [] : vipRecords(name, allocation, families, settings));
      }
      dirty.clear();
    },
    clear() {
      tasksOfVip.clear();
      dirty.clear();
    },
  };
}

function print(names: NameTable): string {
  const lines: string[] = [];
  for (const [name, text] of names.rows) for (const rr of rrsOf(text)) lines.push(`${rrLine(name, rr)}\n`);
  return lines.sort().join('');
}
