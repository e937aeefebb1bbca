// Rules of VIPs that are functions: mangling, addresses, changes of tables, ports as Marathon announces them, and rulesets that must load.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { createAddressAllocator, diffBackends, diffVips, type VipRecord } from '../../lb/index.ts';
import { canonicalIp, familyOf, parseIp } from '../../lb/ip-number.ts';
import { Ruleset } from '../../lb/kernel/ruleset.ts';
import type { Spot } from '../../lb/kernel/spots.ts';
import { takersOf } from '../../lb/policies/candidate.ts';
import { phash2 } from '../../lb/name-hash.ts';
import {
  backendKey,
  mangleLabel,
  mangleName,
  splitHostPort,
  type Backend,
  type NetworkMode,
  type TaskPort,
} from '../../src/cluster/index.ts';
import { decodeApp } from '../../src/orchestrator/marathon/decode-app.ts';
import { decodePod } from '../../src/orchestrator/marathon/decode-pod.ts';
import { decodeAppTask } from '../../src/orchestrator/marathon/decode-task.ts';
import { systemClock } from '../../src/runtime/index.ts';
import type { Check, Row } from './l4lb.ts';

const rows = (value: unknown): readonly Row[] => (value ?? []) as readonly Row[];
const entries = (value: unknown): readonly (readonly [string, string])[] => Object.entries((value ?? {}) as never);

const compare = (found: unknown, wanted: unknown): readonly string[] =>
  isDeepStrictEqual(found, wanted) ? [] : [`is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`];

export function manglingRules(file: Row): readonly Check[] {
  const of = (field: string, mangle: (text: string) => string): readonly Check[] =>
    rows(file[field]).map((row) => [
      `${field} ${JSON.stringify(row['in'])}`,
      () => compare(mangle(String(row['in'])), row['out']),
    ]);
  return [...of('label', mangleLabel), ...of('fragment', mangleName)];
}

/** The least share of a set that there can be: those that fail are used where nobody else is left, and never before. */
const lastResort = Number.MIN_VALUE;

/** An agent that is out of reach is one whose backends fail their checks here; without word of any, all are as good as they were. */
export function reachabilityRules(file: Row): readonly Check[] {
  return rows(file['cases']).map((row, i) => [
    `reachability ${i + 1}`,
    () => {
      const reachable = row['reachable'] as readonly string[] | null;
      const backends = rows(row['backends']).map((told): Backend => {
        const [ip, port] = [String(told['ip']), Number(told['port'])];
        const isUp = reachable === null || reachable.includes(String(told['agent_ip']));
        const standing = isUp
          ? ({ weight: 1, state: 'up' } as const)
          : ({ weight: 0, state: 'down', failing: true } as const);
        return { key: backendKey(ip, port), ip, port, task: null, zone: null, ...standing };
      });
      const wanted = [...(row['expected'] as readonly string[])].sort();
      const { takers } = takersOf({ id: 'vip', backends }, lastResort);
      const led = ledByKernel(backends);
      return [...compare(takers.map(({ backend }) => backend.key).sort(), wanted), ...compare(led, wanted)];
    },
  ]);
}

/** Whom the kernel's ruleset leads to, sorted. */
function ledByKernel(backends: readonly Backend[]): readonly string[] {
  const found = new Set<string>();
  for (const family of [4, 6] as const) {
    const ip = family === 4 ? '192.0.2.1' : '2001:db8::1';
    const key = `${ip} . tcp . 80`;
    const own = backends.filter((one) => familyOf(one.ip) === family);
    const spot: Spot = { key, ip, family, protocol: 'tcp', port: 80, vip: key, options: {}, backends: own };
    const steps = new Ruleset(new Map([[key, spot]]), lastResort).plan(new Set([key])).flat();
    for (const { verb, set, value } of steps)
      if (verb === 'add' && set === `be${family}`) {
        const [to = '', port = ''] = value.split(' . ');
        found.add(backendKey(to, Number(port)));
      }
  }
  return [...found].sort();
}

interface Range {
  readonly min: string;
  readonly max: string;
}

const usualRange: Range = { min: '11.0.0.0', max: '11.255.255.255' };
const usualRange6: Range = { min: 'fd01:c::', max: 'fd01:c::ffff:ffff:ffff:ffff' };

/** Addresses after the names came in these batches. */
function assign(batches: readonly (readonly string[])[], range: Range = usualRange): Map<string, readonly string[]> {
  const allocator = createAddressAllocator({
    range: `${range.min}-${range.max}`,
    range6: `${usualRange6.min}-${usualRange6.max}`,
    ipv6: true,
    clock: systemClock,
  });
  if ('rejected' in allocator) throw new Error(allocator.rejected);
  const found = new Map<string, readonly string[]>();
  const names: string[] = [];
  for (const batch of batches) {
    names.push(...batch);
    for (const event of allocator.assign(names, [])) {
      if (event.type === 'allocated' && event.allocation !== null)
        found.set(event.name, [event.allocation.ip4 ?? '', event.allocation.ip6 ?? '']);
    }
  }
  return found;
}

