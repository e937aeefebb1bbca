// The contract of a launched task's real server. States: open → stopping (grace) → exited.
import type { ServeKind } from './task-spec.ts';

export type WorkloadMode = 'none' | 'inline' | 'process';

export interface WorkloadAddress {
  readonly host: string;
  readonly port: number;
  readonly serve: Exclude<ServeKind, 'none'>;
}

export interface WorkloadPlan {
  readonly taskId: string;
  readonly app: string;
  readonly agent: string;
  readonly addresses: readonly WorkloadAddress[];
  // How long requests in flight may take after the grace before they are cut.
  readonly stopLimitMs: number;
}

export interface WorkloadExit {
  // As a shell counts: 0 after a clean end, 137 after kill -9.
  readonly code: number;
}

export interface Workload {
  readonly pid: number;
  readonly addresses: readonly WorkloadAddress[];
  // Resolves once every socket is closed, whatever ended it.
  readonly exited: Promise<WorkloadExit>;
  setHealthy(healthy: boolean): void;
  // SIGTERM: goes on accepting for graceMs, then finishes what is in flight and exits.
  stop(graceMs: number): void;
  // kill -9: every socket is reset at once.
  kill(): void;
}
