// Apps of a case as the files that a daemon reads: Marathon's apps, and a Mesos state where agents go by names.

import { isIP } from 'node:net';
import { rowsOf, type Row } from './l7-outcome.ts';

export interface ClusterFiles {
  readonly apps: unknown;
  readonly state: unknown | null;
}

/** `dns`: what the agents' names resolve to. Without names Marathon's word is enough. */
export function clusterFiles(apps: readonly Row[], dns: Row): ClusterFiles {
  const tasks = apps.flatMap((app) => rowsOf(app['tasks'] ?? [], 'tasks').map((task) => ({ app, task })));
  if (tasks.every(({ task }) => isIP(String(task['host'] ?? '')) > 0)) return { apps: { apps }, state: null };
  const hosts = [...new Set(tasks.map(({ task }) => String(task['host'] ?? '')))];
  const addressed = hosts.map((host) => ({ host, ip: isIP(host) > 0 ? host : String(dns[host] ?? '') }));
  const known = new Set(addressed.filter(({ ip }) => ip !== '').map(({ host }) => host));
  const slaves = addressed
    .filter(({ ip }) => ip !== '')
    .map(({ host, ip }) => ({
      id: `agent-${host}`,
      hostname: host,
      port: 5051,
      pid: `slave(1)@${ip}:5051`,
      active: true,
    }));
  const framework = {
    id: 'fw-marathon',
    name: 'marathon',
    active: true,
    tasks: tasks.filter(({ task }) => known.has(String(task['host']))).map(({ app, task }) => mesosTask(app, task)),
    completed_tasks: [],
  };
  const state = { id: 'master', version: '1.11.0', slaves, frameworks: [framework], completed_frameworks: [] };
  return { apps: { apps }, state };
}

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
    framework_id: 'fw-marathon',
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