const one = (name: string, range?: Range): readonly string[] => assign([[name]], range).get(name) ?? [];

export function allocationRules(file: Row): readonly Check[] {
  const legacy = (file['legacy_before_2018_08'] ?? {}) as Row;
  return [
    ...rows(file['phash2_raw']).map(({ name, u32 }): Check => [
      `phash2 ${String(name)}`,
      () => compare(phash2(String(name)), u32),
    ]),
    ...rows(file['ranges']).flatMap((range) =>
      entries(range['expected']).map(([name, ip]): Check => [
        `${name} to ${String(range['max'])}`,
        () => compare(one(name, range as unknown as Range)[0], ip),
      ]),
    ),
    ...entries(file['ipv6']).map(([name, ip]): Check => [
      `${name} of IPv6`,
      () => compare(one(name)[1], canonicalIp(ip)),
    ]),
    ...entries(legacy['current_formula']).map(([name, ip]): Check => [
      `${name} today`,
      () => compare(one(name, legacy['range'] as Range)[0], ip),
    ]),
    ...entries(legacy['observed']).map(([name, ip]): Check => [
      `${name} one before what was seen in 2018`,
      () => compare(parseIp(one(name, legacy['range'] as Range)[0] ?? '')?.value, (parseIp(ip)?.value ?? 0n) - 1n),
    ]),
    ...collisionRules(file['collision'] as Row | undefined),
    ...wraparoundRules(file['wraparound'] as Row | undefined),
  ];
}

function collisionRules(collision: Row | undefined): readonly Check[] {
  if (collision === undefined) return [];
  const order = collision['order'] as readonly string[];
  const plain = (found: ReadonlyMap<string, readonly string[]>): object =>
    Object.fromEntries([...found].map(([name, [ip]]) => [name, ip]));
  const arriving = (names: readonly string[]): object => plain(assign(names.map((name) => [name])));
  return [
    ['one after the other', () => compare(arriving(order), collision['expected'])],
    ['the other way round', () => compare(arriving([...order].reverse()), collision['reverse_order_expected'])],
    [
      'at once: the set alone decides',
      () => {
        const found = plain(assign([order]));
        const other = plain(assign([[...order].reverse()]));
        const known = [collision['expected'], collision['reverse_order_expected']];
        return [
          ...compare(other, found),
          ...(known.some((wanted) => isDeepStrictEqual(wanted, found)) ? [] : [`is ${JSON.stringify(found)}`]),
        ];
      },
    ],
  ];
}

function wraparoundRules(wraparound: Row | undefined): readonly Check[] {
  if (wraparound === undefined) return [];
  const names = wraparound['names'] as readonly string[];
  const check = (): readonly string[] => {
    const found = assign(
      names.map((name) => [name]),
      wraparound as unknown as Range,
    );
    return compare(Object.fromEntries([...found].map(([name, [ip]]) => [name, ip])), wraparound['expected']);
  };
  return [['around the end of the range', check]];
}

type PlainTable = Readonly<Record<string, readonly string[]>>;

export function diffRules(file: Row): readonly Check[] {
  return rows(file['cases']).map((row, i): Check => [
    `case ${i}`,
    () => {
      const [before, after] = [recordsOf(row['before'] as PlainTable), recordsOf(row['after'] as PlainTable)];
      const change = diffVips(before, after);
      const added = change.set.filter(([key]) => !before.has(key));
      const modified = change.set.filter(([key]) => before.has(key));
      const found = {
        add: Object.fromEntries(added.map(([key, { set }]) => [key, set.backends.map(weighted)])),
        del: change.removed,
        mod: Object.fromEntries(
          modified.map(([key, { set }]) => {
            const diff = diffBackends(before.get(key)?.set.backends ?? [], set.backends);
            const { added: add, removed: remove, weighted: weight } = diff;
            return [
              key,
              { weight: weight.map(weighted), add: add.map(weighted), remove: remove.map((gone) => gone.key) },
            ];
          }),
        ),
      };
      return compare(found, row['expected']);
    },
  ]);
}

const weighted = (backend: Backend): string => `${backend.key}/${backend.weight}`;

/** `tcp/IP/PORT` to `IP:PORT/WEIGHT`. */
function recordsOf(table: PlainTable): ReadonlyMap<string, VipRecord> {
  return new Map(
    Object.entries(table).map(([key, backends]) => {
      const [protocol, ip = '', port] = key.split('/');
      const set = { id: key, backends: backends.map(backendOf) };
      const record = { key, protocol: protocol as 'tcp', name: null, ips: [ip], port: Number(port), set };
      return [key, record] as const;
    }),
  );
}

