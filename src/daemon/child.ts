// The program of a child process: waits for the supervisor's word, then is control or a worker. Outlives the supervisor: without it a
// worker serves on and control goes on telling the workers.

import { chownSync, renameSync, rmSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { createServer } from 'node:net';
import type { Commands } from '../../lb/index.ts';
import {
  createLogger,
  createMetrics,
  messageOf,
  systemClock,
  systemRandom,
  type Logger,
  type Metrics,
} from '../runtime/index.ts';
import { socketChannel } from './channel.ts';
import {
  heartbeatMs,
  workerSocketPath,
  type ChildInit,
  type ChildMessage,
  type Reconfigure,
  type SupervisorMessage,
} from './child-message.ts';
import { parseConfig, type Config, type ConfigProblem } from './config/index.ts';
import { startControl } from './control.ts';
import { connectWorkers } from './connect-workers.ts';
import { composeWorker } from './daemon.ts';
import { inheritSocket } from './inherit.ts';
import { openCommands } from './kernel-commands.ts';
import type { ControlMessage, WorkerMessage } from './message.ts';
import { dropPrivileges, handOver } from './privileges.ts';
import { registerLimits } from './process-limits.ts';
import { createWorker } from './worker.ts';

/** Time for what is under way where a signal, not the supervisor, ends this process. */
const ownDrainMs = 30_000;

/** What a child does when it is told to end or to reopen its logs. */
interface Running {
  drain(deadlineMs: number, isHandover: boolean): Promise<void>;
  reopen(): void;
  isBusy(): boolean;
  turnUnready(): void;
  retire(): void;
  reconfigure(message: Reconfigure): void;
}

const tell = (message: ChildMessage): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};

async function main(): Promise<void> {
  // A terminal's Ctrl-C reaches the whole group; the supervisor says what it means.
  process.on('SIGINT', () => undefined);
  const init = await firstMessage();
  const inbox = openInbox();
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
  const running = init.role === 'control' ? await runControl(init, config, log) : await runWorker(init, config, log);
  isBusy = () => running.isBusy();
  obey(running, inbox, log);
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

function obey(running: Running, inbox: ReturnType<typeof openInbox>, log: Logger): void {
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

function countingOrphans(metrics: Metrics): Metrics {
  const orphans = metrics.gauge('daemon_orphans', 'Processes that serve on without their supervisor.', []).cell();
  process.on('disconnect', () => (orphans.value = 1));
  return metrics;
}

async function runControl(init: ChildInit, config: Config, log: Logger): Promise<Running> {
  const control = await startControl({
    config,
    vipPlane: init.vipPlane,
    commands: commandsOf(init, config, log),
    configFile: init.configFile,
    generation: init.generation,
    edition: init.edition,
    respawned: init.respawned,
    servesAlready: init.servesAlready,
    workers: init.workers,
    sockets: init.sockets.map((socket) => ({ ...socket, ...inheritSocket(socket) })),
    failures: init.failures,
    readyTimeoutMs: init.readyTimeoutMs,
    clock: systemClock,
    random: systemRandom,
    log,
    metrics: countingOrphans(createMetrics()),
    onReady: () => tell({ type: 'ready' }),
    onPicture: () => tell({ type: 'pictured' }),
    onHopeless: () => tell({ type: 'hopeless' }),
    reload: () => tell({ type: 'reload' }),
  });
  const paths = Array.from({ length: init.workers }, (_, slot) =>
    workerSocketPath(init.directory, init.generation, slot),
  );
  const connections = connectWorkers(paths, (channel) => control.addWorker(channel), systemClock);
  flushCompileCache();
  dropPrivileges(config.user, log, (account) => {
    if (config.store?.kind === 'file') handOver(config.store.dir, account, log);
  });
  return {
    async drain(_deadlineMs, isHandover) {
      // The daemon stays: whoever asks this process last hears what the next one says.
      if (!isHandover) control.turnUnready();
      await control.stop();
      connections.stop();
    },
    reopen: () => control.reopenLogs(),
    isBusy: () => false,
    turnUnready: () => control.turnUnready(),
    retire: () => undefined,
    reconfigure: ({ edition }) => control.expect(edition),
  };
}

/** Who may program the kernel is lost with the keeper, and a process that starts as root makes another. */
function commandsOf({ vipPlane }: ChildInit, { user }: Config, log: Logger): Commands {
  return openCommands(vipPlane.plane === 'kernel' ? user : null, log, () => process.exit(1));
}

async function runWorker(init: ChildInit, config: Config, log: Logger): Promise<Running> {
  const metrics = countingOrphans(createMetrics());
  const sockets = init.sockets.map((socket) => ({ ...socket, ...inheritSocket(socket) }));
  const parts = composeWorker({
    config,
    sockets,
    addresses: init.addresses,
    vipPlane: init.vipPlane.plane,
    // With its neighbours, and with the generation that follows: that one opens them before this one closes them.
    shared: true,
    clock: systemClock,
    random: systemRandom,
    log,
    metrics,
  });
  const { slot, generation } = init;
  const worker = createWorker({
    ...parts,
    onBusy: () => tell({ type: 'busy' }),
    onStarted: () => tell({ type: 'serving' }),
    slot,
    generation,
    edition: init.edition,
    clock: systemClock,
    random: systemRandom,
    log,
    metrics,
  });
  registerLimits(metrics, `worker-${slot}`);
  const path = workerSocketPath(init.directory, generation, slot);
  // Under a name of its own first: who closes removes the name that it listened by, and another may have the path by then.
  const ownPath = `${path}.${process.pid}`;
  rmSync(ownPath, { force: true });
  const server = createServer((socket) => worker.attach(socketChannel<WorkerMessage, ControlMessage>(socket)));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(ownPath, resolve);
  });
  renameSync(ownPath, path);
  // Now, as root where it is root: whoever carries traffic must not write what the next start runs.
  flushCompileCache();
  dropPrivileges(config.user, log, ({ uid, gid }) => chownSync(path, uid, gid));
  tell({ type: 'ready' });
  return {
    async drain(deadlineMs, isHandover) {
      await worker.drain(deadlineMs, isHandover);
      server.close();
      await worker.stop();
    },
    reopen: () => parts.reopenLogs(),
    isBusy: () => worker.isBusy,
    turnUnready: () => undefined,
    retire() {
      server.close();
      worker.detach();
    },
    reconfigure: ({ edition, change }) => worker.reconfigure(edition, change),
  };
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
