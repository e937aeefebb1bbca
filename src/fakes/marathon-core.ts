// A Marathon's scheduler: keeps as many instances running as each definition asks for, and tells what happens as events.
import type { FakeCluster } from './cluster.ts';
import type { App } from './marathon-app.ts';
import { nextResult, watchHealth, watchReadiness } from './marathon-checks.ts';
import type { CheckVerdict } from './marathon-checks.ts';
import type { EventHub } from './marathon-events.ts';
import type { IdStyle } from './marathon-launch.ts';
import { appTask, launchIds, marathonChecks, mesosChecks, podLaunch } from './marathon-launch.ts';
import type { Instance, RunRecord } from './marathon-records.ts';
import { versionOf } from './marathon-records.ts';
import { hasConverged, rolloutStep } from './marathon-rollout.ts';
import type { SourceEvent } from './master-source.ts';
import type { Task, TaskStatus } from './mesos-shapes.ts';
import { isTerminal } from './mesos-shapes.ts';

export interface CoreOptions {
  readonly frameworkId: string;
  readonly role: string;
  readonly idStyle: IdStyle;
  readonly launchDelayMs: number;
  readonly backoffMs: number;
  // Whether tasks that fail their checks maxConsecutiveFailures times are replaced.
  readonly killUnhealthy: boolean;
}

const CONDITIONS: Readonly<Record<string, string>> = {
  TASK_STAGING: 'Staging',
  TASK_STARTING: 'Starting',
  TASK_RUNNING: 'Running',
  TASK_KILLING: 'Killing',
  TASK_KILLED: 'Killed',
  TASK_FINISHED: 'Finished',
  TASK_FAILED: 'Failed',
  TASK_ERROR: 'Error',
  TASK_LOST: 'Unreachable',
  TASK_UNREACHABLE: 'Unreachable',
  TASK_DROPPED: 'Dropped',
  TASK_GONE: 'Gone',
  TASK_GONE_BY_OPERATOR: 'Gone',
};

export class MarathonCore {
  readonly cluster: FakeCluster;
  readonly hub: EventHub;
  readonly options: CoreOptions;
  readonly records = new Map<string, RunRecord>();
  readonly #byTask = new Map<string, { readonly record: RunRecord; readonly instance: Instance }>();
  #change = Promise.withResolvers<undefined>();
  #changes = 0;
  #order = 0;
  #closed = false;
  readonly #stopListening: () => void;

