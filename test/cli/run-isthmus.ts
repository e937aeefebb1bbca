// Runs bin/isthmus.js as a real child process, and gives back what it printed and how it ended.

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';

const launcher = join(dirname(dirname(import.meta.dirname)), 'bin/isthmus.js');
const deadlineMs = 20_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function runIsthmus(args: readonly string[], { input = '', env = {} }: RunOptions = {}): Promise<Ended> {
  const { ISTHMUS_TOKEN: _, ...inherited } = process.env;
  const child = spawn(process.execPath, [launcher, ...args], {
    env: { ...inherited, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: deadlineMs,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A command that reads no input may be gone before this is written.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
