// The life of tasks in the model: launched, started, killed, crashed. Each step is told as Mesos tells it.
import type { ClusterState, TaskRecord } from './cluster-state.ts';
import { watchMesosHealth } from './mesos-checks.ts';
import type { TaskState } from './mesos-shapes.ts';
import { isTerminal } from './mesos-shapes.ts';
import type { StatusFields } from './status-update.ts';
import { dockerInspect, executorStatus } from './status-update.ts';
import { launchPod, launchTask } from './task-launch.ts';
import type { PodSpec, TaskSpec } from './task-spec.ts';
import { startWorkload } from './workload-start.ts';
import type { WorkloadAddress, WorkloadMode } from './workload.ts';

export interface TaskLife {
  launch(spec: TaskSpec): string;
  launchPod(spec: PodSpec): readonly string[];
  update(taskId: string, state: TaskState, fields?: StatusFields): void;
  starting(taskId: string): void;
  running(taskId: string, options?: { readonly healthy?: boolean }): void;
  // Opens the task's servers where the cluster has any, then STARTING and RUNNING. Rejects after TASK_FAILED when they cannot listen.
  run(taskId: string): Promise<void>;
  start(spec: TaskSpec): Promise<string>;
  setHealth(taskId: string, healthy: boolean): void;
  // Resolves once the task is terminal and its servers are closed.
  kill(taskId: string, options?: { readonly graceMs?: number }): Promise<void>;
  crash(taskId: string): void;
  end(taskId: string, state: TaskState, fields?: StatusFields): void;
  silently(taskId: string, state: TaskState): void;
}

interface LifeOptions {
  readonly workloads: WorkloadMode;
  readonly stopLimitMs: number;
}

const HEALTH_REASON = 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED';

export function createTaskLife(state: ClusterState, options: LifeOptions): TaskLife {
  const update = (taskId: string, to: TaskState, fields: StatusFields = {}): void => {
    const record = state.task(taskId);
    if (isTerminal(record.onAgent.state)) return;
    const facts = { ...fields, timestamp: state.timestamp(), uuid: state.ids.base64Uuid() };
    state.deliver(record, executorStatus(record.task, to, record.placement, record.facts, facts));
    if (isTerminal(to)) settle(state, record);
  };
  const running = (taskId: string, { healthy }: { readonly healthy?: boolean } = {}): void => {
    const record = state.task(taskId);
    const isDocker = record.task.container?.type === 'DOCKER';
    update(taskId, 'TASK_RUNNING', {
      ...(isDocker ? { data: dockerInspect(record.facts.containerId, record.placement.addresses) } : {}),
      ...(healthy === undefined ? {} : { healthy, reason: HEALTH_REASON }),
    });
  };
  const setHealth = (taskId: string, healthy: boolean): void => {
    if (state.task(taskId).onAgent.state !== 'TASK_RUNNING') return;
    update(taskId, 'TASK_RUNNING', { healthy, reason: HEALTH_REASON });
  };

  const run = async (taskId: string): Promise<void> => {
    const record = state.task(taskId);
    if (options.workloads === 'none') {
      update(taskId, 'TASK_STARTING');
      running(taskId);
      if (record.task.health_check !== undefined) setHealth(taskId, true);
      return;
    }
    await open(state, record, { ...options, mode: options.workloads }, (to, message) => {
      update(taskId, to, { message });
    });
    update(taskId, 'TASK_STARTING');
    running(taskId);
    record.stopChecks = watchMesosHealth(record.task, record.placement, state.clock, (healthy) => {
      setHealth(taskId, healthy);
    });
  };

  const kill = async (taskId: string, { graceMs }: { readonly graceMs?: number } = {}): Promise<void> => {
    const record = state.task(taskId);
    if (isTerminal(record.onAgent.state)) return;
    const grace = graceMs ?? record.killGraceMs;
    if (state.hasCapability(record, 'TASK_KILLING_STATE')) update(taskId, 'TASK_KILLING');
    record.stopChecks?.();
    const { workload } = record;
    if (workload !== undefined) {
      record.stopping = true;
      workload.stop(grace);
      await workload.exited;
    } else if (grace > 0) await new Promise<void>((resolve) => void state.clock.after(grace, resolve));
    update(taskId, 'TASK_KILLED', { message: 'Container exited with status 143' });
  };

  const launch = (spec: TaskSpec): string => launchTask(state, spec);
  return {
    launch,
    launchPod: (spec) => launchPod(state, spec),
    update,
    starting(taskId) {
      update(taskId, 'TASK_STARTING');
    },
    running,
    run,
    async start(spec) {
      const taskId = launch(spec);
      await run(taskId);
      return taskId;
    },
    setHealth,
    kill,
    crash(taskId) {
      state.task(taskId).workload?.kill();
      update(taskId, 'TASK_FAILED', { message: 'Container terminated with signal Killed' });
    },
    end: update,
    silently(taskId, to) {
      const record = state.task(taskId);
      record.task = { ...record.task, state: to };
      record.onAgent = { ...record.onAgent, state: to };
      if (isTerminal(to)) settle(state, record);
    },
  };
}

// What a task held is given back only when nothing listens there any more.
function settle(state: ClusterState, record: TaskRecord): void {
  record.stopChecks?.();
  const release = (): void => {
    if (record.released) return;
    record.released = true;
    state.plan.release(record.placement);
  };
  if (record.workload === undefined) {
    release();
    return;
  }
  record.workload.kill();
  void record.workload.exited.then(release);
}

// Where a task can be reached: its container's addresses and the agent's, for each port that is served.
function listenAddresses(record: TaskRecord): readonly WorkloadAddress[] {
  const found = new Map<string, WorkloadAddress>();
  record.placement.ports.forEach((port, index) => {
    const serve = record.serve[index] ?? 'none';
    if (serve === 'none') return;
    const add = (host: string, number: number): void => {
      if (number !== 0) found.set(`${host}:${String(number)}`, { host, port: number, serve });
    };
    if (port.hostPort !== undefined) add(record.placement.agentIp, port.hostPort);
    for (const { ipv4, ipv6 } of record.placement.addresses) {
      if (ipv4 !== undefined) add(ipv4, port.containerPort);
      // The loopback interface has one IPv6 address; others exist in the model alone.
      if (ipv6 === '::1') add(ipv6, port.containerPort);
    }
  });
  return [...found.values()];
}

async function open(
  state: ClusterState,
  record: TaskRecord,
  options: LifeOptions & { readonly mode: 'inline' | 'process' },
  ended: (to: TaskState, message: string) => void,
): Promise<void> {
  const plan = {
    taskId: record.task.task_id.value,
    app: record.task.discovery?.name ?? record.task.name,
    agent: record.placement.agentIp,
    addresses: listenAddresses(record),
    stopLimitMs: options.stopLimitMs,
  };
  if (state.isSilent) throw new Error('The cluster is closed');
  const starting = startWorkload(options.mode, plan, state.clock);
  state.opening.add(starting);
  try {
    const workload = await starting;
    record.workload = workload;
    void workload.exited.then(({ code }) => {
      if (!record.stopping) ended('TASK_FAILED', `Container exited with status ${String(code)}`);
    });
  } catch (error) {
    ended('TASK_FAILED', `Container could not listen: ${error instanceof Error ? error.message : String(error)}`);
    throw error;
  } finally {
    state.opening.delete(starting);
  }
}
