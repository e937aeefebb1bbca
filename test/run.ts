// The test runner behind `npm test`: starts every test file with this Node, reads its TAP, shows progress and failures,
// and ends with the line `N passed, N failed, N skipped`. Counts named test cases: subtests that hold no further ones.
//
//   npm test                    everything
//   npm test -- dns lb/health   files whose path contains one of the words
//
// ISTHMUS_ALL=1 makes every skip a failure; ISTHMUS_JOBS sets how many files run at once; ISTHMUS_TEST_TIMEOUT is the
// time that a file may take, in seconds. Where at most three files fail, each is run once more with the machine to itself: what
// passes then is named as unsteady: it fails the run all the same, but who looks for it knows where.

import { type ChildProcess, spawn } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { type FinalResults, Parser, type Result } from 'tap-parser';
import { stringify } from 'yaml';

interface Failure {
  readonly name: string;
  readonly detail: string;
}

interface Skip {
  readonly name: string;
  readonly reason: string;
}

interface Report {
  passed: number;
  readonly failures: Failure[];
  readonly skips: Skip[];
}

interface FileReport extends Report {
  readonly file: string;
  /** What the file printed besides TAP. */
  readonly output: string;
  readonly seconds: number;
}

const root = dirname(import.meta.dirname);
const timesFile = join(root, 'node_modules/.cache/test-times.json');
const everySkipFails = process.env['ISTHMUS_ALL'] === '1';
const jobs = positive(process.env['ISTHMUS_JOBS']) ?? Math.min(8, Math.max(2, availableParallelism()));
// Stripping and compiling the sources is most of what a daemon does at its start, and tests start hundreds.
const compileCache = process.env['NODE_COMPILE_CACHE'] ?? join(root, 'node_modules/.cache/compile');
const timeoutSeconds = positive(process.env['ISTHMUS_TEST_TIMEOUT']) ?? 120;
/** More files than this that fail are no matter of a busy machine. */
const mostUnsteady = 3;
const running = new Set<ChildProcess>();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    for (const child of running) killGroup(child, 'SIGKILL');
    process.exit(1);
  });
}

process.exitCode = await runAll(process.argv.slice(2));

async function runAll(words: readonly string[]): Promise<number> {
  const times = readTimes();
  // What took longest last time starts first, so that the end of the run is not one long file alone.
  const files = globSync('test/**/*.test.ts', { cwd: root })
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .sort((a, b) => (times[b] ?? 0) - (times[a] ?? 0) || a.localeCompare(b));
  const reports: FileReport[] = [];
  const queue = [...files];
  const work = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const report = await runFile(file);
      reports.push(report);
      times[file] = report.seconds;
      print(progressLine(report, reports.length, files.length));
      printFailures(report);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  writeTimes(times);
  const unsteady = await runAlone(reports);
  return summarize(reports, unsteady, words);
}

/** Runs files that failed once more; resolves to the reports of those that pass when they run alone. */
async function runAlone(reports: readonly FileReport[]): Promise<readonly FileReport[]> {
  const failed = reports.filter(({ failures }) => failures.length > 0);
  if (failed.length > mostUnsteady) return [];
  const unsteady: FileReport[] = [];
  for (const first of failed) {
    print(`once more, alone: ${first.file}`);
    const second = await runFile(first.file);
    printFailures(second);
    if (second.failures.length > 0) continue;
    unsteady.push(first);
  }
  return unsteady;
}

function printFailures({ failures, output }: FileReport): void {
  for (const { name, detail } of failures) print(`  ✗ ${name}\n${indent(detail, '      ')}`);
  if (failures.length > 0 && output !== '') print(`  it also printed\n${indent(output, '      ')}`);
}

function summarize(reports: readonly FileReport[], unsteady: readonly FileReport[], words: readonly string[]): number {
  const byFile = [...reports].sort((a, b) => a.file.localeCompare(b.file));
  const failed = sum(reports.map((report) => report.failures.length));
  const skips = byFile.flatMap((report) => report.skips.map((skip) => ({ file: report.file, ...skip })));
  const lost = everySkipFails ? skips.length : 0;
  if (failed > 0) {
    print('\nfailed');
    for (const { file, failures } of byFile) for (const { name } of failures) print(`  ${file}  ${name}`);
  }
  if (skips.length > 0) {
    print(everySkipFails ? '\nskipped, which is a failure here (ISTHMUS_ALL=1)' : '\nskipped');
    const width = Math.max(...skips.map((skip) => skip.reason.length));
    for (const { file, name, reason } of skips) print(`  ${reason.padEnd(width)}  ${file}  ${name}`);
  }
  if (unsteady.length > 0) {
    print('\nunsteady: failed beside others, passed alone; a fault of the test or of the program, to be found');
    for (const { file, failures } of unsteady) for (const { name } of failures) print(`  ${file}  ${name}`);
  }
  if (reports.length === 0) print(`no test file${words.length > 0 ? ` matches ${words.join(' ')}` : ''}`);
  print('');
  print(
    `${sum(reports.map((report) => report.passed))} passed, ${failed + lost} failed, ${everySkipFails ? 0 : skips.length} skipped`,
  );
  return reports.length > 0 && failed + lost === 0 ? 0 : 1;
}

