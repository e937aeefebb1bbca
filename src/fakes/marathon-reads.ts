// What a fake Marathon answers to reads: apps with embeds, tasks, pods, info, queue.
import type { MarathonActions } from './marathon-actions.ts';
import type { App } from './marathon-app.ts';
import { marathonChecks, mesosChecks } from './marathon-launch.ts';
import { oldForm, servicePortsOf } from './marathon-app.ts';
import type { MarathonCore } from './marathon-core.ts';
import { apiState, hostPortsOf, ipAddressesOf } from './marathon-teller.ts';
import type { Pod, PodContainer } from './marathon-pod.ts';
import type { Deployment, Instance, RunRecord } from './marathon-records.ts';
import { planOf } from './marathon-records.ts';
import type { Task } from './mesos-shapes.ts';
import { isTerminal } from './mesos-shapes.ts';

interface ReadOptions {
  readonly networking: 'new' | 'old';
}

export class MarathonReads {
  readonly #core: MarathonCore;
  readonly #actions: MarathonActions;
  readonly #options: ReadOptions;

  constructor(core: MarathonCore, actions: MarathonActions, options: ReadOptions) {
    this.#core = core;
    this.#actions = actions;
    this.#options = options;
  }

  apps(): readonly RunRecord[] {
    return [...this.#core.records.values()].filter(({ app }) => app !== undefined);
  }

  pods(): readonly RunRecord[] {
    return [...this.#core.records.values()].filter(({ pod }) => pod !== undefined);
  }

  appJson(record: RunRecord, app: App, embeds: ReadonlySet<string>): Record<string, unknown> {
    const tasks = this.tasksOf(record);
    const states = record.instances.map((instance) => ({ instance, task: this.#taskOf(instance) }));
    const running = states.filter(({ task }) => task?.state === 'TASK_RUNNING' || task?.state === 'TASK_KILLING');
    const healths = running.map(({ instance }) => healthOf(app, instance));
    return {
      ...(this.#options.networking === 'old' ? oldForm(app) : app),
      tasksStaged: states.filter(
        ({ task }) => task === undefined || task.state === 'TASK_STAGING' || task.state === 'TASK_STARTING',
      ).length,
      tasksRunning: running.length,
      tasksHealthy: healths.filter((health) => health === true).length,
      tasksUnhealthy: healths.filter((health) => health === false).length,
      deployments: this.#actions.deploymentsOf(record.id).map(({ id }) => ({ id })),
      ...(embeds.has('apps.readiness') ? { readinessCheckResults: this.#readiness(record, app) } : {}),
      ...(embeds.has('apps.tasks') ? { tasks: tasks.map((task) => ({ ...task, servicePorts: [] })) } : {}),
      ...(embeds.has('apps.lastTaskFailure') && record.lastFailure !== undefined
        ? { lastTaskFailure: record.lastFailure }
        : {}),
      ...(embeds.has('apps.taskStats') ? { taskStats: {} } : {}),
    };
  }

  tasksOf(record: RunRecord): readonly Record<string, unknown>[] {
    const { app } = record;
    if (app === undefined) return [];
    return record.instances.flatMap((instance) => {
      const task = this.#taskOf(instance);
      return task === undefined ? [] : [this.#taskJson(app, instance, task)];
    });
  }

  allTasks(): readonly Record<string, unknown>[] {
    return this.apps().flatMap((record) => {
      const servicePorts = record.app === undefined ? [] : servicePortsOf(record.app);
      return this.tasksOf(record).map((task) => ({ ...task, servicePorts }));
    });
  }

  // The table that /v2/tasks answers to those who do not ask for JSON: app, service port, host:port of each task.
  taskTable(): string {
    return this.apps()
      .flatMap((record) => {
        const tasks = this.tasksOf(record).filter(({ state }) => state === 'TASK_RUNNING');
        const ports = record.app === undefined ? [] : servicePortsOf(record.app);
        return ports.map((servicePort, index) => {
          const places = tasks.map(
            ({ host, ports: hostPorts }) => `${String(host)}:${String((hostPorts as number[])[index] ?? 0)}`,
          );
          return `${record.id.slice(1).replaceAll('/', '_')}\t${String(servicePort)}\t${places.join('\t')}${places.length === 0 ? '' : '\t'}\n`;
        });
      })
      .join('');
  }

  podStatus(record: RunRecord, pod: Pod): Record<string, unknown> {
    const instances = record.instances.map((instance) => this.#podInstance(pod, instance));
    const stable = instances.length === record.target && instances.every(({ status }) => status === 'STABLE');
    const since = new Date(record.instances[0]?.stagedAtMs ?? this.#core.cluster.clock.now()).toISOString();
    const times = { statusSince: since, lastUpdated: since, lastChanged: since };
    const status = record.removed ? 'TERMINAL' : stable ? 'STABLE' : 'DEGRADED';
    return { id: record.id, spec: pod, status, ...times, instances, terminationHistory: [] };
  }

  deploymentJson(deployment: Deployment): Record<string, unknown> {
    const { id, version, recordId, isPod, action } = deployment;
    const actions = [{ action, [isPod ? 'pod' : 'app']: recordId, readinessCheckResults: [] }];
    const affected = { affectedApps: isPod ? [] : [recordId], affectedPods: isPod ? [recordId] : [] };
    return {
      id,
      version,
      ...affected,
      steps: planOf(deployment)['steps'],
      currentActions: actions,
      currentStep: 1,
      totalSteps: 1,
    };
  }

  queue(): readonly Record<string, unknown>[] {
    return [...this.#core.records.values()].flatMap((record) => {
      const missing = record.target - record.instances.length;
      if (missing <= 0 || record.removed) return [];
      const left = Math.max(0, record.notBeforeMs - this.#core.cluster.clock.now());
      const spec = record.app === undefined ? { pod: record.pod } : { app: record.app };
      return [
        {
          ...spec,
          count: missing,
          delay: { timeLeftSeconds: Math.ceil(left / 1000), overdue: left === 0 },
          role: this.#core.options.role,
        },
      ];
    });
  }

  #taskOf(instance: Instance): Task | undefined {
    return this.#core.cluster.task(instance.taskIds[0] ?? '');
  }

  #taskJson(app: App, instance: Instance, task: Task): Record<string, unknown> {
    const last = task.statuses?.at(-1);
    const state = last === undefined || task.state !== last.state ? task.state : apiState(last);
    const active = !isTerminal(state) && !instance.inactive;
    const domain = this.#core.cluster.agent(task.agent_id.value)?.agent_info.domain?.fault_domain;
    const started =
      instance.startedAtMs === undefined ? {} : { startedAt: new Date(instance.startedAtMs).toISOString() };
    return {
      appId: app.id,
      healthCheckResults: [...instance.checks]
        .sort(([a], [b]) => a - b)
        .map(([, result]) => ({ ...result, instanceId: instance.id })),
      host: this.#core.teller.hostOf(task),
      id: task.task_id.value,
      ipAddresses: ipAddressesOf(last),
      ...(active ? { ports: hostPortsOf(task) } : {}),
      servicePorts: [],
      slaveId: task.agent_id.value,
      state,
      ...(active
        ? { stagedAt: new Date(instance.stagedAtMs).toISOString(), ...started, version: instance.version }
        : {}),
      localVolumes: [],
      ...(domain === undefined ? {} : { region: domain.region.name, zone: domain.zone.name }),
      role: this.#core.options.role,
    };
  }

  // Only while deploying, and only of tasks that were probed at least once or are running.
  #readiness(record: RunRecord, app: App): readonly Record<string, unknown>[] {
    const [check] = app.readinessChecks ?? [];
    if (check === undefined || this.#actions.deploymentsOf(record.id).length === 0) return [];
    return record.instances
      .filter(({ startedAtMs, configVersion }) => startedAtMs !== undefined && configVersion === record.configVersion)
      .map(({ taskIds, ready }) => ({ name: check.name ?? 'readinessCheck', taskId: taskIds[0], ready }));
  }

  #podInstance(pod: Pod, instance: Instance): Record<string, unknown> {
    const { cluster } = this.#core;
    const tasks = instance.taskIds.map((taskId) => cluster.task(taskId));
    const first = tasks[0];
    const up = tasks.every((task) => task?.state === 'TASK_RUNNING');
    const since = new Date(instance.startedAtMs ?? instance.stagedAtMs).toISOString();
    const times = { statusSince: since, lastUpdated: since, lastChanged: since };
    const addresses = first === undefined ? [] : cluster.placement(first.task_id.value).addresses;
    return {
      id: instance.id,
      status: up ? 'STABLE' : instance.startedAtMs === undefined ? 'STAGING' : 'DEGRADED',
      ...times,
      ...(first === undefined ? {} : { agentHostname: this.#core.teller.hostOf(first), agentId: first.agent_id.value }),
      networks: addresses.map(({ network, ipv4, ipv6 }) => ({
        name: network,
        addresses: [ipv4, ipv6].filter((ip) => ip !== undefined),
      })),
      containers: pod.containers.map((container, index) => containerJson(cluster, container, tasks[index], times)),
      specReference: `/v2/pods${pod.id}::versions/${pod.version}`,
      localVolumes: [],
    };
  }
}

function healthOf(app: App, instance: Instance): boolean | undefined {
  const wanted = marathonChecks(app).length + mesosChecks(app).length;
  if (wanted === 0 || instance.checks.size === 0) return undefined;
  return [...instance.checks.values()].every(({ alive }) => alive);
}

function containerJson(
  cluster: MarathonCore['cluster'],
  container: PodContainer,
  task: Task | undefined,
  times: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const healthy = task?.statuses?.at(-1)?.healthy;
  const placed = task === undefined ? [] : cluster.placement(task.task_id.value).ports;
  const checked = container.healthCheck?.http?.endpoint ?? container.healthCheck?.tcp?.endpoint;
  const endpoints = (container.endpoints ?? []).map(({ name }) => {
    const hostPort = placed.find(({ spec }) => spec.name === name)?.hostPort;
    return {
      name,
      ...(hostPort === undefined ? {} : { allocatedHostPort: hostPort }),
      ...(name === checked && healthy !== undefined ? { healthy } : {}),
    };
  });
  return {
    name: container.name,
    status: task?.state ?? 'TASK_STAGING',
    ...times,
    containerId: task?.task_id.value,
    endpoints,
    resources: container.resources ?? {},
  };
}
