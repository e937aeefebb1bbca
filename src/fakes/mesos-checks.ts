// Runs the health checks that Mesos's executors would run, against the task's real server.
import http from 'node:http';
import net from 'node:net';
import type { FakeClock } from './clock.ts';
import type { HealthCheck, Task } from './mesos-shapes.ts';
import type { Placement } from './placement.ts';

export interface Probe {
  readonly host: string;
  readonly port: number;
  // Undefined probes by connecting alone.
  readonly path?: string;
  readonly timeoutMs: number;
}

export interface ProbeResult {
  readonly alive: boolean;
  readonly cause?: string;
}

export function probe(target: Probe): Promise<ProbeResult> {
  return target.path === undefined ? probeTcp(target) : probeHttp(target, target.path);
}

function probeTcp(target: Probe): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: target.host, port: target.port, timeout: target.timeoutMs });
    const end = (result: ProbeResult): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => {
      end({ alive: true });
    });
    socket.once('timeout', () => {
      end({ alive: false, cause: 'TCP health check timed out' });
    });
    socket.once('error', (error) => {
      end({ alive: false, cause: `TCP health check failed: ${error.message}` });
    });
  });
}

function probeHttp(target: Probe, path: string): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const { host, port, timeoutMs } = target;
    const request = http.get({ host, port, path, timeout: timeoutMs, agent: false }, (response) => {
      response.resume();
      const code = response.statusCode ?? 0;
      if (code >= 200 && code < 400) resolve({ alive: true });
      else resolve({ alive: false, cause: `HTTP health check failed: Unexpected HTTP response code: ${String(code)}` });
    });
    request.once('timeout', () => {
      request.destroy(new Error('timed out'));
    });
    request.once('error', (error) => {
      resolve({ alive: false, cause: `HTTP health check failed: ${error.message}` });
    });
  });
}

// The address a check of Mesos's goes to: inside the container.
function mesosProbe(check: HealthCheck, placement: Placement): Probe | undefined {
  const host = placement.addresses[0]?.ipv4 ?? placement.agentIp;
  const timeoutMs = check.timeout_seconds * 1000;
  if (check.http !== undefined) return { host, port: check.http.port, path: check.http.path, timeoutMs };
  if (check.tcp !== undefined) return { host, port: check.tcp.port, timeoutMs };
  return undefined;
}

// Tells each change of verdict: alive at once, sick after the check's consecutive failures (and not within its grace, until it was alive).
export function watchMesosHealth(
  task: Task,
  placement: Placement,
  clock: FakeClock,
  told: (healthy: boolean) => void,
): (() => void) | undefined {
  const check = task.health_check;
  const target = check === undefined ? undefined : mesosProbe(check, placement);
  if (check === undefined || target === undefined) return undefined;
  const startedAt = clock.now();
  let verdict: boolean | undefined;
  let failures = 0;
  let stopped = false;
  let cancel: (() => void) | undefined;
  const round = async (): Promise<void> => {
    const { alive } = await probe(target);
    if (stopped) return;
    failures = alive ? 0 : failures + 1;
    const inGrace = verdict === undefined && clock.now() - startedAt < check.grace_period_seconds * 1000;
    const next = alive ? true : failures >= check.consecutive_failures && !inGrace ? false : verdict;
    if (next !== verdict && next !== undefined) {
      verdict = next;
      told(next);
    }
    cancel = clock.after(check.interval_seconds * 1000, () => void round());
  };
  void round();
  return () => {
    stopped = true;
    cancel?.();
  };
}