/** Runs one file in a process group of its own, so that nothing it started outlives it. */
async function runFile(file: string): Promise<FileReport> {
  const started = performance.now();
  const report: Report = { passed: 0, failures: [], skips: [] };
  const parser = new Parser();
  const output: string[] = [];
  const complete = walk(parser, [], report);
  parser.on('extra', (text: string) => output.push(text));
  const child = spawn(process.execPath, [join(root, file)], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: compileCache,
      TAP: '1',
      TAP_TIMEOUT: String(timeoutSeconds + 10),
      FORCE_COLOR: '0',
    },
  });
  running.add(child);
  child.stderr.setEncoding('utf8').on('data', (text: string) => output.push(text));
  child.stdout.setEncoding('utf8').on('data', (text: string) => parser.write(text));
  const trouble = await ended(child);
  running.delete(child);
  parser.end();
  await complete;
  judge(report, trouble, parser.ok, file);
  return { ...report, file, output: output.join('').trim(), seconds: (performance.now() - started) / 1000 };
}

/** Waits until the file's process is gone and its output read; says what was wrong with its end, if anything was. */
async function ended(child: ChildProcess): Promise<string | undefined> {
  let isLate = false;
  const deadline = setTimeout(() => {
    isLate = true;
    // tap answers SIGALRM by naming the test that it was in.
    child.kill('SIGALRM');
    setTimeout(() => killGroup(child, 'SIGKILL'), 2000).unref();
  }, timeoutSeconds * 1000);
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const exit = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? (code === 0 ? undefined : `exit code ${code}`)));
  });
  clearTimeout(deadline);
  // A process that the file left behind would hold its output open for ever.
  killGroup(child, 'SIGKILL');
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 2000).unref())]);
  return isLate ? `no end within ${timeoutSeconds} s` : exit;
}

/** What the assertions do not tell: a crash, a timeout, a plan not kept, a file that tests nothing. */
function judge(report: Report, trouble: string | undefined, isTapGood: boolean, file: string): void {
  const fail = (detail: string): number => report.failures.push({ name: file, detail });
  if (report.failures.length > 0) {
    if (trouble !== undefined && !trouble.startsWith('exit code')) fail(`ended by: ${trouble}`);
  } else if (trouble !== undefined) fail(`ended by: ${trouble}`);
  else if (report.passed + report.skips.length === 0) fail('it holds no test');
  else if (!isTapGood) fail('its TAP is not complete: the plan was not kept');
}

/** Follows one level of TAP into the report; resolves when it is complete. */
function walk(parser: Parser, path: readonly string[], report: Report): Promise<void> {
  const children: Promise<void>[] = [];
  const bad: string[] = [];
  const failuresBefore = report.failures.length;
  const name = path.join(' > ') || '(top level)';
  let good = 0;
  let waived = 0;
  let isChildsLine = false;
  parser.on('child', (child: Parser) => {
    children.push(walk(child, [...path, child.name], report));
    isChildsLine = true;
  });
  parser.on('assert', (result: Result) => {
    const isRepeat = isChildsLine;
    isChildsLine = false;
    // The line that closes a subtest repeats what was counted inside, unless it is the first to tell of a failure.
    if (isRepeat && (result.ok || report.failures.length > failuresBefore)) return;
    const full = [...path, result.name].join(' > ');
    if (result.skip !== false || result.todo !== false) waived += 1;
    if (result.skip !== false) report.skips.push({ name: full, reason: reasonOf(result.skip, 'no reason given') });
    else if (result.todo !== false) report.skips.push({ name: full, reason: `todo: ${reasonOf(result.todo, '')}` });
    else if (result.ok) good += 1;
    else bad.push(`${result.name}\n${indent(describe(result), '  ')}`);
  });
  parser.on('bailout', (reason: string) => bad.push(`bail out: ${reason}`));
  return new Promise((resolve) => {
    parser.on('complete', ({ plan }: FinalResults) => {
      const reason = plan.skipAll ? plan.comment : '';
      if (bad.length > 0) report.failures.push({ name, detail: bad.join('\n') });
      else if (reason !== '' && reason !== 'no tests found') report.skips.push({ name, reason });
      else if (children.length === 0 && good > 0) report.passed += 1;
      else if (path.length > 0 && children.length + waived === 0) {
        report.failures.push({ name, detail: 'it asserts nothing' });
      }
      void Promise.all(children).then(() => resolve());
    });
  });
}

function describe(result: Result): string {
  return result.diag === null || result.diag === undefined ? 'no detail' : stringify(result.diag).trimEnd();
}

function reasonOf(mark: string | boolean, fallback: string): string {
  return typeof mark === 'string' && mark !== '' ? mark : fallback;
}

function progressLine(report: FileReport, done: number, of: number): string {
  const mark = report.failures.length > 0 ? '✗' : '✓';
  const counts = [`${report.passed} passed`];
  if (report.failures.length > 0) counts.push(`${report.failures.length} failed`);
  if (report.skips.length > 0) counts.push(`${report.skips.length} skipped`);
  return `${mark} [${String(done).padStart(String(of).length)}/${of}] ${report.file}  ${counts.join(', ')}  ${report.seconds.toFixed(2)} s`;
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

function readTimes(): Record<string, number> {
  try {
    return JSON.parse(readFileSync(timesFile, 'utf8')) as Record<string, number>;
  } catch {
    return {};
  }
}

function writeTimes(times: Readonly<Record<string, number>>): void {
  mkdirSync(dirname(timesFile), { recursive: true });
  writeFileSync(timesFile, JSON.stringify(times));
}

function positive(text: string | undefined): number | undefined {
  const number = Number(text);
  return text !== undefined && Number.isFinite(number) && number > 0 ? number : undefined;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function indent(text: string, by: string): string {
  return text.replaceAll(/^(?=.)/gm, by);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
