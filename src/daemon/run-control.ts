// Control as the program of a process.

import { flushCompileCache } from 'node:module';
import type { Commands } from '../../lb/index.ts';
import { createMetrics, systemClock, systemRandom, type Logger } from '../runtime/index.ts';
import { workerSocketPath, type ChildInit } from './child-message.ts';
import { countingOrphans, tell, type RunningChild } from './child-program.ts';
import type { Config } from './config/index.ts';
import { connectWorkers } from './connect-workers.ts';
import { startControl } from './control.ts';
import { inheritSocket } from './inherit.ts';
import { openCommands } from './kernel-commands.ts';
import { dropPrivileges, handOver } from './privileges.ts';

export async function runControl(init: ChildInit, config: Config, log: Logger): Promise<RunningChild> {
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
