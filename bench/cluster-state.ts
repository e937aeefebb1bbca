// A cluster of any size as a master's `/state`, for benchmarks and fuzzing.

export interface ClusterSize {
  readonly apps: number;
  /** Tasks of each app. */
  readonly instances: number;
}

/** Apps `app-0`, `app-1` … of the framework `marathon`, each task on one of 256 agents with a host port of its own. */
export function clusterState({ apps, instances }: ClusterSize): object {
  const agents = Math.min(256, Math.max(1, apps * instances));
  const tasks = Array.from({ length: apps * instances }, (_, i) => {
    const app = Math.floor(i / instances);
    return taskOf(i, `app-${app}`, i % agents);
  });
  return {
    leader: 'master@10.0.0.1:5050',
    slaves: Array.from({ length: agents }, (_, i) => ({
      id: `20260101-000000-1-S${i}`,
      hostname: `10.1.0.${i}`,
      pid: `slave(1)@10.1.0.${i}:5051`,
    })),
    frameworks: [{ id: 'framework-1', name: 'marathon', active: true, tasks }],
  };
}

function taskOf(i: number, name: string, agent: number): object {
  const port = 1024 + (i % 60_000);
  return {
    id: `${name}.${i}`,
    name,
    framework_id: 'framework-1',
    slave_id: `20260101-000000-1-S${agent}`,
    state: 'TASK_RUNNING',
    resources: { ports: `[${port}-${port}]` },
    statuses: [{ state: 'TASK_RUNNING', timestamp: 1 }],
    discovery: {
      name,
      visibility: 'FRAMEWORK',
      ports: { ports: [{ number: port, protocol: 'tcp', name: 'http' }] },
    },
  };
}
