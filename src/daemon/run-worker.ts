// A worker as the program of a process: listens for control on a unix socket of its own.

import { chownSync, renameSync, rmSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { createServer } from 'node:net';
import { createMetrics, systemClock, systemRandom, type Logger } from '../runtime/index.ts';
import { socketChannel } from './channel.ts';
import { workerSocketPath, type ChildInit } from './child-message.ts';
import { countingOrphans, tell, type RunningChild } from './child-program.ts';
import { composeWorker } from './compose-worker.ts';
import type { Config } from './config/index.ts';
import { inheritSocket } from './inherit.ts';
import type { ControlMessage, WorkerMessage } from './message.ts';
import { dropPrivileges } from './privileges.ts';
import { registerLimits } from './process-limits.ts';
import { createWorker } from './worker.ts';

export async function runWorker(init: ChildInit, config: Config, log: Logger): Promise<RunningChild> {
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
