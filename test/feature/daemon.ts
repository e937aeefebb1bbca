// A daemon as users run it, for tests of promises: bin/isthmus.js with a configuration, the ready line awaited, ended at the test's end.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const isthmus = fileURLToPath(new URL('../../bin/isthmus.js', import.meta.url));

export interface ReadyLine {
  readonly msg: 'ready';
  readonly degraded: readonly string[];
  readonly source: string;
  readonly generation: number;
  readonly pid: number;
  readonly listeners: Readonly<Record<string, readonly string[] & Readonly<Record<string, string>>>>;
}

export interface RunningDaemon {
  readonly child: ChildProcess;
  readonly ready: ReadyLine;
  readonly directory: string;
  readonly log: readonly Readonly<Record<string, unknown>>[];
  /** `host:port` of the first listener of a function. */
  address(key: string): string;
  port(key: string): number;
  /** GET on the admin address. */
  get(path: string): Promise<string>;
  json<T>(path: string): Promise<T>;
  /** Asks until `accept` says yes; fails after 20 seconds with the last answer. */
  until<T>(path: string, accept: (answer: T) => boolean): Promise<T>;
  /** The next log line that `accept` takes, from now on or already there. */
  line(accept: (line: Readonly<Record<string, unknown>>) => boolean): Promise<Readonly<Record<string, unknown>>>;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

// Long enough for a machine that does much else; whoever waits goes on at once when it is there.
const patienceMs = 45_000;
/** Sessions are logged too. */
const linesShown = 80;

/** Starts the daemon and waits for its ready line. `config` is YAML; `{dir}` in it is a directory of its own. */
export async function startDaemon(
  config: string,
  options: { readonly args?: readonly string[]; readonly patienceMs?: number; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<RunningDaemon> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-test-'));
  const file = join(directory, 'isthmus.yaml');
  writeFileSync(file, config.replaceAll('{dir}', directory));
  const child = spawn(process.execPath, [isthmus, 'run', '--config', file, ...(options.args ?? [])], {
    stdio: ['pipe', 'inherit', 'pipe'],
    env: { ...process.env, ISTHMUS_END_WITH_STDIN: '1', ...options.env },
  });
  const log: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stderr }).on('line', (text) => {
    log.push(parseLine(text));
    for (const wake of waiting) wake();
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  void exited.then(() => [...waiting].forEach((wake) => wake()));
  const line = async (
    accept: (line: Readonly<Record<string, unknown>>) => boolean,
  ): Promise<Record<string, unknown>> => {
    const deadline = Date.now() + (options.patienceMs ?? patienceMs);
    for (;;) {
      const found = log.find(accept);
      if (found !== undefined) return found;
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(
          `no such line among the last of:\n${log
            .slice(-linesShown)
            .map((one) => JSON.stringify(one))
            .join('\n')}`,
        );
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        const wake = (): void => {
          clearTimeout(timer);
          waiting.delete(wake);
          resolve();
        };
        waiting.add(wake);
      });
    }
  };
  const ready = (await line((one) => one['msg'] === 'ready').catch((error: unknown) => {
    // The supervisor takes its children along; killed, it would leave them.
    child.kill('SIGTERM');
    throw error;
  })) as unknown as ReadyLine;
  const address = (key: string): string => {
    const found = ready.listeners[key]?.[0];
    if (found === undefined) throw new Error(`no listener ${key} in ${JSON.stringify(ready.listeners)}`);
    return found;
  };
  const get = (path: string): Promise<string> => getText(`http://${address('admin')}${path}`);
  const json = async <T>(path: string): Promise<T> =>
    JSON.parse(await getText(`http://${address('admin')}${path}`, 'application/json')) as T;
  return {
    child,
    ready,
    directory,
    log,
    address,
    port: (key) => Number(address(key).split(':').at(-1)),
    get,
    json,
    async until<T>(path: string, accept: (answer: T) => boolean) {
      const deadline = Date.now() + 20_000;
      for (;;) {
        const answer = await json<T>(path);
        if (accept(answer)) return answer;
        if (Date.now() > deadline) throw new Error(`${path} stayed at ${JSON.stringify(answer, null, 1)}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    line,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), patienceMs);
      const code = await exited;
      clearTimeout(late);
      rmSync(directory, { recursive: true, force: true });
      return code;
    },
  };
}

/** On a connection of its own: a kept one may be closed by a daemon that changes its generation. */
function getText(url: string, accept = '*/*'): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent: false, headers: { accept }, timeout: 10_000 }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => resolve(Buffer.concat(parts).toString()));
    });
    call.on('timeout', () => call.destroy(new Error(`${url} did not answer in time`)));
    call.on('error', reject);
    call.end();
  });
}

function parseLine(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { msg: text };
  }
}
