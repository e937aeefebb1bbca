// The zone view: the snapshot as names and records. Tasks contribute by a pure function of themselves, so that what a task gave before
// can be worked out again instead of being remembered.

import { emptySnapshot, type Delta, type Snapshot, type Task } from '../../src/cluster/index.ts';
import type { TableChange, View } from '../../src/ports/index.ts';
import { agentRecords, fixedRecords, frameworkRecords, masterRecords } from './cluster-records.ts';
import type { Contribution } from './contribution.ts';
import { dcosTaskRecords, vipNames, vipRecords, type VipFamilies } from './dcos-records.ts';
import { createFindings, type FindingCounts, type Findings } from './findings.ts';
import { createNameTable, reserve, type NameTable } from './name-table.ts';
import type { ZoneOptions, ZoneSettings } from './options.ts';
import { rdataText, rrLine, type ZoneRecord } from './record.ts';
import { createSerials, noSerials } from './serials.ts';
import { zoneSettings } from './settings.ts';
import { mesosTaskRecords } from './task-records.ts';
import { ownZones } from '../zones.ts';

/** Who gave one record of a name: task keys, or `masters`, `agent ID`, `framework ID`, `vip NAME`, `configuration`. */
export interface RecordSources {
  /** `TYPE RDATA`. */
  readonly record: string;
  readonly sources: readonly string[];
}

export interface ZoneView extends View<ZoneRecord> {
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
  const names = createNameTable(serials);
  const findings = createFindings();
  const sources = createSources(names);
  const vips = createVips(sources, settings);
  const tasks = { names, findings, vips, settings };
  let current: Snapshot = emptySnapshot();
  return {
    name: 'zone',
    table: names.table,
    isComputed: true,
    get touchedNames() {
      return names.touchedNames;
    },
    get snapshot() {
      return current;
    },
    findingCounts: () => findings.counts(),
    serialOf: (apex) => serials.of(apex),
    rebuild(snapshot) {
      current = snapshot;
      names.clear();
      findings.clear();
      sources.clear();
      vips.clear();
      sources.put('configuration', fixedRecords(settings));
      sources.put('masters', masterRecords(snapshot.masters, settings));
      for (const agent of snapshot.agents.values()) sources.put(`agent ${agent.id}`, agentRecords(agent, settings));
      for (const framework of snapshot.frameworks.values()) {
        sources.put(`framework ${framework.id}`, frameworkRecords(framework, settings));
      }
      for (const task of snapshot.tasks.values()) changeTask(tasks, undefined, task);
      return finish(names, vips, snapshot);
    },
    derive(delta, snapshot) {
      current = snapshot;
      if (delta.masters !== null) sources.put('masters', masterRecords(snapshot.masters, settings));
      deriveAgents(sources, settings, delta);
      for (const { before, after } of delta.tasks.values()) changeTask(tasks, before, after);
      for (const name of delta.allocations.keys()) vips.touch(name);
      return finish(names, vips, snapshot);
    },
    diagnostics: () => findings.diagnostics(),
    print: () => print(names),
    sourcesOf(name) {
      const rrs = names.table.get(name)?.rrs ?? [];
      const given = names.sourcesOf(name);
      return rrs.map((rr, i) => ({ record: `${rr.type} ${rdataText(rr)}`, sources: given[i] ?? [] }));
    },
  };
}

function finish(names: NameTable, vips: Vips, snapshot: Snapshot): TableChange<ZoneRecord> {
  vips.settle(snapshot);
  return names.take();
}

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
}

function changeTask(
  { names, findings, vips, settings }: TaskSinks,
  before: Task | undefined,
  after: Task | undefined,
): void {
  if (before !== undefined) {
    const records = mesosTaskRecords(before, settings);
    const source = sourceOf(before, settings);
    names.remove(source, records.contributions);
    names.remove(source, dcosTaskRecords(before, settings));
    findings.remove(before, records);
    for (const [name, families] of vipNames(before)) vips.remove(name, families);
  }
  if (after !== undefined) {
    const records = mesosTaskRecords(after, settings);
    const source = sourceOf(after, settings);
    names.add(source, records.contributions);
    names.add(source, dcosTaskRecords(after, settings));
    findings.add(after, records);
    for (const [name, families] of vipNames(after)) vips.add(name, families);
  }
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
  put(source: string, contributions: readonly Contribution[]): void;
  clear(): void;
}

function createSources(names: NameTable): Sources {
  const given = new Map<string, readonly Contribution[]>();
  return {
    put(source, contributions) {
      names.remove(source, given.get(source) ?? []);
      names.add(source, contributions);
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
  settle(snapshot: Snapshot): void;
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
    settle(snapshot) {
      for (const name of dirty) {
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
  const lines = [...names.table.values()].flatMap(({ name, rrs }) => rrs.map((rr) => `${rrLine(name, rr)}\n`));
  return lines.sort().join('');
}
