// A Marathon's scheduler: keeps as many instances running as each definition asks for, and tells what happens as events.
import type { FakeCluster } from './cluster.ts';
import { nextResult, watchHealth, watchReadiness } from './marathon-checks.ts';
import type { CheckVerdict } from './marathon-checks.ts';
import type { EventHub } from './marathon-events.ts';
import type { IdStyle } from './marathon-launch.ts';
import { appTask, launchIds, marathonChecks, mesosChecks, podLaunch } from './marathon-launch.ts';
import type { Instance, RunRecord } from './marathon-records.ts';
import { versionOf } from './marathon-records.ts';
import { hasConverged, rolloutStep } from './marathon-rollout.ts';
import { MarathonTeller, conditionOf, isAgentLoss } from './marathon-teller.ts';
import type { SourceEvent } from './master-source.ts';
import type { Task, TaskStatus } from './mesos-shapes.ts';
import { isTerminal } from './mesos-shapes.ts';

interface CoreOptions {
  readonly frameworkId: string;
  readonly role: string;
  readonly idStyle: IdStyle;
  readonly launchDelayMs: number;
  readonly backoffMs: number;
  // Whether tasks that fail their checks maxConsecutiveFailures times are replaced.
  readonly killUnhealthy: boolean;
}

export class MarathonCore {
  readonly cluster: FakeCluster;
  readonly hub: EventHub;
  readonly teller: MarathonTeller;
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
    this.teller = new MarathonTeller(cluster, hub);
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

  // A scheduler that is not subscribed starts and kills nothing.
  #isSubscribed(): boolean {
    const { frameworkId } = this.options;
    const own = this.cluster.frameworks().find(({ framework_info: { id } }) => id.value === frameworkId);
    return own?.connected === true;
  }

  #step(record: RunRecord): void {
    if (!this.#isSubscribed()) return;
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
    this.teller.changed(record, instance, 'Provisioned');
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
    if (task.state !== 'TASK_STAGING') this.teller.changed(found.record, found.instance, conditionOf(task.state));
  }

  #onStatus(status: TaskStatus): void {
    const found = this.#byTask.get(status.task_id.value);
    const task = this.cluster.task(status.task_id.value);
    if (task === undefined) return;
    if (found === undefined) {
      if (isTerminal(status.state)) this.teller.unknownEnded(task, status);
      return;
    }
    const { record, instance } = found;
    this.teller.status(record, instance, task, status);
    if (status.state === 'TASK_RUNNING' && instance.startedAtMs === undefined) this.#started(record, instance);
    if (status.healthy !== undefined && status.state === 'TASK_RUNNING')
      this.#mesosHealth(record, instance, status.healthy);
    if (status.state === 'TASK_UNREACHABLE' || isAgentLoss(status)) this.#unreachable(record, instance);
    else if (isTerminal(status.state)) this.#ended(record, instance, task, status);
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
          this.#onCheck(record, instance, verdict);
        }),
      );
    }
  }

  #onCheck(record: RunRecord, instance: Instance, { check, result, changed }: CheckVerdict): void {
    const about = { appId: record.id, version: instance.version };
    if (!result.alive)
      this.hub.emit('failed_health_check_event', { appId: record.id, taskId: instance.id, healthCheck: check });
    if (changed) {
      this.hub.emit('health_status_changed_event', { ...about, instanceId: instance.id, alive: result.alive });
      this.teller.healthChanged(
        record,
        instance,
        [...instance.checks.values()].every(({ alive }) => alive),
      );
    }
    const limit = check.maxConsecutiveFailures ?? 3;
    if (this.options.killUnhealthy && limit > 0 && result.consecutiveFailures >= limit) {
      this.teller.unhealthyKill(record, instance, result.lastFailureCause);
      this.killInstance(record, instance);
    }
    this.notify();
  }

  #mesosHealth(record: RunRecord, instance: Instance, healthy: boolean): void {
    if (record.app !== undefined && mesosChecks(record.app).length > 0) {
      instance.checks.set(0, nextResult(instance.checks.get(0), { alive: healthy }, this.cluster.clock.now()));
    }
    this.teller.healthChanged(record, instance, healthy);
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
      this.teller.changed(record, instance, 'UnreachableInactive');
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
      host: this.teller.hostOf(task),
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
