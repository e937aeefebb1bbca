// Tasks of a test cluster as Mesos's /state tells of them, for a source of kind `file`.

export interface TestTask {
  readonly id: string;
  readonly ip: string;
  readonly ip6?: string;
  /** Values of VIP labels, each for TCP and for UDP. */
  readonly vips: readonly string[];
  readonly state?: 'TASK_RUNNING' | 'TASK_KILLING';
  readonly healthy?: boolean;
  /** A port of the agent that leads to the task's; the task is then reached there. */
  readonly hostPort?: number;
  /** Further labels of its ports. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** All on the agent 10.99.0.1, which is the host of the test network. */
export function stateOf(tasks: readonly TestTask[]): string {
  return JSON.stringify({
    slaves: [{ id: 'agent-1', hostname: '10.99.0.1', pid: 'slave(1)@10.99.0.1:5051' }],
    frameworks: [{ id: 'framework-1', name: 'marathon', active: true, tasks: tasks.map(taskOf) }],
  });
}

function taskOf({
  id,
  ip,
  ip6,
  vips,
  state = 'TASK_RUNNING',
  healthy,
  hostPort,
  labels: more = {},
}: TestTask): unknown {
  const addresses = [ip, ...(ip6 === undefined ? [] : [ip6])].map((address) => ({ ip_address: address }));
  const status = {
    state: 'TASK_RUNNING',
    timestamp: 1,
    container_status: { network_infos: [{ ip_addresses: addresses }] },
  };
  const labels = [
    ...vips.map((value, i) => ({ key: `VIP_${i}`, value })),
    ...Object.entries(more).map(([key, value]) => ({ key, value })),
    { key: 'network-scope', value: hostPort === undefined ? 'container' : 'host' },
  ];
  const ports = ['tcp', 'udp'].map((protocol) => ({
    number: hostPort ?? 8080,
    name: protocol,
    protocol,
    labels: { labels },
  }));
  const mappings = ['tcp', 'udp'].map((protocol) => ({ host_port: hostPort, container_port: 8080, protocol }));
  return {
    id,
    name: id,
    framework_id: 'framework-1',
    slave_id: 'agent-1',
    state,
    statuses: [{ ...status, ...(healthy === undefined ? {} : { healthy }) }],
    discovery: { visibility: 'FRAMEWORK', name: id, ports: { ports } },
    ...(hostPort === undefined
      ? {}
      : { container: { type: 'MESOS', network_infos: [{ name: 'mesos-bridge', port_mappings: mappings }] } }),
  };
}
