// Starts a task's server: in this process, or in a process of its own.
import type { FakeClock } from './clock.ts';
import { openTaskServer } from './task-server.ts';
import { startProcessWorkload } from './workload-process.ts';
import type { Workload, WorkloadExit, WorkloadPlan } from './workload.ts';

export function startWorkload(mode: 'inline' | 'process', plan: WorkloadPlan, clock: FakeClock): Promise<Workload> {
  return mode === 'process' ? startProcessWorkload(plan) : startInlineWorkload(plan, clock);
}

async function startInlineWorkload(plan: WorkloadPlan, clock: FakeClock): Promise<Workload> {
  const server = await openTaskServer(plan);
  const { promise: exited, resolve: exit } = Promise.withResolvers<WorkloadExit>();
  let cancelGrace: (() => void) | undefined;
  return {
    pid: process.pid,
    addresses: plan.addresses,
    exited,
    setHealthy: server.setHealthy,
    stop(graceMs) {
      cancelGrace ??= clock.after(graceMs, () => {
        void server.drain(plan.stopLimitMs).then(() => {
          exit({ code: 0 });
        });
      });
    },
    kill() {
      cancelGrace?.();
      void server.reset().then(() => {
        exit({ code: 137 });
      });
    },
  };
}
