// Runs the tools that talk to the kernel: `nft`, `conntrack`, `ip`. One process for each call: it costs a few milliseconds, holds nothing
// that could go stale, and is the same on every machine (specs/l4lb.md §4.6: the host's own nft, one version).

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Outcome {
  /** Exit code; null: it could not be started, or was ended for taking too long. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export type Tool = 'nft' | 'conntrack' | 'ip';

/** Starts tools. The one for a daemon that gives up its privileges asks a process that kept them. */
export interface Commands {
  /** Never rejects. `input` goes to its stdin. */
  run(tool: Tool, args: readonly string[], input?: string): Promise<Outcome>;
  /** A tool that goes on and on: `onLine` for each line, `onEnd` once, asked for or not. */
  follow(tool: Tool, args: readonly string[], onLine: (line: string) => void, onEnd: () => void): { close(): void };
}

const deadlineMs = 60_000;

/** Daemons often have no sbin in their path. */
const environment = (): NodeJS.ProcessEnv => ({
  PATH: `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`,
  LC_ALL: 'C',
});

export const directCommands: Commands = {
  run: (tool, args, input) =>
    new Promise((resolve) => {
      const child = spawn(tool, args, { stdio: ['pipe', 'pipe', 'pipe'], env: environment() });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      const late = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
      const end = (code: number | null, reason = ''): void => {
        clearTimeout(late);
        const stderr = Buffer.concat(err).toString() + reason;
        resolve({ code, stdout: Buffer.concat(out).toString(), stderr });
      };
      child.stdout.on('data', (part: Buffer) => out.push(part));
      child.stderr.on('data', (part: Buffer) => err.push(part));
      child.once('error', (error) => end(null, `${tool} cannot be started: ${error.message}`));
      child.once('close', (code, signal) => end(code, signal === null ? '' : `${tool} was ended by ${signal}`));
      // A tool that ends early breaks the pipe; its exit code says why.
      child.stdin.on('error', () => undefined);
      child.stdin.end(input ?? '');
    }),
  follow(tool, args, onLine, onEnd) {
    // It must not outlive a process that was killed: nobody would end it.
    const command = ['--pdeathsig', 'TERM', '--', tool, ...args];
    const child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'ignore'], env: environment() });
    createInterface({ input: child.stdout }).on('line', onLine);
    let ended = false;
    const end = (): void => {
      if (!ended) onEnd();
      ended = true;
    };
    child.once('error', end);
    child.once('close', end);
    return { close: () => void child.kill() };
  },
};
