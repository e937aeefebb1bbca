// What systemd is told about the daemon (sd_notify(3)): ready, reloading, stopping, a line of status, and that it is alive. Node has no unix
// datagrams, so each notice is a run of systemd-notify, one at a time; without NOTIFY_SOCKET there is nobody to tell.

import { spawn } from 'node:child_process';
import { messageOf, type Clock, type Logger, type Timer } from '../runtime/index.ts';

/** `systemd-notify` ends when systemd has taken its word. */
const patienceMs = 10_000;

export interface Notices {
  /** Also at the end of a reload, whatever came of it: `status` says. */
  ready(status: string): void;
  reloading(status: string): void;
  stopping(status: string): void;
  /** No sign of life from now on. */
  close(): void;
}

const silent: Notices = {
  ready: () => undefined,
  reloading: () => undefined,
  stopping: () => undefined,
  close: () => undefined,
};

/** `env`: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, and `ISTHMUS_MAIN_PID` where a launcher stands between systemd and this process. */
export function createNotices(env: NodeJS.ProcessEnv, clock: Clock, log: Logger): Notices {
  if ((env['NOTIFY_SOCKET'] ?? '') === '') return silent;
  const mainPid = env['ISTHMUS_MAIN_PID'] ?? String(process.pid);
  let last: Promise<void> = Promise.resolve();
  let isBroken = false;
  const tell = (...words: readonly string[]): void => {
    last = last.then(async () => {
      const problem = await runNotify(words, clock);
      if (problem === null || isBroken) return;
      isBroken = true;
      log.error({ reason: problem }, 'systemd cannot be told how the daemon is (systemd-notify fails)');
    });
  };
  const alive = keepAlive(env, clock, () => tell('WATCHDOG=1'));
  return {
    ready: (status) => tell('READY=1', `MAINPID=${mainPid}`, `STATUS=${status}`),
    reloading: (status) => tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`, `STATUS=${status}`),
    stopping: (status) => tell('STOPPING=1', `STATUS=${status}`),
    close: () => alive.cancel(),
  };
}

/** A sign of life in half the time that systemd waits for one; none where it does not. */
function keepAlive(env: NodeJS.ProcessEnv, clock: Clock, beat: () => void): { cancel(): void } {
  const watchdogMs = Number(env['WATCHDOG_USEC'] ?? 0) / 1000;
  let timer: Timer | null = null;
  const next = (): void => {
    timer = clock.after(watchdogMs / 2, () => {
      beat();
      next();
    });
  };
  if (watchdogMs > 0) next();
  return { cancel: () => timer?.cancel() };
}

/** Null: told; else why not. */
function runNotify(words: readonly string[], clock: Clock): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn('systemd-notify', words, { stdio: ['ignore', 'ignore', 'pipe'] });
    const late = clock.after(patienceMs, () => child.kill('SIGKILL'));
    let said = '';
    child.stderr.on('data', (part: Buffer) => (said += part.toString()));
    const end = (reason: string | null): void => {
      late.cancel();
      resolve(reason);
    };
    child.once('error', (error) => end(messageOf(error)));
    child.once('close', (code) => end(code === 0 ? null : said.trim() || `exit code ${code}`));
  });
}
