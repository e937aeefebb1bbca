// Tasks with VIP labels for tests, as an orchestrator would tell them.

import {
  emptySnapshot,
  noMasters,
  reduce,
  type Task,
  type TaskPort,
  type WritableSnapshot,
} from '../../src/cluster/index.ts';
import { sampleTask } from '../cluster/sample-task.ts';

/** A task on the agent's own stack at 10.0.0.1 unless `fields` say otherwise. */
export function vipTask(id: string, ports: readonly TaskPort[], fields: Partial<Task> = {}): Task {
  return sampleTask(id, { containerizer: 'mesos', ports, ...fields });
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
