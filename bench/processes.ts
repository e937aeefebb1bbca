// Programs under measurement: started on a core of their own, and how much processor time they have taken.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** The server's core, and the load's. */
const serverCore = 1;
const loadCore = 0;

/** Every program must be there; the error names the Debian package of the first that is not. */
export function needPackages(packages: Readonly<Record<string, string>>): void {
  for (const [program, name] of Object.entries(packages)) {
    const { error } = spawnSync(program, ['--version'], { stdio: 'ignore' });
    if (error !== undefined) throw new Error(`${program} is missing: apt-get install ${name}`);
  }
}

/** First line that a program prints with `args`. */
export function firstLine(program: string, ...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return `${stdout}${stderr}`.trim().split('\n')[0] ?? '';
}

export interface Peer {
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts a peer on the server's core, or what serves the load on the load's; its output is dropped. */
export function startPeer(program: string, args: readonly string[], core: 'server' | 'load' = 'server'): Peer {
  const child: ChildProcess = spawn(
    'taskset',
    ['-c', String(core === 'server' ? serverCore : loadCore), program, ...args],
    {
      stdio: 'ignore',
    },
  );
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 5000);
      await exited;
      clearTimeout(late);
    },
  };
}

/** Moves a running process, its threads and its children to the server's core. */
export function pinToServerCore(pid: number): void {
  for (const one of treeOf(pid)) {
    const { status, stderr } = spawnSync('taskset', ['-a', '-p', '-c', String(serverCore), String(one)], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`taskset: ${stderr.trim()}`);
  }
}

/** User and system time of a process and all below it, in microseconds. */
export function processorMicroseconds(pid: number): number {
  return treeOf(pid).reduce((sum, one) => sum + ticksOf(one), 0) * microsecondsPerTick;
}

const microsecondsPerTick = 10_000;

function treeOf(pid: number): readonly number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name): [number, number] => [Number(name), parentOf(Number(name))]);
  const tree = [pid];
  for (const one of tree) tree.push(...parents.filter(([, parent]) => parent === one).map(([child]) => child));
  return tree;
}

export interface Memory {
  readonly nowBytes: number;
  /** Since the process began. */
  readonly mostBytes: number;
}

/** Resident memory of one process. */
export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return { nowBytes: kilobytes('VmRSS') * 1024, mostBytes: kilobytes('VmHWM') * 1024 };
}

/** A process and all below it, with their command lines. */
export const programsUnder = (pid: number): readonly { readonly pid: number; readonly command: string }[] =>
  treeOf(pid).map((one) => ({ pid: one, command: readFileSync(`/proc/${one}/cmdline`, 'utf8').replaceAll('\0', ' ') }));

/** Fields behind the command's name, which may hold anything. */
function fieldsOf(pid: number): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

const parentOf = (pid: number): number => Number(fieldsOf(pid)[1] ?? 0);

function ticksOf(pid: number): number {
  const fields = fieldsOf(pid);
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}

/** Runs the load on its core to its end and returns what it printed. */
export function runLoad(program: string, args: readonly string[], mostSeconds: number): Promise<string> {
  const child = spawn('taskset', ['-c', String(loadCore), program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const late = setTimeout(() => child.kill('SIGKILL'), mostSeconds * 1000);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      clearTimeout(late);
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ended with ${String(code)}: ${output.slice(-500)}`));
    });
  });
}
