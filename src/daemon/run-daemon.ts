// The daemon from its configuration file to its exit code: checks the file, starts supervisor or single process, obeys signals.

import { readFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { createLogger, messageOf, systemClock, systemRandom, type Logger } from '../runtime/index.ts';
import { parseConfig } from './config/index.ts';
import { workerCount } from './listener-plan.ts';
import { createNotices } from './notices.ts';
import { takePassedSockets } from './passed-sockets.ts';
import { describeShortage, readLimits } from './process-limits.ts';

export interface RunOptions {
  readonly configFile: string;
  /** Without a cluster and without a saved picture of it for so long, the daemon gives up unless something serves. */
  readonly readyTimeoutMs: number;
}

/** What signals do to a running daemon, whichever its process model. */
export interface RunningDaemon {
  /** The exit code, once everything has ended. */
  readonly exited: Promise<number>;
  /** Drain, then end; called again: end now. */
  stop(): void;
  reload(): void;
  upgrade(): void;
  reopenLogs(): void;
}

/** Runs until a signal ends it. Resolves to the exit code: 0 ended as told, 1 could not serve, 2 the configuration has mistakes. */
export async function runDaemon(options: RunOptions): Promise<number> {
  let text: string;
  try {
    text = readFileSync(options.configFile, 'utf8');
  } catch (error) {
    process.stderr.write(`isthmus: cannot read the configuration ${options.configFile}: ${messageOf(error)}\n`);
    return 2;
  }
  const { config, problems } = parseConfig(text, options.configFile);
  for (const { line, path, message, remedy } of problems)
    process.stderr.write(`${options.configFile}:${line}: ${path}: ${message}; ${remedy}\n`);
  if (config === null) return 2;
  const log = createLogger(config.log);
  process.on('uncaughtException', (error) => {
    log.error({ error: messageOf(error), stack: error.stack }, 'bug: uncaught exception; the daemon ends');
    process.exit(1);
  });
  const common = { ...options, config, configText: text, clock: systemClock, random: systemRandom, log };
  if (process.getuid?.() === 0 && config.user === null)
    log.warn({}, 'every process runs as root; set user: to an account that they become once the sockets are bound');
  const shortage = describeShortage(config, readLimits().openFilesLimit);
  if (shortage !== null) log.warn({}, shortage);
  const notices = createNotices(process.env, systemClock, log);
  const passed = takePassedSockets(process.env, log);
  const isSingle = workerCount(config) === 0;
  if (isSingle) passed.claim([]);
  const daemon = isSingle
    ? await import('./single.ts').then(({ startSingle }) => startSingle(common))
    : await import('./supervisor.ts').then(({ startSupervisor }) => startSupervisor({ ...common, passed, notices }));
  obeySignals(daemon, log);
  // A process that is killed would leave nothing for the next one.
  flushCompileCache();
  if (process.env['ISTHMUS_END_WITH_STDIN'] === '1') process.stdin.once('end', () => daemon.stop()).resume();
  return daemon.exited.finally(() => notices.close());
}

function obeySignals(daemon: RunningDaemon, log: Logger): void {
  const on = (signal: NodeJS.Signals, act: () => void): void => {
    process.on(signal, () => {
      log.info({ signal }, 'signal received');
      act();
    });
  };
  on('SIGTERM', () => daemon.stop());
  on('SIGINT', () => daemon.stop());
  on('SIGHUP', () => daemon.reload());
  on('SIGUSR1', () => daemon.reopenLogs());
  on('SIGUSR2', () => daemon.upgrade());
}
