// What control and worker are to the process that they run in, and what both do of it.

import type { Logger, Metrics } from '../runtime/index.ts';
import type { ChildInit, ChildMessage, Reconfigure } from './child-message.ts';
import type { Config } from './config/index.ts';

export type Program = (init: ChildInit, config: Config, log: Logger) => Promise<RunningChild>;

/** What a child does when it is told to end or to reopen its logs. */
export interface RunningChild {
  drain(deadlineMs: number, isHandover: boolean): Promise<void>;
  reopen(): void;
  isBusy(): boolean;
  turnUnready(): void;
  retire(): void;
  reconfigure(message: Reconfigure): void;
}

/** Tells the supervisor, where there is one. */
export function tell(message: ChildMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

export function countingOrphans(metrics: Metrics): Metrics {
  const orphans = metrics.gauge('daemon_orphans', 'Processes that serve on without their supervisor.', []).cell();
  process.on('disconnect', () => (orphans.value = 1));
  return metrics;
}
