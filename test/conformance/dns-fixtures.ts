// The data files of DNS's cases, as the daemon is fed them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { emptySnapshot } from '../../src/cluster/index.ts';
import { createZoneView, recordOf, textOf, type ZoneRr } from '../../dns/index.ts';
import { rowsOf } from './dns-outcome.ts';

type Row = Readonly<Record<string, unknown>>;

const readText = (folder: string, file: string): string => readFileSync(join(folder, file), 'utf8');

/** A master's state without anything in it. */
export const emptyState = (leader: string): Row => ({ leader, slaves: [], frameworks: [] });

/**
 * A master's `/state`. The hand-made fixtures hold frameworks without an id and two tasks of one id in one framework, which no master
 * gives: frameworks get ids, and a second task of an id moves to a second framework of the same name, so that every name stays.
 */
export function readState(folder: string, file: string): Row {
  const state = JSON.parse(readText(folder, file)) as Row;
  let count = 0;
  const frameworks = rowsOf(state['frameworks'] ?? [], `frameworks of ${file}`).flatMap((framework) => {
    const id = typeof framework['id'] === 'string' ? framework['id'] : `framework-${++count}`;
    const rounds: Row[][] = [];
    for (const task of rowsOf(framework['tasks'] ?? [], `tasks of ${file}`)) {
      const round = rounds.find((tasks) => !tasks.some((other) => other['id'] === task['id']));
      if (round === undefined) rounds.push([task]);
      else round.push(task);
    }
    if (rounds.length === 0) rounds.push([]);
    return rounds.map((tasks, i) => {
      const own = i === 0 ? id : `${id}-${i}`;
      return { ...framework, id: own, tasks: tasks.map((task) => ({ ...task, framework_id: own })) };
    });
  });
  return { ...state, frameworks };
}

/** Operator-API events one a line, each with its type, which some recordings leave to the key; a lone document stays as it is. */
export function readEvents(folder: string, file: string): string {
  const lines = readText(folder, file)
    .split('\n')
    .filter((line) => line.trim() !== '');
  if (lines.length < 2) return lines.join('\n');
  const events = lines.map((line) => JSON.parse(line) as Row);
  return events.map((event) => JSON.stringify({ type: Object.keys(event)[0]?.toUpperCase(), ...event })).join('\n');
}

/** Records as `[name, type, data]`. */
export type PlainRecord = readonly [name: string, type: string, data: string];

/** Whether a file is a recorded `/v1/axfr` of Mesos-DNS, whatever its name. */
export const isTransfer = (folder: string, file: string): boolean =>
  file !== 'none' && /^\s*\{[^]*"Records"\s*:\s*\{/.test(readText(folder, file));

/** The records of a recorded `/v1/axfr` of Mesos-DNS. */
export function readTransfer(folder: string, file: string): readonly PlainRecord[] {
  const { Records } = JSON.parse(readText(folder, file)) as {
    readonly Records: Readonly<Record<'As' | 'AAAAs' | 'SRVs', Readonly<Record<string, readonly string[]>>>>;
  };
  return [['A', Records.As] as const, ['AAAA', Records.AAAAs] as const, ['SRV', Records.SRVs] as const].flatMap(
    ([type, names]) =>
      Object.entries(names).flatMap(([name, values]) => values.map((value): PlainRecord => [name, type, value])),
  );
}

/** The zone's table without a cluster, and these records and zones beside what is always there. */
export function tableOf(
  records: readonly PlainRecord[],
  strict: boolean,
  zones: readonly string[] = [],
): ReadonlyMap<string, string> {
  const view = createZoneView({ fixedSerials: !strict });
  view.rebuild(emptySnapshot());
  const table = new Map(view.table);
  const apex = table.get('dcos.thisdcos.directory.') ?? '';
  for (const zone of zones.map(dotted)) if (!table.has(zone)) table.set(zone, apex);
  for (const [owner, type, data] of records) {
    const name = dotted(owner);
    const held = table.get(name);
    const rrs = held === undefined ? [] : recordOf(name, held).rrs;
    table.set(name, textOf([...rrs, rrOf(type, data)]));
  }
  return table;
}

function rrOf(type: string, data: string): ZoneRr {
  if (type === 'A' || type === 'AAAA') return { type, ttl: 5, address: data };
  if (type === 'CNAME') return { type, ttl: 5, target: dotted(data) };
  const colon = data.lastIndexOf(':');
  if (type !== 'SRV' || colon < 0) throw new Error(`record type ${type} is not understood`);
  return {
    type,
    ttl: 5,
    priority: 0,
    weight: 1,
    port: Number(data.slice(colon + 1)),
    target: dotted(data.slice(0, colon)),
  };
}

const dotted = (name: string): string => (name.endsWith('.') ? name : `${name}.`);

/** A cluster whose tasks carry the labels of `vips`: each back end is a task on an agent of its own. */
export function stateOfVips(vips: readonly Row[]): Row {
  const slaves = new Map<string, Row>();
  const frameworks = vips.map((vip, i) => {
    const framework = typeof vip['framework'] === 'string' ? vip['framework'] : 'marathon';
    const value = typeof vip['vip'] === 'string' ? vip['vip'] : `${String(vip['label'])}:${String(vip['port'])}`;
    const tasks = (vip['backends'] as readonly string[]).map((backend, k) => {
      const colon = backend.lastIndexOf(':');
      const host = backend.slice(0, colon);
      const port = Number(backend.slice(colon + 1));
      slaves.set(host, { id: `S-${host}`, hostname: host.replace(/[[\]]/g, ''), pid: `slave(1)@${host}:5051` });
      return taskOf({ id: `vip-${i}.${k}`, frameworkId: `framework-${i}`, agentId: `S-${host}` }, vip, value, port);
    });
    return { id: `framework-${i}`, name: framework, active: true, tasks };
  });
  return { ...emptyState('master@127.0.0.1:5050'), slaves: [...slaves.values()], frameworks };
}

function taskOf(
  ids: { readonly id: string; readonly frameworkId: string; readonly agentId: string },
  vip: Row,
  value: string,
  port: number,
): Row {
  const labels = { labels: [{ key: 'VIP_0', value }] };
  return {
    id: ids.id,
    name: ids.id,
    framework_id: ids.frameworkId,
    slave_id: ids.agentId,
    state: 'TASK_RUNNING',
    resources: { ports: `[${port}-${port}]` },
    statuses: [{ state: 'TASK_RUNNING', timestamp: 1 }],
    discovery: {
      name: ids.id,
      visibility: 'FRAMEWORK',
      ports: { ports: [{ number: port, protocol: vip['protocol'], labels }] },
    },
  };
}
