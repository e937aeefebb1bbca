// Conformance of the router: rules against the functions that the daemon uses, requests against a real daemon in a private network namespace.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isInNamespace, prepareNamespace, runInNamespace } from './dns-namespace.ts';
import { runEndpoints } from './l7-endpoints.ts';
import { runMisc } from './l7-misc.ts';
import { exemptionOf, type Report } from './l7-outcome.ts';
import { runRaw } from './l7-raw.ts';
import { runRouting } from './l7-routing.ts';
import { runTlsSni } from './l7-tls-sni.ts';
import { runTraefikMarathon, runTraefikMesos } from './l7-traefik.ts';
import { runTraefikRules } from './l7-traefik-rules.ts';
import { runZdd } from './l7-zdd.ts';

type Runner = (cases: unknown, report: Report) => Promise<void>;

/** By what a file's name begins with: there may be several of a kind. */
const runners: Readonly<Record<string, Runner>> = {
  'mlb-misc': runMisc,
  'mlb-endpoints': runEndpoints,
  'mlb-zdd': runZdd,
  'mlb-routing': runRouting,
  'traefik17-marathon': runTraefikMarathon,
  'traefik17-measured': runTraefikMarathon,
  'traefik17-mesos': runTraefikMesos,
  'traefik17-rules': runTraefikRules,
  'http1-raw': runRaw,
  'tls-sni': runTlsSni,
};

export async function run(args: readonly string[]): Promise<number> {
  const folder = resolve(args[0] ?? '');
  if (args[0] === undefined || !existsSync(folder)) {
    process.stderr.write('usage: npm run conformance -- l7 FOLDER\n');
    return 2;
  }
  if (!isInNamespace()) return runInNamespace();
  prepareNamespace();
  const count = { passed: 0, failed: 0, exempt: 0 };
  const report: Report = ({ name, differences, exempt }) => {
    if (exempt !== undefined) count.exempt++;
    else if (differences.length === 0) count.passed++;
    else count.failed++;
    if (differences.length > 0)
      process.stdout.write(`FAIL ${name}\n${differences.map((line) => `     ${line}\n`).join('')}`);
  };
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.json') || (args[1] !== undefined && !file.startsWith(args[1]))) continue;
    const before = { ...count };
    const startedAt = Date.now();
    await runFile(folder, file, report);
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    const [passed, failed, exempt] = [
      count.passed - before.passed,
      count.failed - before.failed,
      count.exempt - before.exempt,
    ];
    process.stdout.write(`${file}: ${passed} passed, ${failed} failed, ${exempt} exempt in ${seconds} s\n`);
  }
  if (count.exempt > 0) process.stdout.write(`${count.exempt} exempt\n`);
  process.stdout.write(`${count.passed} passed, ${count.failed} failed\n`);
  return count.failed > 0 || count.passed === 0 ? 1 : 0;
}

async function runFile(folder: string, file: string, report: Report): Promise<void> {
  const exempt = exemptionOf(file);
  const runner = Object.entries(runners).find(([prefix]) => file.startsWith(prefix))?.[1];
  if (exempt !== undefined) report({ name: file, differences: [], exempt });
  else if (runner === undefined) report({ name: file, differences: ['is a file that the runner does not know'] });
  else
    await runner(JSON.parse(readFileSync(join(folder, file), 'utf8')), report).catch((error: unknown) =>
      report({ name: file, differences: [error instanceof Error ? error.message : String(error)] }),
    );
}
