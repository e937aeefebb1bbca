// Conformance of DNS: every row of the case files of a folder, asked of a real daemon in a private network namespace.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runForwarding } from './dns-forwarding.ts';
import { runHttp } from './dns-http.ts';
import { isInNamespace, prepareNamespace, runInNamespace } from './dns-namespace.ts';
import { judge, rowsOf, type Outcome } from './dns-outcome.ts';
import { runRules } from './dns-rules.ts';
import { knownZones } from './dns-strict.ts';
import { compareCase, compareStrict, zoneCaseOf, type ZoneCase } from './dns-zone-case.ts';
import { startServer } from './dns-zone-server.ts';

type Report = (outcome: Outcome) => void;
type Reference = 'mesos-dns' | 'dcos-net';
type Runner = (folder: string, cases: unknown, report: Report) => Promise<void>;

/** By what a file's name begins with: there may be several of a kind (`expected-dcos-net-2.json`). */
const runners: Readonly<Record<string, Runner>> = {
  'expected-naming': runRules,
  'expected-mesos-dns': (folder, cases, report) => runZone(folder, 'mesos-dns', cases, report),
  'expected-dcos-net': (folder, cases, report) => runZone(folder, 'dcos-net', cases, report),
  'expected-http': runHttp,
  'expected-forwarding': runForwarding,
};

const runnerOf = (file: string): Runner | undefined =>
  Object.entries(runners).find(([prefix]) => file.startsWith(prefix))?.[1];

export async function run(args: readonly string[]): Promise<number> {
  const folder = resolve(args[0] ?? '');
  if (args[0] === undefined || !existsSync(folder)) {
    process.stderr.write('usage: npm run conformance -- dns FOLDER\n');
    return 2;
  }
  if (!isInNamespace()) return runInNamespace();
  prepareNamespace();
  const count = { passed: 0, failed: 0, exempt: 0 };
  const report = (outcome: Outcome): void => {
    const { name, differences, exempt } = outcome;
    if (exempt !== undefined) count.exempt++;
    else if (differences.length === 0) count.passed++;
    else count.failed++;
    if (differences.length > 0)
      process.stdout.write(`FAIL ${name}\n${differences.map((line) => `     ${line}\n`).join('')}`);
  };
  for (const file of readdirSync(folder).sort()) {
    if (!/^expected-.*\.json$/.test(file)) continue;
    const path = join(folder, file);
    const before = { ...count };
    const startedAt = Date.now();
    await judge(file, async () => {
      const runner = runnerOf(file);
      if (runner === undefined) return ['is a file of cases that the runner does not know'];
      await runner(folder, JSON.parse(readFileSync(path, 'utf8')), report);
      return [];
    }).then((outcome) => (outcome.differences.length > 0 ? report(outcome) : undefined));
    process.stdout.write(
      `${file}: ${count.passed - before.passed} passed, ${count.failed - before.failed} failed, ${count.exempt - before.exempt} exempt in ${Math.round((Date.now() - startedAt) / 1000)} s\n`,
    );
  }
  if (count.passed + count.failed === 0) process.stdout.write(`no case of a known form in ${folder}\n`);
  if (count.exempt > 0) process.stdout.write(`${count.exempt} exempt\n`);
  process.stdout.write(`${count.passed} passed, ${count.failed} failed\n`);
  return count.failed > 0 || count.passed === 0 ? 1 : 0;
}

/** One server for all rows of the same data and configuration. */
async function runZone(folder: string, of: Reference, cases: unknown, report: Report): Promise<void> {
  const groups = new Map<string, ZoneCase[]>();
  for (const row of rowsOf(cases, of)) {
    const one = zoneCaseOf(row);
    if (typeof one === 'string') {
      report({ name: String(row['id']), differences: [one] });
      continue;
    }
    const key = JSON.stringify([one.fixture, one.config]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  for (const group of groups.values()) await runGroup(folder, of, group, report);
}

/** Each case is asked as the references answer and again with `strict` on: a difference in either is a failure. */
async function runGroup(folder: string, of: Reference, group: readonly ZoneCase[], report: Report): Promise<void> {
  const [reference, strict] = sharesNothing(of, group)
    ? await Promise.all([askGroup(folder, of, group, false), askGroup(folder, of, group, true)])
    : [await askGroup(folder, of, group, false), await askGroup(folder, of, group, true)];
  group.forEach(({ id, qname, qtype }, i) => {
    const [a, b] = [reference[i], strict[i]] as [Outcome, Outcome];
    report({ ...a, name: `${id} ${qname} ${qtype}`, differences: [...a.differences, ...b.differences] });
  });
}

/** Whether two servers of the case may run at once: fakes of masters and resolvers have addresses of their own, and VIPs too. */
function sharesNothing(of: Reference, [first]: readonly ZoneCase[]): boolean {
  const { masters, resolvers, listener } = first?.config ?? {};
  return of === 'mesos-dns' && masters === undefined && resolvers === undefined && listener === undefined;
}

async function askGroup(
  folder: string,
  of: Reference,
  group: readonly ZoneCase[],
  strict: boolean,
): Promise<readonly Outcome[]> {
  const [{ fixture, config }] = group as [ZoneCase];
  let server;
  try {
    server = await startServer(folder, of, fixture, config, strict);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return group.map(({ id }) => ({ name: id, differences: [`no server for it: ${reason}`] }));
  }
  try {
    const { dns } = server;
    const zones = knownZones(config, strict ? await server.names() : []);
    const outcomes: Outcome[] = [];
    for (const one of group)
      outcomes.push(await judge(one.id, () => (strict ? compareStrict(dns, one, zones) : compareCase(dns, one))));
    return outcomes;
  } finally {
    await server.close();
  }
}
