// A task for tests, plain but complete: what a test is about it names, the rest is here once.

import { agentId, frameworkId, noLabels, taskId, taskKey, type Task } from '../../src/cluster/index.ts';

/** A running task on the agent's own stack at 10.0.0.1, without ports and labels, unless `fields` say otherwise. */
export function sampleTask(id: string, fields: Partial<Task> = {}): Task {
  const framework = fields.frameworkId ?? frameworkId('fw-1');
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
    containerizer: null,
    ports: [],
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
