// A daemon started by a parent of one's own: with sockets passed, under another program, with a socket for its notices.

import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { eventually } from './cluster.ts';
import { isthmus } from './daemon.ts';

export type Line = Readonly<Record<string, unknown>>;

export interface PassedDaemon {
  readonly child: ChildProcess;
  line(accept: (line: Line) => boolean): Promise<Line>;
  /** Where it listens, of its first ready line. */
  listeners(): Promise<Readonly<Record<string, readonly string[]>>>;
  stop(): Promise<number | null>;
}

export interface PassedOptions {
  /** Commands in front of the daemon's own. */
  readonly under?: readonly string[];
  /** Descriptors for 3 and on. */
  readonly sockets?: readonly number[];
  readonly env?: NodeJS.ProcessEnv;
}

/** A daemon that needs no cluster; `config` is the rest of its YAML. */
export function startPassed(directory: string, config: string, options: PassedOptions = {}): PassedDaemon {
  const { under = [], sockets = [], env = {} } = options;
  const file = join(directory, 'isthmus.yaml');
  const state = join(directory, 'state.json');
  writeFileSync(state, JSON.stringify({ leader: 'master@10.0.0.1:5050', slaves: [], frameworks: [] }));
  writeFileSync(file, `cluster: [{ file: { path: ${JSON.stringify(state)} } }]\n${config}`);
  const [command = '', ...args] = [...under, process.execPath, isthmus, 'run', '--config', file];
  const child = spawn(command, args, {
    stdio: ['ignore', 'inherit', 'pipe', ...sockets],
    env: { ...process.env, ...env },
  });
  const log: Line[] = [];
  if (child.stderr === null) throw new Error('no stderr');
  createInterface({ input: child.stderr }).on('line', (text) => log.push(parse(text)));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const line = async (accept: (line: Line) => boolean): Promise<Line> => {
    const look = (): Promise<Line | undefined> => {
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${JSON.stringify(log)}`);
      return Promise.resolve(log.find(accept));
    };
    const found = await eventually('log line', 45_000, look, (one) => one !== undefined).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(log)}`);
    });
    return found ?? {};
  };
  return {
    child,
    line,
    async listeners() {
      const ready = await line((one) => one['msg'] === 'ready');
      return ready['listeners'] as Readonly<Record<string, readonly string[]>>;
    },
    stop() {
      child.kill('SIGTERM');
      return exited;
    },
  };
}

function parse(text: string): Line {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return { msg: text };
  }
}

/** A back end that answers `web`; its URL. */
export async function serveWeb(atEnd: (end: () => void) => void): Promise<string> {
  const server = createServer((_request, response) => response.end('web'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
