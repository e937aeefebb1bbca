// Rows of expected-http.json: Mesos-DNS's HTTP API and dcos-net's REST API of a real daemon.

import { judge, rowsOf, type Outcome } from './dns-outcome.ts';
import { startServer } from './dns-zone-server.ts';

type Row = Readonly<Record<string, unknown>>;

const known = new Set(
  'server method path status body derived_from fixture config basis note accept headers'.split(' '),
);

export async function runHttp(folder: string, cases: unknown, report: (outcome: Outcome) => void): Promise<void> {
  const groups = new Map<string, Row[]>();
  for (const row of rowsOf(cases, 'expected-http.json')) {
    const key = JSON.stringify([row['server'], row['fixture'] ?? 'none', row['config'] ?? {}]);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  for (const [key, rows] of groups) {
    const [of, fixture, config] = JSON.parse(key) as [string, string, Row];
    await runGroup(folder, of, fixture, config, rows, report);
  }
}

async function runGroup(
  folder: string,
  of: string,
  fixture: string,
  config: Row,
  rows: readonly Row[],
  report: (outcome: Outcome) => void,
): Promise<void> {
  const nameOf = (row: Row): string => `${of} ${String(row['method'])} ${String(row['path'])}`;
  try {
    if (of !== 'mesos-dns' && of !== 'dcos-net') throw new Error(`server ${of} is not understood`);
    const server = await startServer(folder, of, fixture, config);
    try {
      const base = of === 'mesos-dns' ? server.http : server.dcosNet;
      for (const row of rows) report(await judge(nameOf(row), () => compare(base, row)));
    } finally {
      await server.close();
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    for (const row of rows) report({ name: nameOf(row), differences: [`no server for it: ${reason}`] });
  }
}

async function compare(base: string | null, row: Row): Promise<readonly string[]> {
  const strange = Object.keys(row).filter((key) => !known.has(key));
  if (strange.length > 0) return [`has ${strange.join(', ')}, which the runner does not know`];
  if (base === null) return ['the daemon has no such listener'];
  const accept = typeof row['accept'] === 'string' ? row['accept'] : 'application/json';
  const answer = await fetch(`http://${base}${String(row['path'])}`, {
    method: String(row['method']),
    headers: { accept, ...((row['headers'] ?? {}) as Readonly<Record<string, string>>) },
    signal: AbortSignal.timeout(8000),
  });
  const text = await answer.text();
  if (answer.status !== row['status'])
    return [`status is ${answer.status}, not ${String(row['status'])}: ${text.trim()}`];
  if (row['body'] === null || row['body'] === undefined) return [];
  if (typeof row['body'] === 'string' && row['body'] !== 'json')
    return text.trim() === row['body'] ? [] : [`body is ${JSON.stringify(text)}, not ${JSON.stringify(row['body'])}`];
  const body = JSON.parse(text) as unknown;
  if (row['body'] === 'json' || isLike(row['body'], body)) return [];
  return [`body is ${JSON.stringify(body)}, not ${JSON.stringify(row['body'])}`];
}

/** Lists are sets; a version is any text, the program's own. */
function isLike(wanted: unknown, found: unknown): boolean {
  if (wanted === 'any string') return typeof found === 'string';
  if (Array.isArray(wanted))
    return (
      Array.isArray(found) &&
      wanted.length === found.length &&
      wanted.every((item) => found.some((other) => isLike(item, other)))
    );
  if (typeof wanted !== 'object' || wanted === null) return wanted === found;
  if (typeof found !== 'object' || found === null) return false;
  const other = found as Row;
  return (
    Object.keys(other).length === Object.keys(wanted).length &&
    Object.entries(wanted).every(([key, value]) =>
      key === 'Version' ? typeof other[key] === 'string' : isLike(value, other[key]),
    )
  );
}
