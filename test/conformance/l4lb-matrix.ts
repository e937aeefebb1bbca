// The end-to-end matrix of VIPs: each row is a backend in some container, network and place, asked for by a client in some network. All rows
// run in namespaces (test/feature/netns) by a real daemon, once with each plane.

import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { DcosVip, VipRecord } from '../../lb/index.ts';
import { isthmus } from '../feature/daemon.ts';
import { makeNetwork, type Network, type Place } from '../feature/netns/network.ts';
import type { Check, Row } from './l4lb.ts';

type Plane = 'kernel' | 'user';
type Backend = Readonly<Record<'container' | 'vip_network' | 'placement', string>>;

/** Agents of Mesos: the host of the network, where the clients are, and the remote machine. */
const agents = { same_agent: '10.99.0.1', other_agent: '10.99.0.2' } as const;
const container = '10.88.0.11';
const onRemote = '10.77.0.2';
const taskPort = 8080;
const fifthPort = 8085;
const firstHostPort = 31_000;

const known: Readonly<Record<string, readonly string[]>> = {
  container: ['NONE', 'MESOS', 'DOCKER', 'POD'],
  vip_network: ['HOST', 'USER', 'BRIDGE'],
  client_network: ['HOST', 'USER', 'BRIDGE'],
  vip_kind: ['named', 'ip'],
  placement: ['same_agent', 'other_agent'],
};

export function matrixChecks(file: Row): readonly Check[] {
  const dimensions = file['dimensions'] as Readonly<Record<string, readonly string[]>>;
  const strange = Object.entries(dimensions).flatMap(([name, values]) =>
    name === 'extra'
      ? []
      : values.filter((value) => known[name]?.includes(value) !== true).map((value) => `${name} ${value}`),
  );
  if (strange.length > 0) return [['matrix', () => strange.map((one) => `nothing is known of ${one}`)]];
  const balance = file['balance'] as { readonly backends: number } | undefined;
  return (['kernel', 'user'] as const).flatMap((plane) => planeChecks(plane, dimensions, balance !== undefined));
}

function planeChecks(
  plane: Plane,
  dimensions: Readonly<Record<string, readonly string[]>>,
  isBalanced: boolean,
): readonly Check[] {
  const backends = product(['container', 'vip_network', 'placement'], dimensions) as readonly Backend[];
  let stage: Promise<Stage> | null = null;
  const onStage = (): Promise<Stage> => (stage ??= openStage(plane, backends));
  const rows = backends.flatMap((backend, i) =>
    (dimensions['extra'] ?? ['none']).flatMap((extra) =>
      product(['client_network', 'vip_kind'], dimensions).map((asked): Check => {
        const name = [
          plane,
          ...Object.values(backend),
          ...Object.values(asked),
          ...(extra === 'none' ? [] : ['with a mapping']),
        ];
        return [
          name.join(' '),
          async () => {
            const { network, address, map } = await onStage();
            map(extra !== 'none');
            const from: Place = asked['client_network'] === 'HOST' ? 'h' : 'b';
            const ip = asked['vip_kind'] === 'ip' ? ipOf(i) : address(nameOf(i));
            const heard = await network.order(from, { type: 'tcp', ip, port: 80 });
            const wanted = identityOf(backend);
            return heard.startsWith(`${wanted} `) ? [] : [`hears "${heard}", not ${wanted}`];
          },
        ];
      }),
    ),
  );
  const spread: Check = [
    `${plane} balance`,
    async () => {
      const { network, address } = await onStage();
      const listed = JSON.parse(network.run('h', 'curl -s http://127.0.0.1:62080/v1/vips')) as readonly DcosVip[];
      const found = listed
        .find(({ vip }) => vip.startsWith('five.'))
        ?.backend.map(({ ip, port }) => `${ip}:${port}`)
        .sort();
      const heard = new Set<string>();
      for (let i = 0; i < 100 && heard.size < five.length; i++)
        heard.add(
          (await network.order('h', { type: 'tcp', ip: address('five.marathon'), port: 80 })).split(' ')[0] ?? '',
        );
      const wanted = five.map(({ ip, port }) => `${ip}:${port}`).sort();
      return [
        ...(JSON.stringify(found) === JSON.stringify(wanted) ? [] : [`/v1/vips lists ${JSON.stringify(found)}`]),
        ...(heard.size === five.length ? [] : [`answers came from ${[...heard].join(', ')} alone`]),
      ];
    },
  ];
  const end: Check = [`${plane} is put away`, async () => (await (await onStage()).close(), [])];
  return [...rows, ...(isBalanced ? [spread] : []), end];
}

