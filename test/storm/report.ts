// The reckoning of a storm for people: what was served, what was lost and whose fault it was, and what the daemon holds at the end.

import type { Fault } from './blame.ts';
import { clockOf, type Judged, type StormReport } from './storm.ts';

/** Of the pieces of work on listeners that workers open themselves, at most one in so many may be lost to a change of generation. */
const listenerBudget = 10_000;
/** Above what was held under load before the first trouble: former processes are gone, nothing has grown. */
const mostGrowth = { rss: 1.3, descriptors: 1.1 };
/** Of seconds: a heap that is younger has not seen what it grows to. */
const leastForMemory = 120;
const faults: readonly Fault[] = ['back end', 'worker', 'listener', 'daemon'];

/** Why the storm was not weathered, a line each; empty: it was. */
export function complaintsOf(report: StormReport): readonly string[] {
  const { losses, counts, before, after, done, seconds } = report;
  const of = (fault: Fault): readonly Judged[] => losses.filter((loss) => loss.fault === fault);
  const onOwnListeners = (['vip', 'socks', 'proxy'] as const).reduce((sum, kind) => sum + (counts[kind]?.done ?? 0), 0);
  return [
    ...(of('daemon').length > 0 ? [`${of('daemon').length} lost by the daemon's own fault`] : []),
    ...(of('listener').length > Math.max(1, onOwnListeners / listenerBudget)
      ? [`${of('listener').length} of ${onOwnListeners} lost on listeners that workers opened`]
      : []),
    ...Object.entries(counts).flatMap(([kind, { done: served }]) =>
      served > 0 ? [] : [`nothing was served by ${kind}`],
    ),
    ...(Object.keys(counts).length === 0 ? ['nothing was served'] : []),
    ...(seconds >= leastForMemory && after.rssMb > before.rssMb * mostGrowth.rss
      ? [`memory grew from ${before.rssMb} to ${after.rssMb} MB`]
      : []),
    ...(after.descriptors > before.descriptors * mostGrowth.descriptors
      ? [`descriptors grew from ${before.descriptors} to ${after.descriptors}`]
      : []),
    ...(after.processes > before.processes ? [`${after.processes} processes are left of ${before.processes}`] : []),
    ...done.filter(({ what }) => /[A-Z]{3} /.test(what)).map(({ what }) => what),
  ];
}

export function printReport(report: StormReport): string {
  return [table(report), troubles(report), held(report), lost(report), warned(report)]
    .filter((text) => text !== '')
    .join('\n\n');
}

function table({ counts, tools, losses }: StormReport): string {
  const head = ['traffic', 'served', 'again', 'p50 ms', 'p99 ms', ...faults.map((fault) => `lost: ${fault}`)];
  const lostBy = (kind: string): readonly string[] =>
    faults.map((fault) => String(losses.filter((loss) => loss.kind === kind && loss.fault === fault).length));
  const rows = Object.entries(counts).map(([kind, { done, again, times }]) => {
    const sorted = times.toSorted((a, b) => a - b);
    const at = (part: number): string => String(sorted[Math.floor(sorted.length * part)] ?? '');
    return [kind, String(done), String(again), at(0.5), at(0.99), ...lostBy(kind)];
  });
  const outside = tools.map(({ kind, done, missing }) =>
    missing ? [kind, 'not installed'] : [kind, String(done), '', '', '', ...lostBy(kind)],
  );
  return columns([head, ...rows, ...outside]);
}

function troubles({ done }: StormReport): string {
  const sorts = new Map<string, number>();
  for (const { what } of done) {
    const sort = what.replace(/\d+|^\S+ is gone/g, (word) => (/gone/.test(word) ? 'a task is gone' : '·'));
    sorts.set(sort, (sorts.get(sort) ?? 0) + 1);
  }
  return columns([['trouble', 'times'], ...[...sorts].map(([sort, times]) => [sort, String(times)])]);
}

function held({ before, after }: StormReport): string {
  const row = (name: string, of: StormReport['before']): readonly string[] => [
    name,
    String(of.processes),
    String(of.rssMb),
    String(of.descriptors),
  ];
  return columns([['', 'processes', 'memory MB', 'descriptors'], row('before', before), row('after', after)]);
}

function lost({ losses, startedAt }: StormReport): string {
  const rows = losses
    .filter(({ fault }) => fault === 'daemon' || fault === 'listener')
    .slice(0, 60)
    .map(({ kind, from, until, what, fault, task }) => [
      clockOf(from - startedAt),
      `${until - from} ms`,
      kind,
      fault,
      what.slice(0, 120),
      task ?? '',
    ]);
  return rows.length === 0 ? '' : columns([['lost at', 'after', 'traffic', 'fault', 'what', 'task'], ...rows]);
}

function warned({ warnings }: StormReport): string {
  const rows = Object.entries(warnings).map(([what, times]) => [String(times), what.slice(0, 120)]);
  return rows.length === 0 ? '' : columns([['times', 'the daemon warned'], ...rows]);
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