  constructor(cluster: FakeCluster, hub: EventHub, options: CoreOptions) {
    this.cluster = cluster;
    this.hub = hub;
    this.options = options;
    this.#stopListening = cluster.onEvent((event) => {
      this.#onMesos(event);
    });
  }

  close(): void {
    this.#closed = true;
    this.#stopListening();
    for (const record of this.records.values())
      for (const { stops } of record.instances)
        stops.forEach((stop) => {
          stop();
        });
    this.notify();
  }

  // A record is looked after from here on until it is removed and its last instance has gone.
  keep(record: RunRecord): void {
    this.records.set(record.id, record);
    void this.#lookAfter(record);
  }

  notify(): void {
    this.#changes++;
    this.#change.resolve(undefined);
    this.#change = Promise.withResolvers();
  }

  // Resolves true once what the record asks for runs, false when the condition ends the wait.
  async converged(record: RunRecord, stop: () => boolean): Promise<boolean> {
    while (!hasConverged(record, (instance) => this.isUp(record, instance))) {
      if (stop() || this.#closed) return false;
      await this.#change.promise;
    }
    return !stop();
  }

  isUp(record: RunRecord, instance: Instance): boolean {
    const tasks = instance.taskIds.map((taskId) => this.cluster.task(taskId));
    if (!tasks.every((task) => task?.state === 'TASK_RUNNING' && isHealthyInMesos(task))) return false;
    const checks = record.app === undefined ? [] : marathonChecks(record.app);
    if (instance.configVersion !== record.configVersion) return true;
    return (
      instance.ready &&
      [...instance.checks.values()].every(({ alive }) => alive) &&
      instance.checks.size >= checks.length
    );
  }

  killInstance(record: RunRecord, instance: Instance): void {
    if (instance.killing) return;
    instance.killing = true;
    instance.stops.splice(0).forEach((stop) => {
      stop();
    });
    for (const taskId of instance.taskIds) {
      const task = this.cluster.task(taskId);
      if (task !== undefined && !isGone(task)) void this.cluster.kill(taskId);
      else if (task === undefined) this.#forget(record, instance);
    }
  }

  find(taskId: string): { readonly record: RunRecord; readonly instance: Instance } | undefined {
    return this.#byTask.get(taskId);
  }

  async #lookAfter(record: RunRecord): Promise<void> {
    // Its deployment is announced before its first instance.
    await Promise.resolve();
    while (!this.#closed && this.records.get(record.id) === record) {
      const seen = this.#changes;
      this.#step(record);
      if (record.removed && record.instances.length === 0) {
        this.records.delete(record.id);
        this.hub.emit('app_terminated_event', { appId: record.id });
        this.notify();
        return;
      }
      if (this.#changes === seen) await this.#change.promise;
      // What happened in one go is looked at once.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #step(record: RunRecord): void {
    const { start, kill } = rolloutStep(record, (instance) => this.isUp(record, instance));
    for (const instance of kill) this.killInstance(record, instance);
    const wait = record.notBeforeMs - this.cluster.clock.now();
    if (start > 0 && wait > 0) {
      this.cluster.clock.after(wait, () => {
        this.notify();
      });
      return;
    }
    for (let count = 0; count < start; count++) if (!this.#start(record)) return;
  }

  #start(record: RunRecord): boolean {
    const { frameworkId, role, idStyle } = this.options;
    const ids = launchIds(record.id, this.cluster.ids.uuid(), record.pod === undefined ? idStyle : 'instance');
    const { app, pod } = record;
    const taskIds = pod === undefined ? [ids.taskId] : pod.containers.map(({ name }) => `${ids.instanceId}.${name}.1`);
    const instance = newInstance(ids.instanceId, taskIds, record, this.cluster.clock.now(), this.#order++);
    record.instances.push(instance);
    for (const taskId of taskIds) this.#byTask.set(taskId, { record, instance });
    try {
      if (app !== undefined) this.cluster.launch(appTask(app, frameworkId, ids.taskId, role));
      if (pod !== undefined) this.cluster.launchPod(podLaunch(pod, frameworkId, ids.instanceId, role));
    } catch {
      // No agent can take it now; the next change of the cluster tries again.
      this.#forget(record, instance);
      return false;
    }
    this.#changed(record, instance, 'Provisioned');
    for (const taskId of taskIds) this.#runSoon(taskId);
    return true;
  }

  #runSoon(taskId: string): void {
    this.cluster.clock.after(this.options.launchDelayMs, () => {
      const task = this.cluster.task(taskId);
      // A task that cannot listen has already been told as TASK_FAILED.
      if (!this.#closed && task?.state === 'TASK_STAGING') this.cluster.run(taskId).catch(() => undefined);
    });
  }

  #onMesos({ event }: SourceEvent): void {
    if (event?.type === 'TASK_UPDATED' && event.task_updated.framework_id.value === this.options.frameworkId) {
      this.#onStatus(event.task_updated.status);
    } else if (event?.type === 'TASK_ADDED' && event.task_added.task.framework_id.value === this.options.frameworkId) {
      this.#onTask(event.task_added.task);
    }
    this.notify();
  }

  // A task that comes back after it was given up is not wanted any more.
  #onTask(task: Task): void {
    const found = this.#byTask.get(task.task_id.value);
    if (found === undefined) {
      if (!isTerminal(task.state)) void this.cluster.kill(task.task_id.value);
      return;
    }
    found.instance.inactive = false;
    if (task.state !== 'TASK_STAGING') this.#changed(found.record, found.instance, CONDITIONS[task.state] ?? 'Unknown');
  }

  #onStatus(status: TaskStatus): void {
    const found = this.#byTask.get(status.task_id.value);
    const task = this.cluster.task(status.task_id.value);
    if (task === undefined) return;
    if (found === undefined) {
      const runSpecId = `/${task.discovery?.name.split('.').reverse().join('/') ?? task.name}`;
      const condition = CONDITIONS[status.state];
      if (isTerminal(status.state))
        this.hub.emit('unknown_instance_terminated_event', { instanceId: task.task_id.value, runSpecId, condition });
      return;
    }
    const { record, instance } = found;
    this.#tellStatus(record, instance, task, status);
    if (status.state === 'TASK_RUNNING' && instance.startedAtMs === undefined) this.#started(record, instance);
    if (status.healthy !== undefined && status.state === 'TASK_RUNNING')
      this.#mesosHealth(record, instance, status.healthy);
    if (status.state === 'TASK_UNREACHABLE' || isAgentLoss(status)) this.#unreachable(record, instance);
    else if (isTerminal(status.state)) this.#ended(record, instance, task, status);
  }

  #tellStatus(record: RunRecord, instance: Instance, task: Task, status: TaskStatus): void {
    const seen = apiState(status);
    this.hub.emit('status_update_event', {
      slaveId: status.agent_id.value,
      taskId: status.task_id.value,
      taskStatus: seen,
      message: status.message ?? '',
      appId: record.id,
      host: this.hostOf(task),
      ipAddresses: ipAddressesOf(status),
      ports: hostPortsOf(task),
      version: instance.version,
    });
    const condition = CONDITIONS[seen] ?? 'Unknown';
    if (condition !== instance.condition) this.#changed(record, instance, condition);
  }

  #changed(record: RunRecord, instance: Instance, condition: string): void {
    instance.condition = condition;
    const task = this.cluster.task(instance.taskIds[0] ?? '');
    this.hub.emit('instance_changed_event', {
      instanceId: instance.id,
      condition,
      runSpecId: record.id,
      agentId: task?.agent_id.value,
      host: task === undefined ? undefined : this.hostOf(task),
      runSpecVersion: instance.version,
    });
  }

  hostOf(task: Task): string {
    const agents = this.cluster.agents();
    const agent = agents.find(({ agent_info: { id } }) => id.value === task.agent_id.value);
    return agent?.agent_info.hostname ?? this.cluster.placement(task.task_id.value).agentIp;
  }

  #started(record: RunRecord, instance: Instance): void {
    instance.startedAtMs = this.cluster.clock.now();
    record.failures = 0;
    const { app } = record;
    if (app === undefined) {
      instance.ready = true;
      return;
    }
    const subject = { cluster: this.cluster, app, instance };
    instance.stops.push(
      watchReadiness(subject, () => {
        this.notify();
      }),
    );
    const offset = mesosChecks(app).length;
    for (const [index, check] of marathonChecks(app).entries()) {
      instance.stops.push(
        watchHealth(subject, offset + index, check, (verdict) => {
          this.#onCheck(record, app, instance, verdict);
        }),
      );
    }
  }

  #onCheck(record: RunRecord, app: App, instance: Instance, { check, result, changed }: CheckVerdict): void {
    const about = { appId: record.id, version: instance.version };
    if (!result.alive)
      this.hub.emit('failed_health_check_event', { appId: record.id, taskId: instance.id, healthCheck: check });
    if (changed) {
      this.hub.emit('health_status_changed_event', { ...about, instanceId: instance.id, alive: result.alive });
      this.#healthChanged(
        record,
        instance,
        [...instance.checks.values()].every(({ alive }) => alive),
      );
    }
    const limit = check.maxConsecutiveFailures ?? 3;
    if (this.options.killUnhealthy && limit > 0 && result.consecutiveFailures >= limit)
      this.#killUnhealthy(record, app, instance, result.lastFailureCause);
    this.notify();
  }

  #killUnhealthy(record: RunRecord, app: App, instance: Instance, reason: string | undefined): void {
    const [taskId = ''] = instance.taskIds;
    const task = this.cluster.task(taskId);
    const at = task === undefined ? {} : { host: this.hostOf(task), slaveId: task.agent_id.value };
    const ids = { appId: record.id, taskId, instanceId: instance.id, version: app.version };
    this.hub.emit('unhealthy_instance_kill_event', { ...ids, reason: reason ?? '', ...at });
    this.killInstance(record, instance);
  }

  #mesosHealth(record: RunRecord, instance: Instance, healthy: boolean): void {
    if (record.app !== undefined && mesosChecks(record.app).length > 0) {
      instance.checks.set(0, nextResult(instance.checks.get(0), { alive: healthy }, this.cluster.clock.now()));
    }
    this.#healthChanged(record, instance, healthy);
  }

  #healthChanged(record: RunRecord, instance: Instance, healthy: boolean): void {
    if (instance.healthy === healthy) return;
    instance.healthy = healthy;
    this.hub.emit('instance_health_changed_event', {
      instanceId: instance.id,
      runSpecId: record.id,
      healthy,
      runSpecVersion: instance.version,
    });
  }

  // Replaced after inactiveAfterSeconds, forgotten after expungeAfterSeconds; 'disabled' waits for ever.
  #unreachable(record: RunRecord, instance: Instance): void {
    const strategy = record.app?.unreachableStrategy ?? { inactiveAfterSeconds: 0, expungeAfterSeconds: 0 };
    instance.stops.splice(0).forEach((stop) => {
      stop();
    });
    if (strategy === 'disabled') return;
    const isStillAway = (): boolean => instance.condition.startsWith('Unreachable');
    this.cluster.clock.after(strategy.inactiveAfterSeconds * 1000, () => {
      if (!isStillAway()) return;
      instance.inactive = true;
      this.#changed(record, instance, 'UnreachableInactive');
      this.notify();
    });
    this.cluster.clock.after(Math.max(strategy.inactiveAfterSeconds, strategy.expungeAfterSeconds) * 1000, () => {
      if (!isStillAway()) return;
      this.#forget(record, instance);
      this.notify();
    });
  }

  #ended(record: RunRecord, instance: Instance, task: Task, status: TaskStatus): void {
    instance.stops.splice(0).forEach((stop) => {
      stop();
    });
    if (!instance.killing) this.#noteFailure(record, task, status, instance);
    // A pod lives and dies as one.
    const others = instance.taskIds.filter((taskId) => {
      const other = this.cluster.task(taskId);
      return other !== undefined && !isGone(other);
    });
    if (others.length === 0) this.#forget(record, instance);
    else if (!instance.killing) this.killInstance(record, instance);
  }

  #noteFailure(record: RunRecord, task: Task, status: TaskStatus, instance: Instance): void {
    record.failures++;
    record.notBeforeMs = this.cluster.clock.now() + this.options.backoffMs * 1.15 ** (record.failures - 1);
    record.lastFailure = {
      appId: record.id,
      host: this.hostOf(task),
      message: status.message ?? '',
      slaveId: task.agent_id.value,
      state: status.state,
      taskId: task.task_id.value,
      timestamp: new Date(this.cluster.clock.now()).toISOString(),
      version: instance.version,
    };
  }

  #forget(record: RunRecord, instance: Instance): void {
    record.instances = record.instances.filter((each) => each !== instance);
    for (const taskId of instance.taskIds) this.#byTask.delete(taskId);
  }
}