const five = [
  { ip: container, port: taskPort },
  { ip: '10.88.0.12', port: taskPort },
  { ip: agents.same_agent, port: taskPort },
  { ip: agents.other_agent, port: taskPort },
  { ip: agents.other_agent, port: fifthPort },
] as const;

const ipOf = (i: number): string => `198.51.100.${11 + i}`;
const nameOf = (i: number): string => `app-${i}.marathon`;

/** Who answers: a container of the host, the host, or the remote machine, which stands for whatever runs on it. */
const identityOf = ({ vip_network, placement }: Backend): string =>
  placement === 'other_agent' ? 'r' : vip_network === 'HOST' ? 'h' : 'a';

/** As docker-proxy does. */
const relayProgram = `const { connect, createServer } = require('node:net');
createServer((one) => {
  const other = connect(${taskPort}, '${container}');
  for (const socket of [one, other]) socket.on('error', () => undefined);
  one.pipe(other).pipe(one);
}).listen(process.argv[1], '${agents.same_agent}');`;

interface Stage {
  readonly network: Network;
  address(name: string): string;
  /** Has an unrelated port mapping for the VIPs' own port. */
  map(isThere: boolean): void;
  close(): Promise<void>;
}

async function openStage(plane: Plane, backends: readonly Backend[]): Promise<Stage> {
  const network = await makeNetwork();
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-conformance-'));
  network.run('r', `ip addr add ${onRemote}/32 dev lo`);
  network.run('h', `ip route add ${onRemote}/32 via ${agents.other_agent}`);
  const last = firstHostPort + backends.length;
  const mapped = (target: string): string =>
    ['prerouting', 'output']
      .map(
        (hook) =>
          `chain ${hook} { type nat hook ${hook} priority -100; fib daddr type local tcp dport ${firstHostPort}-${last} ${target}; }\n`,
      )
      .join('');
  network.run('h', 'nft -f -', `table ip mappings {\n${mapped(`dnat to ${container}:${taskPort}`)}}\n`);
  network.run('r', 'nft -f -', `table ip mappings {\n${mapped(`redirect to :${taskPort}`)}}\n`);
  const children: ChildProcess[] = [];
  // Docker keeps a program at each mapped port besides.
  backends.forEach(({ container: kind, vip_network, placement }, i) => {
    if (kind !== 'DOCKER' || vip_network !== 'BRIDGE' || placement !== 'same_agent') return;
    children.push(network.spawn('h', process.execPath, ['-e', relayProgram, String(firstHostPort + i)]));
  });
  const agent = fileURLToPath(new URL('../feature/netns/agent.ts', import.meta.url));
  children.push(network.spawn('r', process.execPath, [agent, 'fifth', String(fifthPort)]));
  const cluster = join(directory, 'cluster.json');
  writeFileSync(cluster, stateOf(backends));
  const config = {
    cluster: [{ file: { path: cluster } }],
    vips: { plane, range: '198.51.100.0/24', ipv6: false },
    ...{ dcosNet: '127.0.0.1:62080', admin: { listen: '127.0.0.1:9099' }, workers: 1 },
  };
  writeFileSync(join(directory, 'isthmus.yaml'), JSON.stringify(config));
  const daemon = network.spawn('h', process.execPath, [isthmus, 'run', '--config', join(directory, 'isthmus.yaml')]);
  await readyLine(daemon);
  const table = JSON.parse(
    network.run('h', 'curl -s -H "Accept: application/json" http://127.0.0.1:9099/v1/vips'),
  ) as readonly VipRecord[];
  let isMapped = false;
  return {
    network,
    address: (name) => table.find((record) => record.name === name)?.ips[0] ?? '',
    map(isThere) {
      if (isThere === isMapped) return;
      isMapped = isThere;
      const rule = `chain pre { type nat hook prerouting priority -100; fib daddr type local tcp dport 80 dnat to 10.88.0.12:${taskPort}; }`;
      network.run('h', 'nft -f -', isThere ? `table ip unrelated {\n${rule}\n}\n` : 'delete table ip unrelated\n');
    },
    async close() {
      for (const child of [daemon, ...children]) {
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await gone;
      }
      await network.close();
      rmSync(directory, { recursive: true });
    },
  };
}

