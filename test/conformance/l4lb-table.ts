// Cases of VIPs that are asked of a real daemon: tables from a cluster's state, dcos-net's REST, and the life of a task on the stream.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localBackends, type DetailedVip, type VipRecord } from '../../lb/index.ts';
import { canonicalIp } from '../../lb/ip-number.ts';
import { backendKey, type Diagnostic } from '../../src/cluster/index.ts';
import { createReplay, startFakeMasters } from '../../src/fakes/index.ts';
import { startDaemon, type RunningDaemon } from '../feature/daemon.ts';
import type { Check, Row } from './l4lb.ts';

const rows = (value: unknown): readonly Row[] => (value ?? []) as readonly Row[];

const known = new Set(['title', 'why', 'config', 'input', 'expected', 'upstream_quirk', 'expected_ours']);

export function tableCase(file: Row): readonly Check[] {
  return [
    [
      String(file['title']),
      async () => {
        const strange = Object.keys(file).filter((key) => !known.has(key));
        if (strange.length > 0) return [`has ${strange.join()}, which the runner does not know`];
        const ours = file['expected_ours'];
        if (typeof ours === 'string') return legacyCase(file, ours);
        const expected = (ours ?? file['expected']) as Row;
        return withState(file['config'] as Row, file['input'], async (daemon) => [
          ...(await compareTable(daemon, expected)),
          ...(await compareLocal(daemon, expected['local_view'] as Row | undefined)),
        ]);
      },
    ],
  ];
}

/** A label beyond the reserved ports: the table is that without it, which is not nothing, and it is reported. */
async function legacyCase(file: Row, ours: string): Promise<readonly string[]> {
  if (!/out-of-range label gives nothing and is reported/.test(ours))
    return [`expected_ours "${ours}" is not understood`];
  const config = file['config'] as Row;
  const [healed, bad] = withoutStrayLabels(file['input']);
  if (bad.length === 0) return ['has no label beyond the reserved ports'];
  const wanted = await withState(config, healed, (daemon) => daemon.json<readonly VipRecord[]>('/v1/vips'));
  return withState(config, file['input'], async (daemon) => {
    const found = await daemon.json<readonly VipRecord[]>('/v1/vips');
    const reported = await daemon.json<readonly Diagnostic[]>('/v1/diagnostics');
    return [
      ...(JSON.stringify(found) === JSON.stringify(wanted) ? [] : [`the table is ${JSON.stringify(found)}`]),
      ...bad
        .filter((key) => !reported.some((one) => one.key === key && one.reason !== ''))
        .map((key) => `${key} is not reported`),
    ];
  });
}

function withoutStrayLabels(input: unknown): readonly [healed: unknown, bad: readonly string[]] {
  const bad: string[] = [];
  const healed = structuredClone(input) as { get_state: { get_tasks: { tasks: Record<string, unknown>[] } } };
  for (const task of healed.get_state.get_tasks.tasks) {
    const ranges = rows(task['resources'])
      .filter(({ name }) => name === 'ports')
      .flatMap(({ ranges }) => rows((ranges as Row | undefined)?.['range']));
    const count = ranges.reduce((sum, range) => sum + Number(range['end']) - Number(range['begin']) + 1, 0);
    const labels = rows((task['labels'] as Row | undefined)?.['labels']);
    const isStray = ({ key }: Row): boolean => Number(/^vip_port(\d+)$/i.exec(String(key))?.[1] ?? -1) >= count;
    bad.push(...labels.filter(isStray).map(({ key }) => String(key)));
    task['labels'] = { labels: labels.filter((label) => !isStray(label)) };
  }
  return [healed, bad];
}

