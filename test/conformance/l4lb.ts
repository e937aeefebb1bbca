// Conformance of the table of VIPs: every case file of a folder, by the form of what it holds. Rules are asked of the functions that the
// daemon uses, tables and REST of a real daemon in a private network namespace.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isInNamespace, prepareNamespace, runInNamespace } from './dns-namespace.ts';
import {
  allocationRules,
  diffRules,
  discoveryRules,
  manglingRules,
  reachabilityRules,
  rulesetRules,
} from './l4lb-rules.ts';
import { matrixChecks } from './l4lb-matrix.ts';
import { lifecycleCase, restCase, tableCase } from './l4lb-table.ts';

export type Row = Readonly<Record<string, unknown>>;

/** One thing to see: a name, and every difference found; none: it passed. */
export type Check = readonly [name: string, run: () => Promise<readonly string[]> | readonly string[]];

/** A form of case file: how to know it, and what there is to see in one. */
interface Form {
  readonly isIt: (file: Row) => boolean;
  readonly checks: (file: Row) => readonly Check[];
}

const has = (file: Row, ...fields: readonly string[]): boolean => fields.every((field) => field in file);
const firstOf = (file: Row): Row => (Array.isArray(file['cases']) ? ((file['cases'] as readonly Row[])[0] ?? {}) : {});

const forms: Readonly<Record<string, Form>> = {
  table: { isIt: (file) => has(file, 'config', 'input', 'expected'), checks: tableCase },
  mangling: { isIt: (file) => has(file, 'label') && has(file, 'fragment'), checks: manglingRules },
  allocation: { isIt: (file) => has(file, 'phash2_raw') || has(file, 'ranges'), checks: allocationRules },
  rest: { isIt: (file) => has(file, 'input', 'expected', 'expected_headers'), checks: restCase },
  reachability: { isIt: (file) => has(firstOf(file), 'reachable'), checks: reachabilityRules },
  diff: { isIt: (file) => has(firstOf(file), 'before', 'after'), checks: diffRules },
  lifecycle: { isIt: (file) => has(file, 'events', 'expected_after_each_event'), checks: lifecycleCase },
  discovery: { isIt: (file) => has(firstOf(file), 'networks'), checks: discoveryRules },
  matrix: { isIt: (file) => has(file, 'dimensions', 'expect'), checks: matrixChecks },
};

const exemptions = (
  JSON.parse(readFileSync(new URL('exempt.json', import.meta.url), 'utf8')) as {
    readonly l4lb: Readonly<Record<string, string>>;
  }
).l4lb;

export async function run(args: readonly string[]): Promise<number> {
  const folder = resolve(args[0] ?? '');
  if (args[0] === undefined || !existsSync(folder)) {
    process.stderr.write('usage: npm run conformance -- l4lb FOLDER\n');
    return 2;
  }
  if (!isInNamespace()) return runInNamespace();
  prepareNamespace();
  const count = { passed: 0, failed: 0, exempt: 0 };
  const report = (name: string, differences: readonly string[]): void => {
    count[differences.length === 0 ? 'passed' : 'failed']++;
    if (differences.length > 0)
      process.stdout.write(`FAIL ${name}\n${differences.map((line) => `     ${line}\n`).join('')}`);
  };
  const judge = async (file: string, checks: readonly Check[]): Promise<void> => {
    for (const [name, check] of checks) {
      const differences = await Promise.resolve()
        .then(check)
        .catch((error: unknown) => [error instanceof Error ? error.message : String(error)]);
      report(`${file} ${name}`, differences);
    }
  };
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.json') || file === 'index.json') continue;
    const content = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Row;
    const form = Object.keys(forms).find((name) => forms[name]?.isIt(content));
    if (form !== undefined && exemptions[form] !== undefined) count.exempt++;
    else if (form === undefined) report(file, ['holds a case of no known form']);
    else await judge(file, forms[form]?.checks(content) ?? []);
  }
  await judge('nft', rulesetRules(join(folder, 'nft')));
  if (count.passed + count.failed === 0) process.stdout.write(`no case of a known form in ${folder}\n`);
  if (count.exempt > 0) process.stdout.write(`${count.exempt} exempt\n`);
  process.stdout.write(`${count.passed} passed, ${count.failed} failed\n`);
  return count.failed > 0 || count.passed === 0 ? 1 : 0;
}
