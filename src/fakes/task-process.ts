// One task's process: opens its servers, drains on SIGTERM after the grace it was told, and dies when its parent does.
import { openTaskServer } from './task-server.ts';
import type { FromTask, ToTask } from './workload-process.ts';
import type { WorkloadPlan } from './workload.ts';

const plan = JSON.parse(process.argv[2] ?? '{}') as WorkloadPlan;
const TELL_WAIT_MS = 100;

function tellParent(message: FromTask): void {
  process.send?.(message);
}

// SIGTERM may overtake the message with the grace.
let graceMs: number | undefined;
let terminated = false;

try {
  const server = await openTaskServer(plan);
  const drainAfter = (ms: number): void => {
    setTimeout(() => {
      void server.drain(plan.stopLimitMs).then(() => process.exit(0));
    }, ms);
  };
  process.on('message', (message: ToTask) => {
    if ('healthy' in message) server.setHealthy(message.healthy);
    else graceMs = message.graceMs;
  });
  process.on('SIGTERM', () => {
    if (terminated) return;
    terminated = true;
    if (graceMs !== undefined) drainAfter(graceMs);
    else
      setTimeout(() => {
        drainAfter(Math.max(0, (graceMs ?? 0) - TELL_WAIT_MS));
      }, TELL_WAIT_MS);
  });
  process.on('disconnect', () => process.exit(1));
  tellParent({ ready: true });
} catch (error) {
  tellParent({ failed: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
  process.disconnect?.();
}
