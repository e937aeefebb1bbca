// Runs the checks that Marathon itself makes, health and readiness, against the task's real server.
import type { FakeCluster } from './cluster.ts';
import type { App, AppCheck } from './marathon-app.ts';
import type { CheckResult, Instance } from './marathon-records.ts';
import { probe } from './mesos-checks.ts';
import type { Probe, ProbeResult } from './mesos-checks.ts';

interface CheckSubject {
  readonly cluster: FakeCluster;
  readonly app: App;
  readonly instance: Instance;
}

export interface CheckVerdict {
  readonly index: number;
  readonly check: AppCheck;
  readonly result: CheckResult;
  readonly changed: boolean;
}

// Marathon reaches a task from outside: on its host port, else at its container's address.
function targetOf({ cluster, instance }: CheckSubject, check: AppCheck): Probe | undefined {
  const placement = cluster.placement(instance.taskIds[0] ?? '');
  const placed = placement.ports[check.portIndex ?? 0];
  const onAgent = placed?.hostPort !== undefined;
  const host = onAgent ? placement.agentIp : (placement.addresses[0]?.ipv4 ?? placement.agentIp);
  const port = check.port ?? (onAgent ? placed.hostPort : placed?.containerPort);
  if (port === undefined) return undefined;
  const path = check.protocol === 'TCP' ? {} : { path: check.path ?? '/' };
  return { host, port, timeoutMs: (check.timeoutSeconds ?? 20) * 1000, ...path };
}

export function nextResult(before: CheckResult | undefined, found: ProbeResult, nowMs: number): CheckResult {
  const now = new Date(nowMs).toISOString();
  if (found.alive)
    return {
      ...before,
      alive: true,
      consecutiveFailures: 0,
      firstSuccess: before?.firstSuccess ?? now,
      lastSuccess: now,
    };
  const cause = found.cause === undefined ? {} : { lastFailureCause: found.cause };
  return {
    ...before,
    alive: false,
    consecutiveFailures: (before?.consecutiveFailures ?? 0) + 1,
    lastFailure: now,
    ...cause,
  };
}

export function watchHealth(
  subject: CheckSubject,
  index: number,
  check: AppCheck,
  told: (verdict: CheckVerdict) => void,
): () => void {
  const { cluster, instance } = subject;
  const startedMs = cluster.clock.now();
  const round = async (): Promise<void> => {
    const target = targetOf(subject, check);
    const found = target === undefined || cluster.workloads === 'none' ? { alive: true } : await probe(target);
    const before = instance.checks.get(index);
    // In its grace a task that was never alive has no result yet.
    const inGrace = before === undefined && cluster.clock.now() - startedMs < (check.gracePeriodSeconds ?? 300) * 1000;
    if (stopped || (!found.alive && inGrace)) return;
    const result = nextResult(before, found, cluster.clock.now());
    instance.checks.set(index, result);
    told({ index, check, result, changed: before?.alive !== result.alive });
  };
  let stopped = false;
  const stop = repeat(subject, check.intervalSeconds ?? 60, async () => {
    await round();
    return false;
  });
  return () => {
    stopped = true;
    stop();
  };
}

export function watchReadiness(subject: CheckSubject, told: () => void): () => void {
  const { app, cluster, instance } = subject;
  const [check] = app.readinessChecks ?? [];
  if (check === undefined || cluster.workloads === 'none') {
    instance.ready = true;
    return () => undefined;
  }
  const ports = app.container?.portMappings ?? app.portDefinitions ?? [];
  const portIndex = Math.max(
    0,
    ports.findIndex(({ name }) => name === (check.portName ?? 'http-api')),
  );
  const timeout = check.timeoutSeconds === undefined ? {} : { timeoutSeconds: check.timeoutSeconds };
  return repeat(subject, check.intervalSeconds ?? 30, async () => {
    const target = targetOf(subject, { protocol: 'HTTP', path: check.path ?? '/', portIndex, ...timeout });
    instance.ready = target !== undefined && (await probe(target)).alive;
    told();
    return instance.ready;
  });
}

// Now and then every so many seconds, until it says that it is done.
function repeat({ cluster }: CheckSubject, seconds: number, round: () => Promise<boolean>): () => void {
  let stopped = false;
  let cancel: (() => void) | undefined;
  const again = async (): Promise<void> => {
    const done = await round();
    if (!stopped && !done) cancel = cluster.clock.after(seconds * 1000, () => void again());
  };
  void again();
  return () => {
    stopped = true;
    cancel?.();
  };
}