function readyLine(daemon: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    daemon.once('exit', () => reject(new Error('the daemon ended before it was ready')));
    createInterface({ input: daemon.stderr as NodeJS.ReadableStream }).on('line', (line) => {
      if (line.includes('"msg":"ready"')) resolve();
    });
  });
}

function stateOf(backends: readonly Backend[]): string {
  const tasks = [
    ...backends.map((backend, i) => matrixTask(backend, i)),
    ...five.map(({ ip, port }, i) =>
      taskOf({
        id: `five-${i}`,
        agent: 'same_agent',
        ips: [ip],
        number: port,
        scope: 'container',
        vips: ['/five:80', `/own-${i}:80`],
      }),
    ),
  ];
  return JSON.stringify({
    slaves: Object.entries(agents).map(([id, hostname]) => ({ id, hostname, pid: `slave(1)@${hostname}:5051` })),
    frameworks: [{ id: 'framework-1', name: 'marathon', active: true, tasks }],
  });
}

function matrixTask({ container: kind, vip_network, placement }: Backend, i: number): object {
  const agent = placement as keyof typeof agents;
  const hostPort = firstHostPort + i;
  const mapping = [{ host_port: hostPort, container_port: taskPort, protocol: 'tcp' }];
  const vips = [`/${nameOf(i).replace('.marathon', '')}:80`, `${ipOf(i)}:80`];
  const common = { id: `app-${i}`, agent, vips, kind };
  if (vip_network === 'HOST') return taskOf({ ...common, ips: [agents[agent]], number: taskPort, scope: null });
  const ips = [agent === 'same_agent' ? container : onRemote];
  if (vip_network === 'USER') return taskOf({ ...common, ips, number: taskPort, scope: 'container' });
  return taskOf({ ...common, ips, number: hostPort, scope: 'host', mapping });
}

interface TaskShape {
  readonly id: string;
  readonly agent: keyof typeof agents;
  readonly ips: readonly string[];
  readonly number: number;
  readonly scope: 'host' | 'container' | null;
  readonly vips: readonly string[];
  readonly kind?: string;
  readonly mapping?: readonly object[];
}

function taskOf({ id, agent, ips, number, scope, vips, kind = 'NONE', mapping }: TaskShape): object {
  const labels = [
    ...vips.map((value, i) => ({ key: `VIP_${i}`, value })),
    ...(scope === null ? [] : [{ key: 'network-scope', value: scope }]),
    ...(scope === 'container' ? [{ key: 'network-name', value: 'user' }] : []),
  ];
  const mapped = mapping === undefined ? {} : { port_mappings: mapping };
  const isDocker = kind === 'DOCKER';
  const inStatus = kind === 'POD' ? mapped : {};
  const network_infos = [{ ip_addresses: ips.map((ip_address) => ({ ip_address })), ...inStatus }];
  const own = isDocker ? { docker: mapped } : { network_infos: [{ name: 'user', ...(kind === 'POD' ? {} : mapped) }] };
  return {
    ...{ id, name: id, framework_id: 'framework-1', slave_id: agent, state: 'TASK_RUNNING' },
    statuses: [{ state: 'TASK_RUNNING', timestamp: 1, container_status: { network_infos } }],
    discovery: {
      ...{ visibility: 'FRAMEWORK', name: id },
      ports: { ports: [{ number, name: 'web', protocol: 'tcp', labels: { labels } }] },
    },
    ...(scope === null
      ? {}
      : { container: { ...(kind === 'NONE' ? {} : { type: isDocker ? 'DOCKER' : 'MESOS' }), ...own } }),
  };
}

function product(
  names: readonly string[],
  dimensions: Readonly<Record<string, readonly string[]>>,
): readonly Readonly<Record<string, string>>[] {
  return names.reduce<readonly Readonly<Record<string, string>>[]>(
    (rows, name) => rows.flatMap((row) => (dimensions[name] ?? []).map((value) => ({ ...row, [name]: value }))),
    [{}],
  );
}
