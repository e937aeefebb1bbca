// Why a VIP is served as it is, or why it is not there: its backends with their state and the reason, the nearest names, and the labels
// that gave nothing.

import { splitHostPort, type Backend, type Diagnostic } from '../src/cluster/index.ts';
import type { Table } from '../src/ports/index.ts';
import { whyInState, type KnownOfBackends } from './why-in-state.ts';
import { parseIp } from './ip-number.ts';
import { vipName, vipsMeant } from './vip-names.ts';
import type { VipOptions } from './vip-options.ts';
import { vipTarget, type VipProtocol, type VipRecord } from './vip-record.ts';

export interface VipExplanation {
  /** As asked. */
  readonly target: string;
  readonly vips: readonly ExplainedVip[];
  /** VIPs that the target may have meant, `NAME:PORT`; empty where it was found. */
  readonly nearest: readonly string[];
  /** Labels that gave nothing and may be the reason; empty where the target was found. */
  readonly diagnostics: readonly Diagnostic[];
  /** All of it for people. */
  readonly lines: readonly string[];
}

export interface ExplainedVip {
  readonly protocol: VipProtocol;
  readonly name: string | null;
  readonly addresses: readonly string[];
  readonly port: number;
  /** What labels ask for beside the address. */
  readonly options: VipOptions;
  readonly backends: readonly ExplainedBackend[];
}

export interface ExplainedBackend {
  readonly backend: string;
  readonly task: string | null;
  readonly state: Backend['state'];
  readonly weight: number;
  readonly why: string;
}

export interface ExplainVipOptions {
  readonly table: Table<VipRecord>;
  readonly diagnostics: readonly Diagnostic[];
  /** Where the reasons come from. */
  readonly snapshot: KnownOfBackends;
}

const mostNearest = 3;
const mostDiagnostics = 10;

/** `target`: `NAME:PORT`, `IP:PORT` (IPv6 in brackets) or without a port; names as labels write them or as DNS knows them. */
export function explainVip(target: string, options: ExplainVipOptions): VipExplanation {
  const { host, port } = parseTarget(target);
  const meant = vipsMeant(options.table, host);
  const found = meant
    .filter((record) => port === null || record.port === port)
    .map((record) => explained(record, options));
  if (found.length > 0) return { target, vips: found, nearest: [], diagnostics: [], lines: found.flatMap(linesOf) };
  const nearest = meant.length > 0 ? [...new Set(meant.map(named))].sort() : nearestNames(options.table, host);
  const diagnostics = options.diagnostics.filter((one) => speaksOf(one, host)).slice(0, mostDiagnostics);
  return { target, vips: [], nearest, diagnostics, lines: linesOfNothing(target, nearest, diagnostics) };
}

function parseTarget(target: string): { readonly host: string; readonly port: number | null } {
  const trimmed = target.trim();
  const split = splitHostPort(trimmed);
  if (split !== null) return split;
  return { host: trimmed.replace(/^\[(.*)\]$/, '$1'), port: null };
}

function explained(record: VipRecord, { snapshot }: ExplainVipOptions): ExplainedVip {
  const { protocol, name, ips, port, set, options = {} } = record;
  const backends = set.backends.map(({ key, task, state, weight }) => {
    return { backend: key, task, state, weight, why: whyInState({ key, task }, snapshot) };
  });
  return { protocol, name, addresses: ips, port, options, backends };
}

function linesOf({ protocol, name, addresses, port, options, backends }: ExplainedVip): string[] {
  const at = addresses.map((ip) => vipTarget(ip, port)).join(' and ');
  const title =
    name === null
      ? `${protocol} VIP ${at}`
      : `${protocol} VIP ${vipTarget(name, port)} at ${at === '' ? 'no address yet' : at}`;
  const up = backends.filter(({ weight }) => weight > 0).length;
  const head = `${title}: ${backends.length} backends, ${up} of them take new connections`;
  const refusing = up === 0 ? ['  no backend takes connections: each is reset at once'] : [];
  return [
    head,
    ...Object.entries(options).map(([option, value]) => `  ${option}: ${JSON.stringify(value)}, by its label`),
    ...refusing,
    ...backends.map((one) => `  ${one.backend} ${one.state} weight=${one.weight} task=${one.task ?? '-'}: ${one.why}`),
  ];
}

function linesOfNothing(target: string, nearest: readonly string[], diagnostics: readonly Diagnostic[]): string[] {
  return [
    `no VIP ${target}`,
    ...(nearest.length > 0 ? [`  there is: ${nearest.join(', ')}`] : []),
    ...diagnostics.map(
      ({ app, task, key, value, reason, hint }) => `  ${app ?? task ?? '-'} ${key}=${value}: ${reason}; ${hint}`,
    ),
    ...(nearest.length + diagnostics.length > 0 ? [] : ['  no running task has a label for it']),
  ];
}

const named = (record: VipRecord): string => vipTarget(record.name ?? record.ips[0] ?? '', record.port);

/** Whether the label may have meant the name: the same first piece, or the text in it. */
function speaksOf({ value }: Diagnostic, host: string): boolean {
  if (parseIp(host) !== null) return value.includes(host);
  const [first = ''] = vipName(host).split('.');
  return first !== '' && vipName(value).includes(first);
}

function nearestNames(table: Table<VipRecord>, host: string): readonly string[] {
  if (parseIp(host) !== null) return [];
  const asked = vipName(host);
  const limit = Math.max(1, Math.floor(asked.length / 3));
  const candidates = [...table.values()].flatMap((record) => {
    if (record.name === null) return [];
    const [first = ''] = record.name.split('.');
    const steps = Math.min(distance(asked, record.name), distance(asked, first));
    return steps <= limit ? [{ name: named(record), steps }] : [];
  });
  candidates.sort((a, b) => a.steps - b.steps || (a.name < b.name ? -1 : 1));
  return [...new Set(candidates.map(({ name }) => name))].slice(0, mostNearest);
}

/** Levenshtein's: insertions, deletions and replacements. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
