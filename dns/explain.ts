// Explains a name to people: which records answer and who gave them, or why nothing does.

import type { Table } from '../src/ports/index.ts';
import { ownZones, privateSuffixes, reverseZones } from './zones.ts';
import { isInEmptyZone } from './answerers/empty-zones.ts';
import { createRenamings, heldKey, renamingOf } from './renaming.ts';
import { keyOfName, lowerCase, nameOfKey, parentKey, rrTypeNumber } from './wire/index.ts';
import { rdataText, rrLine, rrsOf, type RecordSources, type RecordText } from './zone/index.ts';

export interface ExplainOptions {
  /** Default `mesos`. */
  readonly domain?: string;
  /** The zone view's, so that the tasks behind a record are named. */
  readonly sourcesOf?: (name: string) => readonly RecordSources[];
  /** As the DNS function's. */
  readonly clusterId?: string;
  /** Suffixes that go to servers of their own. */
  readonly forwardZones?: readonly string[];
  /** Whether names of others can be asked anywhere. */
  readonly hasUpstreams?: boolean;
}

export interface NameExplanation {
  /** As looked up: lower case, with trailing dot. */
  readonly name: string;
  readonly type: string;
  readonly outcome: 'answer' | 'type missing' | 'name unknown' | 'forwarded' | 'refused' | 'not ready' | 'invalid';
  /** The zone of our own that holds the name. */
  readonly zone: string | null;
  readonly records: readonly { readonly line: string; readonly sources: readonly string[] }[];
  /** Types that the name does have. */
  readonly types: readonly string[];
  /** Names that do exist, the likeliest first. */
  readonly nearest: readonly string[];
  /** All of it for people. */
  readonly lines: readonly string[];
}

const mostNearest = 5;

type Finding = Omit<NameExplanation, 'name' | 'type' | 'lines'> & { readonly reason: string };

/** Looks `name` up in the zone as a query for `type` (`A`, `SRV`, `ANY` …) would, and says why the answer is what it is. */
export function explainName(
  table: Table<RecordText>,
  name: string,
  type: string,
  options: ExplainOptions = {},
): NameExplanation {
  const wantedType = type === '' ? 'A' : type.toUpperCase();
  const asked = keyOfName(lowerCase(name.trim()));
  const renamings = createRenamings(options.domain ?? 'mesos', options.clusterId ?? '');
  const renaming = asked === null ? undefined : renamingOf(renamings, asked);
  const key = asked === null || renaming === undefined ? asked : heldKey(renaming, asked);
  const shown = key === null ? name : nameOfKey(key);
  const { reason, ...finding } =
    key === null || rrTypeNumber(wantedType) === null ? invalid(key) : find(table, key, wantedType, options);
  const why = renaming === undefined ? reason : `${renaming.from} is another spelling of ${renaming.to}; ${reason}`;
  return { name: shown, type: wantedType, ...finding, lines: linesOf(shown, wantedType, why, finding) };
}

const empty = { zone: null, records: [], types: [], nearest: [] } as const;

function invalid(key: string | null): Finding {
  const reason = key === null ? 'this is no domain name' : 'there is no such record type';
  return { ...empty, outcome: 'invalid', reason };
}

function find(table: Table<RecordText>, key: string, type: string, options: ExplainOptions): Finding {
  const name = nameOfKey(key);
  const reverse = table.has(name) ? Object.values(reverseZones) : [];
  const zone = longestSuffix(key, [...ownZones(options.domain ?? 'mesos'), ...reverse]);
  if (zone === null) return notOurs(key, options);
  if (table.size === 0)
    return { ...empty, zone, outcome: 'not ready', reason: 'no picture of the cluster yet: queries get SERVFAIL' };
  const text = table.get(name);
  if (text === undefined) return unknown(table, name, zone);
  const rrs = rrsOf(text);
  const types = [...new Set(rrs.map((rr) => rr.type))];
  const sources = new Map((options.sourcesOf?.(name) ?? []).map((given) => [given.record, given.sources]));
  const records = rrs
    .filter((rr) => type === 'ANY' || rr.type === type)
    .map((rr) => ({ line: rrLine(name, rr), sources: sources.get(`${rr.type} ${rdataText(rr)}`) ?? [] }));
  if (records.length > 0)
    return { zone, records, types, nearest: [], outcome: 'answer', reason: `answered from the zone ${zone}` };
  const reason = `the name exists, but has no ${type} record: NOERROR without answers`;
  return { zone, records, types, nearest: [], outcome: 'type missing', reason };
}

