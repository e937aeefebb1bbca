// A cluster as a `/state` document: Marathon's one task `web`, which has an address of its own.

/** Its name in the zone. */
export const taskName = 'web.marathon.mesos';

/** All ports of `taskIp` are the cluster's. */
export function oneTaskState(taskIp: string): string {
  const container_status = { network_infos: [{ name: 'ovl', ip_addresses: [{ ip_address: taskIp }] }] };
  const task = {
    id: 'web.1',
    name: 'web',
    slave_id: 'a-S1',
    framework_id: 'f-0',
    state: 'TASK_RUNNING',
    container: { type: 'MESOS', network_infos: [{ name: 'ovl' }] },
    statuses: [{ state: 'TASK_RUNNING', timestamp: 1, container_status }],
  };
  return JSON.stringify({
    leader: 'master@10.0.0.1:5050',
    slaves: [{ id: 'a-S1', pid: 'slave(1)@10.1.0.1:5051', hostname: 'agent-1.corp.example' }],
    frameworks: [{ id: 'f-0', name: 'marathon', pid: 'scheduler-1@10.0.0.9:8080', tasks: [task] }],
  });
}