function newInstance(
  id: string,
  taskIds: readonly string[],
  record: RunRecord,
  nowMs: number,
  order: number,
): Instance {
  return {
    id,
    taskIds,
    version: versionOf(record),
    configVersion: record.configVersion,
    stagedAtMs: nowMs,
    order,
    startedAtMs: undefined,
    killing: false,
    inactive: false,
    condition: 'Scheduled',
    healthy: undefined,
    ready: false,
    checks: new Map(),
    stops: [],
  };
}

function isHealthyInMesos(task: Task): boolean {
  return task.health_check === undefined || task.statuses?.at(-1)?.healthy === true;
}

function isGone(task: Task): boolean {
  return isTerminal(task.state) || task.state === 'TASK_UNREACHABLE';
}

function isAgentLoss({ state, reason }: TaskStatus): boolean {
  return state === 'TASK_LOST' && reason === 'REASON_AGENT_REMOVED';
}

// Marathon shows a task lost with its agent as unreachable.
export function apiState(status: TaskStatus): string {
  return isAgentLoss(status) ? 'TASK_UNREACHABLE' : status.state;
}

export function ipAddressesOf(
  status: TaskStatus | undefined,
): readonly { readonly ipAddress: string; readonly protocol: string }[] {
  const infos = status?.container_status?.network_infos ?? [];
  return infos.flatMap((info) =>
    (info.ip_addresses ?? []).flatMap(({ ip_address, protocol }) =>
      ip_address === undefined ? [] : [{ ipAddress: ip_address, protocol }],
    ),
  );
}

// Host ports alone, in the order of the mappings that have one.
export function hostPortsOf(task: Task): readonly number[] {
  const ranges = task.resources.find(({ name }) => name === 'ports')?.ranges?.range ?? [];
  return ranges.map(({ begin }) => begin);
}
