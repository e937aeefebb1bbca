// The peers of DNS: the same zone in Knot, NSD and dnsmasq, each with a plain configuration and one worker, as there is one core.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstLine, startPeer, type Peer } from './processes.ts';

export interface PeerPlan {
  readonly server: string;
  readonly program: string;
  /** Debian package. */
  readonly package: string;
  readonly version: () => string;
  /** Writes zone and configuration below `directory` and starts the server on `port` of 127.0.0.1. */
  start(directory: string, records: readonly string[], port: number): Peer;
}

export const peerPlans: readonly PeerPlan[] = [
  {
    server: 'knot',
    program: 'knotd',
    package: 'knot',
    version: () => firstLine('knotd', '--version'),
    start: (directory, records, port) => startPeer('knotd', ['-c', knotConfig(directory, records, port)]),
  },
  {
    server: 'nsd',
    program: 'nsd',
    package: 'nsd',
    version: () => firstLine('nsd', '-v'),
    start: (directory, records, port) => startPeer('nsd', ['-d', '-c', nsdConfig(directory, records, port)]),
  },
  {
    server: 'dnsmasq',
    program: 'dnsmasq',
    package: 'dnsmasq-base',
    version: () => firstLine('dnsmasq', '--version'),
    start: (directory, records, port) =>
      startPeer('dnsmasq', ['--keep-in-foreground', `--conf-file=${dnsmasqConfig(directory, records, port)}`]),
  },
];

function writeZone(directory: string, records: readonly string[]): void {
  writeFileSync(join(directory, 'mesos.zone'), `${records.join('\n')}\n`);
}

function knotConfig(directory: string, records: readonly string[], port: number): string {
  writeZone(directory, records);
  const path = join(directory, 'knot.conf');
  writeFileSync(
    path,
    `server:
    rundir: ${directory}
    listen: 127.0.0.1@${port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: ${directory}
zone:
  - domain: mesos
    storage: ${directory}
    file: mesos.zone
    zonefile-sync: -1
    journal-content: none
`,
  );
  return path;
}

/** Its rate limit is off, as it is with the others. */
function nsdConfig(directory: string, records: readonly string[], port: number): string {
  writeZone(directory, records);
  const path = join(directory, 'nsd.conf');
  writeFileSync(
    path,
    `server:
    ip-address: 127.0.0.1@${port}
    server-count: 1
    rrl-ratelimit: 0
    username: ""
    chroot: ""
    zonesdir: "${directory}"
    database: ""
    pidfile: "${directory}/nsd.pid"
    xfrdfile: "${directory}/xfrd.state"
    zonelistfile: "${directory}/zone.list"
    xfrdir: "${directory}"
    tcp-count: 200
remote-control:
    control-enable: no
zone:
    name: mesos
    zonefile: mesos.zone
`,
  );
  return path;
}

/** It has no zones: addresses come from a hosts file, which it hashes, and SRV records from a list, which it searches. */
function dnsmasqConfig(directory: string, records: readonly string[], port: number): string {
  const hosts: string[] = [];
  const services: string[] = [];
  for (const record of records) {
    const [name = '', , , type, ...data] = record.split(' ');
    const owner = name.replace(/\.$/, '');
    if (type === 'A') hosts.push(`${data[0] ?? ''} ${owner}`);
    const [priority, weight, target, last = ''] = data;
    if (type === 'SRV')
      services.push(`srv-host=${owner},${last.replace(/\.$/, '')},${target ?? ''},${priority ?? ''},${weight ?? ''}`);
  }
  writeFileSync(join(directory, 'hosts'), `${hosts.join('\n')}\n`);
  const path = join(directory, 'dnsmasq.conf');
  const options = [
    `port=${port}`,
    'listen-address=127.0.0.1',
    'bind-interfaces',
    'user=root',
    'pid-file=',
    'no-resolv',
    'no-hosts',
    `addn-hosts=${join(directory, 'hosts')}`,
    'local=/mesos/',
    'local-ttl=60',
    'cache-size=100000',
  ];
  writeFileSync(path, `${[...options, ...services].join('\n')}\n`);
  return path;
}