/** A daemon on `state`, an operator API answer or event; the picture is complete when `use` is called. */
async function withState<T>(config: Row, state: unknown, use: (daemon: RunningDaemon) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-conformance-'));
  try {
    const path = join(directory, 'state.json');
    writeFileSync(path, JSON.stringify(state));
    const daemon = await startDaemon(configText([{ file: { path, name: 'mesos' } }], config));
    try {
      return await use(daemon);
    } finally {
      await daemon.stop();
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function configText(cluster: readonly unknown[], config: Row): string {
  const own = ['enable_ipv6', 'min_named_ip', 'max_named_ip', 'min_named_ip6', 'max_named_ip6'];
  const strange = Object.keys(config).filter((key) => !own.includes(key));
  if (strange.length > 0) throw new Error(`configuration key ${strange.join()} is not understood`);
  const range = (min: string, max: string): string | undefined =>
    config[min] === undefined ? undefined : `${String(config[min])}-${String(config[max])}`;
  const vips = {
    plane: 'user',
    ipv6: config['enable_ipv6'] !== false,
    range: range('min_named_ip', 'max_named_ip'),
    range6: range('min_named_ip6', 'max_named_ip6'),
  };
  return JSON.stringify({ cluster, admin: { listen: '127.0.0.1:0' }, dcosNet: '127.0.0.1:0', workers: 0, vips });
}

async function detailOf(daemon: RunningDaemon): Promise<readonly DetailedVip[]> {
  const answer = await fetch(`http://${daemon.address('dcosNet')}/v1/vips?detail=1`);
  return (await answer.json()) as readonly DetailedVip[];
}

/** A VIP of a case or of the daemon in one text: all that the case gives of it. */
function wantedText(vip: Row): string {
  const name = (vip['hash_name'] ?? String(vip['fqdn'] ?? '').replace(/\.l4lb\.thisdcos\.directory$/, '')) as string;
  const host = vip['ip'] === undefined ? name : canonicalIp(String(vip['ip']));
  const backends = rows(vip['backends']).map(
    ({ agent_ip: agent, ip, port, weight }) =>
      `${String(agent)}>${backendKey(String(ip), Number(port))}/${String(weight)}`,
  );
  return `${String(vip['protocol'] ?? 'tcp')} ${host}:${String(vip['port'])} -> ${backends.sort().join(' ')}`;
}

function foundText({ protocol, name, addresses, port, backend }: DetailedVip): string {
  const backends = backend.map((one) => `${one.agent_ip ?? '-'}>${backendKey(one.ip, one.port)}/${one.weight}`);
  return `${protocol} ${name ?? addresses[0] ?? ''}:${port} -> ${backends.sort().join(' ')}`;
}

async function compareTable(daemon: RunningDaemon, expected: Row): Promise<readonly string[]> {
  const found = await detailOf(daemon);
  const wanted = rows(expected['vips']);
  return [
    ...compareTexts(wanted.map(wantedText), found.map(foundText)),
    ...wanted.flatMap((vip) => compareNames(vip, found)),
  ];
}

function compareTexts(wanted: readonly string[], found: readonly string[]): readonly string[] {
  return [
    ...wanted.filter((line) => !found.includes(line)).map((line) => `missing: ${line}`),
    ...found.filter((line) => !wanted.includes(line)).map((line) => `should not be there: ${line}`),
    ...(new Set(found).size === found.length ? [] : ['a VIP stands twice']),
  ];
}

/** The name in the reference's zone, and the addresses that it was given. */
function compareNames(vip: Row, found: readonly DetailedVip[]): readonly string[] {
  if (vip['fqdn'] === undefined) return [];
  const own = found.find((one) => one.vip === `${String(vip['fqdn'])}:${String(vip['port'])}`);
  if (own === undefined) return [`no VIP has the name ${String(vip['fqdn'])}`];
  const address = vip['address'] as Readonly<Record<string, string>> | undefined;
  const wanted = Object.values(address ?? {}).map(canonicalIp);
  return address === undefined || wanted.sort().join() === [...own.addresses].sort().join()
    ? []
    : [`${String(vip['fqdn'])} is at ${own.addresses.join()}, not ${wanted.join()}`];
}

/** The same VIPs as single agents reach them. */
async function compareLocal(daemon: RunningDaemon, view: Row | undefined): Promise<readonly string[]> {
  const table = await daemon.json<readonly VipRecord[]>('/v1/vips');
  return Object.entries(view ?? {}).flatMap(([agent, vips]) =>
    rows(vips).flatMap((vip) => {
      const name = String(vip['fqdn']).replace(/\.l4lb\.thisdcos\.directory$/, '');
      const own = table.find(
        (one) => one.protocol === vip['protocol'] && one.name === name && one.port === vip['port'],
      );
      if (own === undefined) return [`${agent}: no VIP ${name}`];
      const found = localBackends(own, new Set([agent])).map((one) => `${one.key}/${one.weight}`);
      const wanted = rows(vip['backends']).map(
        ({ ip, port, weight }) => `${backendKey(String(ip), Number(port))}/${String(weight)}`,
      );
      return compareTexts(wanted, found).map((line) => `${agent}: ${line}`);
    }),
  );
}

export function restCase(file: Row): readonly Check[] {
  const withRest = async (use: (url: string) => Promise<readonly string[]>): Promise<readonly string[]> =>
    withState({}, stateOf(rows(file['input'])), (daemon) => use(`http://${daemon.address('dcosNet')}/v1/vips`));
  return [
    ['body', () => withRest(async (url) => compareBody(rows(file['expected']), await (await fetch(url)).json()))],
    ['headers', () => withRest(async (url) => compareHeaders(file['expected_headers'] as Row, await fetch(url)))],
    [
      'other methods',
      () =>
        withRest(async (url) => {
          const { status } = await fetch(url, { method: 'POST' });
          return status === 405 ? [] : [`POST gives ${status}`];
        }),
    ],
    [
      'details beside the same fields',
      () =>
        withRest(async (url) => {
          const [plain, detailed] = [
            (await (await fetch(url)).json()) as Row[],
            await (await fetch(`${url}?detail=1`)).json(),
          ];
          const cut = (detailed as Row[]).map(({ vip, protocol, backend }) => ({
            vip,
            protocol,
            backend: rows(backend).map(({ ip, port }) => ({ ip, port })),
          }));
          return JSON.stringify(cut) === JSON.stringify(plain) ? [] : ['the plain fields differ'];
        }),
    ],
  ];
}

/** Objects are the same to the last field; their order is not given. */
function compareBody(wanted: readonly Row[], found: unknown): readonly string[] {
  return compareTexts(
    wanted.map((vip) => JSON.stringify(vip)),
    rows(found).map((vip) => JSON.stringify(vip)),
  );
}

function compareHeaders(wanted: Row, answer: Response): readonly string[] {
  return Object.entries(wanted).flatMap(([name, text]) => {
    const value = answer.headers.get(name) ?? '';
    const isLike = /^base64\(sha1\(/.test(String(text)) ? /^[A-Za-z0-9+/]{27}=$/.test(value) : value === text;
    return isLike ? [] : [`${name} is "${value}", not ${String(text)}`];
  });
}

/** A cluster that has these VIPs: a backend is a task at its agent's port or at an address of its own; weight 0: it is being killed. */
function stateOf(vips: readonly Row[]): unknown {
  const agents = [...new Set(vips.flatMap((vip) => rows(vip['backends']).map((one) => String(one['agent_ip']))))];
  const frameworks = [...new Set(vips.map((vip) => String(vip['framework'] ?? 'marathon')))];
  const tasks = vips.flatMap((vip, i) =>
    rows(vip['backends']).map((backend, k) => {
      const state = backend['weight'] === 0 ? 'TASK_KILLING' : 'TASK_RUNNING';
      const value = `${String(vip['label'] ?? vip['ip'])}:${String(vip['port'])}`;
      const port = {
        number: backend['port'],
        protocol: vip['protocol'],
        labels: { labels: [{ key: 'VIP_0', value }] },
      };
      const addresses = [{ ip_address: backend['ip'] }];
      const networks = [
        { ...(backend['ip'] === backend['agent_ip'] ? {} : { name: 'dcos' }), ip_addresses: addresses },
      ];
      return {
        name: `task-${i}`,
        task_id: { value: `task-${i}.${k}` },
        framework_id: { value: String(vip['framework'] ?? 'marathon') },
        agent_id: { value: String(backend['agent_ip']) },
        state,
        statuses: [
          { state: 'TASK_RUNNING', timestamp: 1, container_status: { network_infos: networks } },
          ...(state === 'TASK_RUNNING' ? [] : [{ state, timestamp: 2, container_status: { network_infos: networks } }]),
        ],
        ...(backend['ip'] === backend['agent_ip']
          ? {}
          : { container: { type: 'MESOS', network_infos: [{ name: 'dcos' }] } }),
        discovery: { visibility: 'FRAMEWORK', name: `task-${i}`, ports: { ports: [port] } },
      };
    }),
  );
  return {
    type: 'GET_STATE',
    get_state: {
      get_agents: { agents: agents.map((ip) => ({ agent_info: { id: { value: ip }, hostname: ip, port: 5051 } })) },
      get_frameworks: { frameworks: frameworks.map((name) => ({ framework_info: { id: { value: name }, name } })) },
      get_tasks: { tasks },
    },
  };
}

/** The stream is played to a daemon one event at a time. */
export function lifecycleCase(file: Row): readonly Check[] {
  return [
    [
      String(file['title']),
      async () => {
        const [snapshot, ...events] = rows(file['events']);
        const replay = createReplay({ snapshot, events });
        const masters = await startFakeMasters(replay, { count: 1 });
        try {
          const daemon = await startDaemon(configText([{ mesos: { masters: [masters.url()] } }], {}));
          try {
            return await playEach(daemon, () => replay.next(), rows(file['expected_after_each_event']));
          } finally {
            await daemon.stop();
          }
        } finally {
          await masters.close();
        }
      },
    ],
  ];
}

async function playEach(daemon: RunningDaemon, next: () => void, steps: readonly Row[]): Promise<readonly string[]> {
  for (const [i, step] of steps.entries()) {
    if (i > 0) next();
    const wanted = rows(step['vips']).map(wantedText);
    let differences = ['never asked'] as readonly string[];
    for (const until = Date.now() + 5000; differences.length > 0 && Date.now() < until;) {
      differences = compareTexts(wanted, (await detailOf(daemon)).map(foundText));
      if (differences.length > 0) await new Promise((wake) => setTimeout(wake, 20));
    }
    if (differences.length > 0) return differences.map((line) => `after ${String(step['after'])}: ${line}`);
  }
  return [];
}
