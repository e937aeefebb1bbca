// Apps with HAPROXY labels and their tasks for tests, as orchestrators would tell them.

import {
  appKey,
  emptySnapshot,
  frameworkId,
  noMasters,
  reduce,
  type App,
  type AppPort,
  type Labels,
  type Task,
  type WritableSnapshot,
} from '../../../src/cluster/index.ts';
import { vipTask } from '../../lb/vip-tasks.ts';

/** Host networking, one port an entry of `ports`. */
export function routedApp(id: string, labels: Labels, ports = 1): App {
  return Object.freeze<App>({
    key: appKey('marathon', id),
    marathon: 'marathon',
    frameworkId: frameworkId('fw-1'),
    id,
    labels,
    networkMode: 'host',
    ports: Array.from({ length: ports }, (_, index) => portAt(index)),
    healthChecks: [],
    hasReadinessChecks: false,
    instances: 1,
    version: null,
    deploying: false,
    inferred: false,
  });
}

const portAt = (index: number): AppPort => ({
  index,
  name: null,
  protocol: 'tcp',
  servicePort: 10_000 + index,
  containerPort: null,
  hostPortIndex: index,
  labels: {},
});

/** A running task of `app` that listens on these ports of `ip`. */
export const routedTask = (
  app: string,
  id: string,
  ip: string,
  hostPorts: readonly number[],
  fields: Partial<Task> = {},
): Task => vipTask(id, [], { appKey: appKey('marathon', app), agentIp: ip, agentIps: [ip], hostPorts, ...fields });

export function clusterOf(apps: readonly App[], tasks: readonly Task[] = []): WritableSnapshot {
  const snapshot = emptySnapshot();
  reduce(snapshot, { type: 'resync', picture: { tasks, agents: [], frameworks: [], apps, masters: noMasters } });
  return snapshot;
}
