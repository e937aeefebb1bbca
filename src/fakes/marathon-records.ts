// What a fake Marathon keeps: run specs, their instances, and deployments.
import type { App } from './marathon-app.ts';
import type { Pod } from './marathon-pod.ts';

export interface CheckResult {
  readonly alive: boolean;
  readonly consecutiveFailures: number;
  readonly firstSuccess?: string;
  readonly lastSuccess?: string;
  readonly lastFailure?: string;
  readonly lastFailureCause?: string;
}

export interface Instance {
  readonly id: string;
  readonly taskIds: readonly string[];
  // Version of the definition it runs, and of the last change that makes instances outdated.
  readonly version: string;
  readonly configVersion: string;
  readonly stagedAtMs: number;
  // Its order among all instances: stagedAt may be equal.
  readonly order: number;
  startedAtMs: number | undefined;
  killing: boolean;
  // Unreachable for long enough that it is replaced.
  inactive: boolean;
  condition: string;
  healthy: boolean | undefined;
  ready: boolean;
  // By index of the definition's health checks.
  readonly checks: Map<number, CheckResult>;
  readonly stops: (() => void)[];
}

interface TaskFailure {
  readonly appId: string;
  readonly host: string;
  readonly message: string;
  readonly slaveId: string;
  readonly state: string;
  readonly taskId: string;
  readonly timestamp: string;
  readonly version: string;
}

export interface RunRecord {
  readonly id: string;
  app: App | undefined;
  pod: Pod | undefined;
  target: number;
  configVersion: string;
  removed: boolean;
  instances: Instance[];
  readonly versions: string[];
  failures: number;
  notBeforeMs: number;
  lastFailure: TaskFailure | undefined;
}

export interface Deployment {
  readonly id: string;
  readonly version: string;
  readonly recordId: string;
  readonly isPod: boolean;
  readonly action: 'StartApplication' | 'ScaleApplication' | 'RestartApplication' | 'StopApplication';
  // Resolves when what was asked for runs; rejects when another deployment took its place.
  readonly done: Promise<void>;
}

export function versionOf(record: RunRecord): string {
  return record.app?.version ?? record.pod?.version ?? '';
}

export function planOf(deployment: Deployment): Record<string, unknown> {
  const step = stepOf(deployment);
  return { id: deployment.id, steps: [step], version: deployment.version };
}

export function stepOf({ action, recordId, isPod }: Deployment): Record<string, unknown> {
  return { actions: [{ action, [isPod ? 'pod' : 'app']: recordId }] };
}
