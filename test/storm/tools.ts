// wrk and h2load beside the storm's own clients, in rounds, where the machine has them. They know no moment of a failure, so a round's
// failures count by what happened during the round.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { patient } from './patience.ts';
import type { Loss, Targets } from './targets.ts';

const roundSeconds = 6;

/** Pieces of work of one round, and failures in the tool's words. */
interface Round {
  readonly done: number;
  readonly failures: readonly string[];
}

interface Tool {
  readonly kind: string;
  args(targets: Targets, folder: string): readonly string[];
  read(output: string): Round;
}

export interface ToolRun {
  readonly kind: string;
  readonly done: number;
  readonly rounds: number;
  readonly losses: readonly Loss[];
  /** The tool is not here. */
  readonly missing: boolean;
}

const tools: readonly Tool[] = [
  {
    kind: 'wrk',
    args({ http, host }, folder) {
      const script = join(folder, 'pace.lua');
      writeFileSync(script, 'function delay() return 40 end\n');
      const url = `http://127.0.0.1:${http}/`;
      return [
        '-t1',
        '-c4',
        `-d${roundSeconds}s`,
        '--timeout',
        `${patient(15)}s`,
        '-s',
        script,
        '-H',
        `Host: ${host}`,
        url,
      ];
    },
    read(output) {
      const [, connects = 0, , writes = 0, timeouts = 0] = (
        /connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output) ?? []
      ).map(Number);
      const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0);
      // It calls each end of a connection a read error, also the polite one after `Connection: close`.
      const failures = Object.entries({ connect: connects, write: writes, timeout: timeouts, 'other than 2xx': bad });
      return {
        done: Number(/(\d+) requests in/.exec(output)?.[1] ?? 0),
        failures: failures.filter(([, number]) => number > 0).map(([what, number]) => `${number} × ${what}`),
      };
    },
  },
  {
    kind: 'h2load',
    args({ https, host }) {
      const url = `https://${host}:${https}/`;
      return ['-D', String(roundSeconds), '-c', '2', '-m', '4', '--rps', '25', `--connect-to=127.0.0.1:${https}`, url];
    },
    read(output) {
      const [, done = 0] = (/(\d+) done/.exec(output) ?? []).map(Number);
      const [, , , , server = 0] = (/(\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(output) ?? []).map(Number);
      return { done, failures: server > 0 ? [`${server} × 5xx`] : [] };
    },
  },
];

/** Commands. */
export const toolNames: readonly string[] = tools.map(({ kind }) => kind);

/** Goes round by round until `isOver`. */
export function runTools(targets: Targets, isOver: () => boolean): Promise<readonly ToolRun[]> {
  return Promise.all(tools.map((tool) => runRounds(tool, targets, isOver)));
}

async function runRounds(tool: Tool, targets: Targets, isOver: () => boolean): Promise<ToolRun> {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-storm-'));
  const losses: Loss[] = [];
  let [done, rounds] = [0, 0];
  try {
    for (; !isOver(); rounds++) {
      const from = Date.now();
      const output = await outputOf(tool.kind, tool.args(targets, folder));
      if (output === null) return { kind: tool.kind, done, rounds, losses, missing: true };
      const round = tool.read(output);
      done += round.done;
      for (const what of round.failures) losses.push({ kind: tool.kind, from, until: Date.now(), what });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { kind: tool.kind, done, rounds, losses, missing: false };
}

/** What it prints; null: it cannot be started. */
function outputOf(program: string, args: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const late = setTimeout(() => child.kill('SIGKILL'), patient((roundSeconds + 30) * 1000));
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.once('error', () => resolve(null));
    child.once('close', () => {
      clearTimeout(late);
      resolve(output);
    });
  });
}
