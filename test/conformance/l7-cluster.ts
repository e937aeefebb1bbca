// Apps of a case as the files that a daemon reads: Marathon's apps, and a Mesos state where agents go by names.

import { isIP } from 'node:net';
import { rowsOf, type Row } from './l7-outcome.ts';

export interface ClusterFiles {
  readonly apps: unknown;
  readonly state: unknown;
}

/**
 * `dns`: what the agents' names resolve to. Without names Marathon's word is enough, and Mesos has none of its tasks. `marker`: id of a task
 * of another framework, by which one sees that the state has been read.
 */
export function clusterFiles(apps: readonly Row[], dns: Row, marker: string): ClusterFiles {
  const tasks = apps.flatMap((app) => rowsOf(app['tasks'] ?? [], 'tasks').map((task) => ({ app, task })));
  const marked = framework('marker', [mesosTask({ id: '/marker' }, { id: marker, host: 'marker' })]);
  if (tasks.every(({ task }) => isIP(String(task['host'] ?? '')) > 0))
    return { apps: { apps }, state: stateOf([agentOf('marker', '127.0.0.1')], [marked]) };
  const hosts = [...new Set(tasks.map(({ task }) => String(task['host'] ?? '')))];
  const addressed = hosts.map((host) => ({ host, ip: isIP(host) > 0 ? host : String(dns[host] ?? '') }));
  const known = new Set(addressed.filter(({ ip }) => ip !== '').map(({ host }) => host));
  const slaves = [...addressed, { host: 'marker', ip: '127.0.0.1' }].flatMap(({ host, ip }) =>
    ip === '' ? [] : [agentOf(host, ip)],
  );
  const held = tasks.filter(({ task }) => known.has(String(task['host']))).map(({ app, task }) => mesosTask(app, task));
  return { apps: { apps }, state: stateOf(slaves, [framework('marathon', held), marked]) };
}

const agentOf = (host: string, ip: string): Row => ({
  id: `agent-${host}`,
  hostname: host,
  port: 5051,
  pid: `slave(1)@${ip}:5051`,
  active: true,
});

const framework = (name: string, tasks: readonly Row[]): Row => ({
  id: `fw-${name}`,
  name,
  active: true,
  tasks: tasks.map((task) => ({ ...task, framework_id: `fw-${name}` })),
  completed_tasks: [],
});

const stateOf = (slaves: readonly Row[], frameworks: readonly Row[]): Row => ({
  id: 'master',
  version: '1.11.0',
  slaves,
  frameworks,
  completed_frameworks: [],
});

function mesosTask(app: Row, task: Row): Row {
  const ports = Array.isArray(task['ports']) ? (task['ports'] as readonly number[]) : [];
  const addresses = rowsOf(task['ipAddresses'] ?? [], 'ipAddresses').flatMap((one) => {
    const ip = String(one['ipAddress'] ?? '');
    return isIP(ip) > 0 ? [{ ip_address: ip, protocol: ip.includes(':') ? 'IPv6' : 'IPv4' }] : [];
  });
  const state = String(task['state'] ?? 'TASK_RUNNING');
  const name = String(app['id'])
    .split('/')
    .filter((part) => part !== '')
    .reverse()
    .join('.');
  return {
    id: task['id'],
    name,
    executor_id: '',
    slave_id: `agent-${String(task['host'])}`,
    state,
    resources: ports.length === 0 ? {} : { ports: `[${ports.map((port) => `${port}-${port}`).join(', ')}]` },
    statuses: [
      {
        state: state === 'TASK_RUNNING' ? state : 'TASK_RUNNING',
        timestamp: 1_700_000_000,
        container_status: { network_infos: addresses.length === 0 ? [] : [{ ip_addresses: addresses }] },
      },
    ],
    labels: [],
  };
}