function backendOf(text: string): Backend {
  const [address = '', weight] = text.split('/');
  const place = splitHostPort(address);
  if (place === null) throw new Error(`${text} is no backend`);
  const { host: ip, port } = place;
  const key = backendKey(ip, port);
  return { key, ip, port, task: null, weight: Number(weight), state: weight === '0' ? 'down' : 'up', zone: null };
}

/** Ports that Marathon's own API tells of, in the form in which Marathon would tell Mesos. */
export function discoveryRules(file: Row): readonly Check[] {
  return rows(file['cases']).map((row, i): Check => [
    `case ${i}`,
    () => {
      const known = ['networks', 'portDefinitions', 'portMappings', 'endpoints', 'allocated', 'expected'];
      const strange = Object.keys(row).filter((key) => ![...known, 'expected_count', 'note'].includes(key));
      if (strange.length > 0) return [`has ${strange.join()}, which the runner does not know`];
      const networks = rows(row['networks']);
      const { mode, ports } = row['endpoints'] === undefined ? appPorts(row) : podPorts(row);
      const found = ports.flatMap((port) => announced(port, mode, networks));
      if (row['expected_count'] !== undefined) return compare(found.length, row['expected_count']);
      return compare(sorted(found), sorted(rows(row['expected'])));
    },
  ]);
}

const sorted = (list: readonly object[]): readonly string[] =>
  list.map((item) => JSON.stringify(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))).sort();

interface Announced {
  readonly mode: NetworkMode;
  readonly ports: readonly TaskPort[];
}

const marathon = { name: 'marathon', frameworkId: null };

function appPorts(row: Row): Announced {
  const container = row['portMappings'] === undefined ? {} : { container: { portMappings: row['portMappings'] } };
  const definition = { id: '/a', networks: row['networks'], portDefinitions: row['portDefinitions'], ...container };
  const ports = ((row['allocated'] ?? []) as readonly (number | null)[]).filter((port) => port !== null);
  const app = decodeApp(definition, marathon);
  if (app === null) throw new Error('the app is not read');
  const task = { id: 'a.1', state: 'TASK_RUNNING', host: '10.0.0.1', ports, slaveId: 'S1' };
  return { mode: app.networkMode, ports: decodeAppTask(task, app, definition, marathon)?.ports ?? [] };
}

function podPorts(row: Row): Announced {
  const endpoints = rows(row['endpoints']);
  const allocated = (row['allocated'] ?? []) as readonly (number | null)[];
  const told = endpoints.map((endpoint, i) => ({
    name: endpoint['name'],
    allocatedHostPort: allocated[i] ?? endpoint['hostPort'] ?? null,
  }));
  const container = { name: 'c', containerId: 'c.1', status: 'TASK_RUNNING', endpoints: told };
  const pod = decodePod(
    {
      id: '/a',
      spec: { id: '/a', networks: row['networks'], containers: [{ name: 'c', endpoints }] },
      instances: [{ id: 'a.instance-1', agentHostname: '10.0.0.1', status: 'STABLE', containers: [container] }],
    },
    marathon,
  );
  if (pod === null) throw new Error('the pod is not read');
  return { mode: pod.app.networkMode, ports: pod.tasks[0]?.ports ?? [] };
}

/** A container's own port stands for all networks that the task is on. */
function announced(port: TaskPort, mode: NetworkMode, networks: readonly Row[]): readonly object[] {
  const { name, protocol, labels } = port;
  const entry = (number: number | null, more: Row): object => ({
    number,
    name,
    protocol,
    labels: { ...labels, ...more },
  });
  if (mode === 'host') return [entry(port.hostPort, {})];
  if (port.scope === 'host') return [entry(port.hostPort, { 'network-scope': 'host' })];
  return networks.map((network) =>
    entry(port.containerPort, { 'network-scope': 'container', 'network-name': network['name'] }),
  );
}

/** The rulesets load one after the other into one kernel: what stands alone first, changes behind. */
export function rulesetRules(folder: string): readonly Check[] {
  if (!existsSync(folder)) return [];
  const first = (file: string): number =>
    ['skeleton', 'add', 'change', 'empty'].findIndex((word) => file.startsWith(word));
  const files = readdirSync(folder).filter((file) => file.endsWith('.nft'));
  files.sort((a, b) => first(a) - first(b));
  return files.map((file): Check => [
    file,
    () => {
      const { status, stderr, error } = spawnSync('nft', ['-f', join(folder, file)], { encoding: 'utf8' });
      if (error !== undefined) return [`nft does not run: ${error.message}`];
      return status === 0 ? [] : stderr.trim().split('\n');
    },
  ]);
}
