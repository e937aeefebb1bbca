// The launcher on a Node that is too old: same exit code, signals passed on once, no child left behind. A stand-in takes
// the program's place, in a folder that looks like a checkout.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { needs } from '../needs.ts';

const root = dirname(dirname(import.meta.dirname));
const manifest = '{"name":"isthmus","version":"9.9.9","type":"module"}';
const oldNode = findOldNode();
const noOldNode = oldNode === undefined && 'needs a Node older than 26.10 on PATH, from 20 on';

// Prints its pid and Node, then every signal that it gets; `exit N` ends it so, `die SIGNAL` by that signal.
const program = `
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) {
  process.on(signal, () => {
    process.stdout.write(signal + '\\n');
    if (signal === 'SIGTERM') process.exit(7);
  });
}
const [verb, value] = process.argv.slice(2);
if (verb === 'exit') process.exit(Number(value));
process.stdout.write('pid ' + process.pid + ' ' + process.versions.node + ' ' + process.env.ISTHMUS_LIFELINE_FD + '\\n');
if (verb === 'die') process.removeAllListeners(value), process.kill(process.pid, value);
if (verb === 'sockets') process.stdout.write([process.env.LISTEN_FDS, process.env.LISTEN_PID].join(' ') + '\\n');
setTimeout(() => process.exit(99), 20_000);
`;

t.test('runs the program under the pinned Node, with its exit code', { skip: noOldNode }, async (t) => {
  const folder = checkout(temporary(t));
  const child = launch(folder, ['exit', '42']);
  t.strictSame(await child.ended, { code: 42, signal: null });
});

t.test('passes every signal on, once, also when it goes to the whole group', { skip: noOldNode }, async (t) => {
  const child = launch(checkout(temporary(t)), []);
  t.match(await child.line(), /^pid \d+ 26\.\d+\.\d+ undefined$/);
  for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT'] as const) {
    child.process.kill(signal);
    t.equal(await child.line(), signal);
  }
  // As a terminal does it: to the group. The line after it is the answer to the next signal, so there was one only.
  process.kill(-child.pid, 'SIGINT');
  t.equal(await child.line(), 'SIGINT');
  child.process.kill('SIGTERM');
  t.equal(await child.line(), 'SIGTERM');
  t.strictSame(await child.ended, { code: 7, signal: null });
});

t.test('dies by the signal that the program died by', { skip: noOldNode }, async (t) => {
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGUSR2'] as const) {
    const child = launch(checkout(temporary(t)), ['die', signal]);
    t.strictSame(await child.ended, { code: null, signal }, signal);
  }
});

t.test('the program ends when the launcher was killed', { skip: noOldNode }, async (t) => {
  const child = launch(checkout(temporary(t)), []);
  const pid = Number((await child.line()).split(' ')[1]);
  t.ok(existsSync(`/proc/${pid}`));
  child.process.kill('SIGKILL');
  // Where Node could replace itself there is one process, and nothing is left to drain.
  t.equal(await child.line(), pid === child.pid ? 'end of output' : 'SIGTERM', 'it drains as after SIGTERM');
});

t.test('sockets from systemd arrive with their numbers', { skip: noOldNode }, async (t) => {
  const folder = checkout(temporary(t));
  const shell = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec 3</dev/null; exec "$0" "$@"';
  const started = spawn('sh', ['-c', shell, oldNode ?? '', join(folder, 'bin/isthmus.js'), 'sockets']);
  const child = watch(started);
  const pid = Number((await child.line()).split(' ')[1]);
  t.match(await child.line(), /^1 $|^1 \d+$/);
  t.equal(readlinkSync(`/proc/${pid}/fd/3`), '/dev/null');
  started.kill('SIGTERM');
  t.equal((await child.ended).code, 7);
});

t.test('says what to install when the pinned Node is missing', { skip: noOldNode }, async (t) => {
  const folder = checkout(temporary(t), false);
  const { status, stderr } = spawnSync(oldNode ?? '', [join(folder, 'bin/isthmus.js')], { encoding: 'utf8' });
  t.equal(status, 2);
  t.match(stderr, /needs Node\.js 26\.10 or newer; this is v\d+.*node-linux-\w+.*not installed/s);
  t.match(stderr, /npm ci/);
});

t.test('a new enough Node runs the program itself', async (t) => {
  const child = launch(checkout(temporary(t), false), [], process.execPath);
  t.match(await child.line(), new RegExp(`^pid ${child.pid} `));
  child.process.kill('SIGUSR1');
  t.equal(await child.line(), 'SIGUSR1');
  child.process.kill('SIGTERM');
  t.equal((await child.ended).code, 7);
});

t.test('an installed package runs what was compiled', async (t) => {
  const folder = temporary(t);
  const installed = checkout(join(folder, 'node_modules/isthmus'), false);
  mkdirSync(join(installed, 'dist/src/cli'), { recursive: true });
  writeFileSync(join(installed, 'dist/src/cli/main.js'), program);
  writeFileSync(join(installed, 'src/cli/main.ts'), 'process.exit(1);');
  t.equal((await launch(installed, ['exit', '5'], process.execPath).ended).code, 5);
});

t.test('Ctrl-C at a terminal arrives once', { skip: noOldNode || needs('script') }, async (t) => {
  const folder = checkout(temporary(t));
  const started = spawn('script', ['-qec', `exec ${oldNode} ${join(folder, 'bin/isthmus.js')}`, '/dev/null']);
  const child = watch(started);
  const pid = Number((await child.line()).split(' ')[1]);
  started.stdin.write('\x03');
  t.match(await child.line(), /SIGINT$/);
  process.kill(pid, 'SIGHUP');
  t.match(await child.line(), /SIGHUP$/, 'and not a second time');
  process.kill(pid, 'SIGTERM');
  t.equal((await child.ended).code, 7);
});

/** Outside this checkout, whose node_modules would be found from below it. */
function temporary(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-launcher-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

function checkout(folder: string, isPinned = true): string {
  for (const part of ['bin', 'src/cli']) mkdirSync(join(folder, part), { recursive: true });
  copyFileSync(join(root, 'bin/isthmus.js'), join(folder, 'bin/isthmus.js'));
  writeFileSync(join(folder, 'package.json'), manifest);
  writeFileSync(join(folder, 'src/cli/main.ts'), program);
  if (isPinned) symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

interface Launched {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** The next line that the program prints. */
  line(): Promise<string>;
}

function launch(folder: string, args: readonly string[], node: string = oldNode ?? ''): Launched {
  return watch(spawn(node, [join(folder, 'bin/isthmus.js'), ...args], { detached: true }));
}

function watch(process: ReturnType<typeof spawn>): Launched {
  if (process.stdout === null || process.pid === undefined) throw new Error('it did not start');
  process.stderr?.pipe(globalThis.process.stderr);
  const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  const ended: Launched['ended'] = new Promise((resolve) => {
    process.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const line = async (): Promise<string> => {
    const next = await lines.next();
    return next.done === true ? 'end of output' : next.value;
  };
  return { process, pid: process.pid, ended, line };
}

/** The first Node on PATH that has to hand over to the pinned one. */
function findOldNode(): string | undefined {
  const candidates = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'node'));
  return candidates.filter(existsSync).find((node) => {
    const version = spawnSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    return major >= 20 && (major < 26 || (major === 26 && minor < 10));
  });
}