function longestSuffix(key: string, suffixes: readonly string[]): string | null {
  const keys = new Map(suffixes.flatMap((suffix) => [[keyOfName(suffix) ?? suffix, suffix] as const]));
  for (let rest = key; rest !== ''; rest = parentKey(rest)) {
    const suffix = keys.get(rest);
    if (suffix !== undefined) return suffix;
  }
  return null;
}

function notOurs(key: string, options: ExplainOptions): Finding {
  const isForwarded = longestSuffix(key, options.forwardZones ?? []) !== null;
  if (!isForwarded && isInEmptyZone(key)) {
    const reason = 'no agent, task or VIP has this address, and private addresses are not asked of others';
    return { ...empty, outcome: 'name unknown', reason };
  }
  if (longestSuffix(key, privateSuffixes) !== null) {
    return {
      ...empty,
      outcome: 'refused',
      reason: 'the name is private to the cluster, but no zone holds it: REFUSED, never asked upstream',
    };
  }
  const suffix = longestSuffix(key, options.forwardZones ?? []);
  if (suffix !== null)
    return { ...empty, outcome: 'forwarded', reason: `not in a zone of ours; ${suffix} has servers of its own` };
  if (options.hasUpstreams === false) {
    return {
      ...empty,
      outcome: 'refused',
      reason: 'not in a zone of ours, and no upstream server is configured: REFUSED',
    };
  }
  return { ...empty, outcome: 'forwarded', reason: 'not in a zone of ours: asked upstream' };
}

function unknown(table: Table<RecordText>, name: string, zone: string): Finding {
  const nearest = nearestNames(table, name, zone);
  const below = `.${name}`;
  for (const other of table.keys()) {
    if (!other.endsWith(below)) continue;
    return {
      zone,
      records: [],
      types: [],
      nearest,
      outcome: 'type missing',
      reason: 'only names below it have records: NOERROR without answers',
    };
  }
  return {
    zone,
    records: [],
    types: [],
    nearest,
    outcome: 'name unknown',
    reason: `no such name in the zone ${zone}: NXDOMAIN`,
  };
}

/** Names of the zone by edit distance, as far as a slip of the finger or a forgotten label explains it. */
function nearestNames(table: Table<RecordText>, name: string, zone: string): readonly string[] {
  const wanted = name.slice(0, -zone.length);
  const most = Math.max(2, Math.floor(wanted.length / 3));
  const found: { readonly name: string; readonly distance: number }[] = [];
  for (const other of table.keys()) {
    if (!other.endsWith(`.${zone}`)) continue;
    const candidate = other.slice(0, -zone.length);
    if (Math.abs(candidate.length - wanted.length) > most) continue;
    const distance = editDistance(wanted, candidate, most);
    if (distance <= most) found.push({ name: other, distance });
  }
  found.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return found.slice(0, mostNearest).map((near) => near.name);
}

/** Levenshtein's distance; `most` + 1 as soon as it must be more. */
function editDistance(a: string, b: string, most: number): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const cost = Math.min(substitution, (row[j] as number) + 1, (next[j - 1] as number) + 1);
      next.push(cost);
      least = Math.min(least, cost);
    }
    if (least > most) return most + 1;
    row = next;
  }
  return row[b.length] as number;
}

function linesOf(name: string, type: string, reason: string, finding: Omit<Finding, 'reason'>): readonly string[] {
  const lines = [`${name} ${type}: ${finding.outcome}`, `  ${reason}`];
  for (const { line, sources } of finding.records) {
    lines.push(`  ${line}`);
    for (const source of sources) lines.push(`    from ${source}`);
  }
  if (finding.outcome === 'type missing' && finding.types.length > 0)
    lines.push(`  it has: ${finding.types.join(', ')}`);
  if (finding.nearest.length > 0) lines.push('  names that exist:', ...finding.nearest.map((near) => `    ${near}`));
  return lines;
}
