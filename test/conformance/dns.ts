// Conformance of DNS: every row of the case files of a folder, asked of a real daemon in a private network namespace.

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runForwarding } from './dns-forwarding.ts';
import { runHttp } from './dns-http.ts';
import { isInNamespace, prepareNamespace, runInNamespace } from './dns-namespace.ts';
import { judge, rowsOf, type Outcome } from './dns-outcome.ts';
import { runRules } from './dns-rules.ts';
import { compareCase, zoneCaseOf, type ZoneCase } from './dns-zone-case.ts';
import { startServer } from './dns-zone-server.ts';

type Report = (outcome: Outcome) => void;
type Runner = (folder: string, cases: unknown, report: Report) => Promise<void>;

const runners: Readonly<Record<string, Runner>> = {
  'expected-naming-and-config.json': runRules,
  'expected-mesos-dns.json': (folder, cases, report) => runZone(folder, 'mesos-dns', cases, report),
  'expected-dcos-net.json': (folder, cases, report) => runZone(folder, 'dcos-net', cases, report),
  'expected-http.json': runHttp,
  'expected-forwarding.json': runForwarding,
};

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
  for (const [file, runner] of Object.entries(runners)) {
    const path = join(folder, file);
    if (!existsSync(path)) continue;
    const before = { ...count };
    const startedAt = Date.now();
    await judge(file, async () => {
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
async function runZone(folder: string, of: 'mesos-dns' | 'dcos-net', cases: unknown, report: Report): Promise<void> {
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

async function runGroup(
  folder: string,
  of: 'mesos-dns' | 'dcos-net',
  group: readonly ZoneCase[],
  report: Report,
): Promise<void> {
  const [{ fixture, config }] = group as [ZoneCase];
  const nameOf = ({ id, qname, qtype }: ZoneCase): string => `${id} ${qname} ${qtype}`;
  let server;
  try {
    server = await startServer(folder, of, fixture, config);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    for (const one of group) report({ name: nameOf(one), differences: [`no server for it: ${reason}`] });
    return;
  }
  try {
    for (const one of group) {
      const { dns } = server;
      const outcome = await judge(one.id, () => compareCase(dns, one));
      report({ ...outcome, name: nameOf(one) });
    }
  } finally {
    await server.close();
  }
}
