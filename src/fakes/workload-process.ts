// A task as a process of its own, so that SIGTERM, drain and kill -9 are the real thing.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Workload, WorkloadExit, WorkloadPlan } from './workload.ts';

export type ToTask = { readonly healthy: boolean } | { readonly graceMs: number };
export type FromTask = { readonly ready: true } | { readonly failed: string };

const SCRIPT = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './task-process.ts' : './task-process.js', import.meta.url),
);
const SIGKILL_CODE = 137;

export async function startProcessWorkload(plan: WorkloadPlan): Promise<Workload> {
  const child = fork(SCRIPT, [JSON.stringify(plan)], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const exited = new Promise<WorkloadExit>((resolve) => {
    child.once('exit', (code) => {
      resolve({ code: code ?? SIGKILL_CODE });
    });
  });
  await ready(child);
  const tell = (message: ToTask): void => {
    if (child.connected) child.send(message);
  };
  let limit: NodeJS.Timeout | undefined;
  void exited.then(() => {
    clearTimeout(limit);
  });
  return {
    pid: child.pid ?? 0,
    addresses: plan.addresses,
    exited,
    setHealthy(healthy) {
      tell({ healthy });
    },
    stop(graceMs) {
      if (limit !== undefined) return;
      // The grace travels first: the signal itself carries none.
      tell({ graceMs });
      child.kill('SIGTERM');
      limit = setTimeout(() => child.kill('SIGKILL'), graceMs + 2 * plan.stopLimitMs);
    },
    kill() {
      child.kill('SIGKILL');
    },
  };
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('message', (message: FromTask) => {
      if ('failed' in message) reject(new Error(message.failed));
      else resolve();
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      reject(new Error(`Task process ended before it listened: ${String(code ?? signal)}`));
    });
  });
}
