// Tasks with VIP labels for tests, as an orchestrator would tell them.

import {
  agentId,
  emptySnapshot,
  frameworkId,
  noLabels,
  noMasters,
  reduce,
  taskId,
  taskKey,
  type Task,
  type TaskPort,
  type WritableSnapshot,
} from '../../src/cluster/index.ts';

/** A task on the agent's own stack at 10.0.0.1 unless `fields` say otherwise. */
export function vipTask(id: string, ports: readonly TaskPort[], fields: Partial<Task> = {}): Task {
  const framework = frameworkId('fw-1');
  return Object.freeze<Task>({
    key: taskKey(framework, taskId(id)),
    frameworkId: framework,
    framework: 'marathon',
    id: taskId(id),
    name: id,
    discoveryName: null,
    agentId: agentId('S0'),
    agentIp: '10.0.0.1',
    agentIps: ['10.0.0.1'],
    zone: null,
    state: 'TASK_RUNNING',
    healthy: null,
    hasHealthCheck: false,
    addresses: [],
    networkMode: 'host',
    containerizer: 'mesos',
    ports,
    mappings: [],
    hostPorts: [],
    labels: noLabels,
    statusLabels: noLabels,
    executorId: null,
    graceMs: null,
    runningSince: null,
    appKey: null,
    appVersion: null,
    appHealth: null,
    ready: null,
    ...fields,
  });
}

export function hostPort(number: number, ...vips: readonly string[]): TaskPort {
  return { ...containerPort(number, ...vips), scope: 'host', hostPort: number, containerPort: null };
}

export function containerPort(number: number, ...vips: readonly string[]): TaskPort {
  const labels = Object.fromEntries(vips.map((vip, i) => [`VIP_${i}`, vip]));
  return {
    name: null,
    protocol: 'tcp',
    scope: 'container',
    hostPort: null,
    containerPort: number,
    network: null,
    vips,
    labels,
  };
}

/** In a network of its own, with these addresses. */
export const overlay = (...ips: readonly string[]): Partial<Task> => ({
  networkMode: 'container',
  addresses: ips.map((ip) => ({ ip, network: 'dcos' })),
});

export function snapshotOf(...tasks: readonly Task[]): WritableSnapshot {
  const snapshot = emptySnapshot();
  reduce(snapshot, { type: 'resync', picture: { tasks, agents: [], frameworks: [], apps: [], masters: noMasters } });
  return snapshot;
}
