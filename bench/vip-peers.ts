// What bench/vip compares: the user-space plane of a real daemon, HAProxy in TCP mode, and no balancer at all, before the same backends.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VipRecord } from '../lb/index.ts';
import { startDaemon } from '../test/feature/daemon.ts';
import { pinToServerCore, startPeer } from './processes.ts';
import { backendPorts, listening, type Target } from './router-peers.ts';

const haproxyPort = 8489;
const vipPort = 8488;

export async function startVip(directory: string): Promise<Target> {
  const path = join(directory, 'vip-state.json');
  writeFileSync(path, JSON.stringify(stateWithVip()));
  const daemon = await startDaemon(
    JSON.stringify({
      cluster: [{ file: { path } }],
      vips: { plane: 'user', range: '127.11.0.0-127.11.255.255', ipv6: false },
      admin: { listen: '127.0.0.1:0' },
      workers: 0,
    }),
  );
  const [vip] = await daemon.json<readonly VipRecord[]>('/v1/vips');
  pinToServerCore(daemon.ready.pid);
  const ip = vip?.ips[0] ?? '';
  return { server: 'isthmus', pid: daemon.ready.pid, ip, port: vipPort, stop: () => daemon.stop() };
}

export async function startHaproxyTcp(directory: string): Promise<Target> {
  const path = join(directory, 'haproxy-tcp.conf');
  writeFileSync(
    path,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode tcp
  timeout connect 4s
  timeout client 1h
  timeout server 1h
listen vip
  bind 127.0.0.1:${haproxyPort}
  balance roundrobin
${backendPorts.map((port, i) => `  server s${i} 127.0.0.1:${port}`).join('\n')}
`,
  );
  const peer = startPeer('haproxy', ['-db', '-f', path]);
  await listening(haproxyPort);
  return { server: 'haproxy', port: haproxyPort, pid: peer.pid, stop: () => peer.stop() };
}

/** Nobody in between: no process whose time counts. */
export const direct = (): Target => ({
  server: 'direct',
  port: backendPorts[0] ?? 0,
  pid: process.pid,
  stop: () => Promise.resolve(),
});

function stateWithVip(): object {
  const tasks = backendPorts.map((number) => ({
    id: `web.${number}`,
    name: 'web',
    framework_id: 'framework-1',
    slave_id: 'S1',
    state: 'TASK_RUNNING',
    resources: { ports: `[${number}-${number}]` },
    statuses: [{ state: 'TASK_RUNNING', timestamp: 1 }],
    discovery: {
      name: 'web',
      visibility: 'FRAMEWORK',
      ports: {
        ports: [{ number, protocol: 'tcp', labels: { labels: [{ key: 'VIP_0', value: `/web:${vipPort}` }] } }],
      },
    },
  }));
  return {
    leader: 'master@127.0.0.1:5050',
    slaves: [{ id: 'S1', hostname: '127.0.0.1', pid: 'slave(1)@127.0.0.1:5051' }],
    frameworks: [{ id: 'framework-1', name: 'marathon', active: true, tasks }],
  };
}
