// The program of a child process: waits for the supervisor's word, then is control or a worker. Outlives the supervisor: without it a
// worker serves on and control goes on telling the workers.

import { setFlagsFromString } from 'node:v8';
import { createLogger, messageOf, type Logger } from '../runtime/index.ts';
import { heartbeatMs, type ChildInit, type SupervisorMessage } from './child-message.ts';
import { tell, type Program, type RunningChild } from './child-program.ts';
import { parseConfig, type ConfigProblem } from './config/index.ts';

/** Time for what is under way where a signal, not the supervisor, ends this process. */
const ownDrainMs = 30_000;
/** Seconds that V8 keeps pages it has emptied: of a large cluster's first picture 100 MB are empty at once. Its own choice is 8. */
const emptyPagesSeconds = 2;

async function main(): Promise<void> {
  setFlagsFromString(`--memory-pool-timeout=${emptyPagesSeconds}`);
  // A terminal's Ctrl-C reaches the whole group; the supervisor says what it means.
  process.on('SIGINT', () => undefined);
  const inbox = openInbox();
  const [init, run] = await Promise.all([firstMessage(), programOf(process.env['ISTHMUS_ROLE'])]);
  const { config, problems } = parseConfig(init.configText, init.configFile);
  if (config === null) throw new Error(`what the configuration names has changed since it was read: ${said(problems)}`);
  const log = createLogger(config.log).child(
    init.role === 'worker' ? { role: init.role, slot: init.slot } : { role: init.role },
  );
  process.on('uncaughtException', (error) => {
    log.error(
      { error: messageOf(error), stack: error.stack },
      'bug: uncaught exception; this process ends and a new one takes over',
    );
    endFor(messageOf(error));
  });
  let isBusy = (): boolean => false;
  setInterval(() => tell({ type: isBusy() ? 'busy' : 'alive' }), heartbeatMs).unref();
  const running = await run(init, config, log);
  isBusy = () => running.isBusy();
  obey(running, inbox, log);
}

/** Loaded while the supervisor has yet to say a word; neither needs the modules of the other. */
function programOf(role: string | undefined): Promise<Program> {
  return role === 'control'
    ? import('./run-control.ts').then(({ runControl }) => runControl)
    : import('./run-worker.ts').then(({ runWorker }) => runWorker);
}

/** What a process that comes later cannot find any more, such as a file of a secret: named, so that it can be put back. */
function said(problems: readonly ConfigProblem[]): string {
  const errors = problems.filter((problem) => problem.severity === 'error');
  return errors.map(({ line, path, message, remedy }) => `line ${line}, ${path}: ${message}; ${remedy}`).join(' | ');
}

/** Keeps what is said until there is somebody to hear it. */
function openInbox(): (hear: (message: SupervisorMessage) => void) => void {
  const early: SupervisorMessage[] = [];
  let hear = (message: SupervisorMessage): void => void early.push(message);
  process.on('message', (message: SupervisorMessage) => hear(message));
  return (hearer) => {
    hear = hearer;
    early.forEach(hearer);
  };
}

function obey(running: RunningChild, inbox: ReturnType<typeof openInbox>, log: Logger): void {
  let ending = false;
  const end = (deadlineMs: number, isHandover: boolean): void => {
    ending = true;
    void running.drain(deadlineMs, isHandover).then(() => process.exit(0));
  };
  inbox((message) => {
    if (message.type === 'drain') end(message.deadlineMs, message.isHandover);
    if (message.type === 'reconfigure') running.reconfigure(message);
    if (message.type === 'reopen') running.reopen();
    if (message.type === 'retire') running.retire();
    if (message.type === 'unready') running.turnUnready();
  });
  // Without a supervisor it is a successor that says so: the addresses are wanted at once.
  process.on('SIGTERM', () => end(ownDrainMs, !process.connected));
  process.on('disconnect', () => {
    if (ending) return;
    log.error({}, 'supervisor is gone; serving on without it: restart the daemon when it suits you');
    process.on('SIGINT', () => end(ownDrainMs, false));
  });
}

function firstMessage(): Promise<ChildInit> {
  return new Promise((resolve, reject) => {
    process.once('message', (message: SupervisorMessage) => {
      if (message.type === 'init') resolve(message);
      else reject(new Error(`the supervisor's first message is "${message.type}"`));
    });
  });
}

/** The supervisor is told why, where there is one and it hears in time. */
function endFor(reason: string): void {
  setTimeout(() => process.exit(1), 200);
  if (process.connected) process.send?.({ type: 'failed', reason }, undefined, undefined, () => process.exit(1));
  else process.exit(1);
}

main().catch((error: unknown) => {
  process.stderr.write(
    `${JSON.stringify({ level: 'error', pid: process.pid, msg: `process cannot start: ${messageOf(error)}` })}\n`,
  );
  endFor(messageOf(error));
});
