// Marathon-LB's port 9090 as text: HAProxy's CSV, the maps of hosts and apps, the rendered model (specs/l7.md §1.15). From the table of
// routes and readings of the router's metrics; no traffic comes here.

import type { MetricJson } from '../../src/runtime/index.ts';
import type { Table } from '../../src/ports/index.ts';
import type { Backend } from '../../src/cluster/index.ts';
import { serverId } from './labels/server-name.ts';
import { optionsWithoutSecrets } from './options-record.ts';
import { setKey, type RouteRecord, type SetEntry } from './route-record.ts';
import type { ServiceEntry } from './service-record.ts';
import { serverName } from './sticky-cookie.ts';

/** HAProxy 2.0's columns; those that are not told of stay empty. */
const columns =
  'pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,type,rate,rate_lim,rate_max,check_status,check_code,check_duration,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other'.split(
    ',',
  );

type Row = Readonly<Record<string, string | number>>;

/** One process's metrics each. */
export type Readings = readonly (readonly MetricJson[])[];

interface Server {
  readonly backend: Backend;
  readonly name: string;
}

interface ServedSet {
  readonly service: ServiceEntry | null;
  readonly id: string;
  readonly name: string;
  readonly servers: readonly Server[];
}

/** `;csv`: a line a frontend, server and backend, each ended by a comma, as HAProxy does. */
export function haproxyCsv(table: Table<RouteRecord>, readings: Readings): string {
  const sums = sumsOf(readings);
  const rows = servedSets(table).flatMap((set) => rowsOf(set, sums));
  const lines = rows.map((row) => `${columns.map((column) => row[column] ?? '').join(',')},\n`);
  return `# ${columns.join(',')},\n${lines.join('')}`;
}

/** `?stats`: the same for people. */
export function haproxyPage(table: Table<RouteRecord>, readings: Readings): string {
  const sums = sumsOf(readings);
  const shown = ['pxname', 'svname', 'status', 'weight', 'scur', 'stot', 'bin', 'bout', 'hrsp_2xx', 'hrsp_5xx'];
  const cell = (value: string | number | undefined): string => `<td>${escaped(String(value ?? ''))}</td>`;
  const rows = servedSets(table)
    .flatMap((set) => rowsOf(set, sums))
    .map((row) => `<tr>${shown.map((column) => cell(row[column])).join('')}</tr>`);
  const head = shown.map((column) => `<th>${column}</th>`).join('');
  return `<!doctype html><html lang="en"><title>isthmus: back ends</title><h1>Back ends</h1><table><tr>${head}</tr>${rows.join('\n')}</table></html>\n`;
}

/** `host backendName` lines. */
export function vhostMap(table: Table<RouteRecord>): string {
  const lines = new Set<string>();
  for (const record of table.values())
    if (record.kind === 'route') lines.add(`${record.host} ${nameOf(table, record.set)}\n`);
  return [...lines].sort().join('');
}

/** `appId backendName` lines: who the X-Marathon-App-Id header reaches. */
export function appMap(table: Table<RouteRecord>): string {
  const lines: string[] = [];
  for (const record of table.values())
    if (record.kind === 'app') lines.push(`${record.appId} ${nameOf(table, record.set)}\n`);
  return lines.sort().join('');
}

/** The model that routes by, a JSON line a record, without password hashes. */
export function renderedModel(table: Table<RouteRecord>): string {
  const lines = [...table]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, record]) => `${key} ${JSON.stringify(record.kind === 'options' ? withoutSecrets(record) : record)}\n`);
  return lines.join('');
}

/** Values of fields may be credentials too: an Authorization that a label sets, say. */
function withoutSecrets(record: Parameters<typeof optionsWithoutSecrets>[0]): object {
  const shown = optionsWithoutSecrets(record);
  const headers = shown.requestHeaders?.map((change) => ({ ...change, value: change.value === '' ? '' : '***' }));
  return headers === undefined ? shown : { ...shown, requestHeaders: headers };
}

function servedSets(table: Table<RouteRecord>): readonly ServedSet[] {
  const sets: ServedSet[] = [];
  for (const record of table.values()) {
    if (record.kind !== 'set') continue;
    const service = table.get(`service:${record.id}`);
    sets.push({
      service: service?.kind === 'service' ? service : null,
      id: record.id,
      name: nameOf(table, record.id),
      servers: serversOf(record),
    });
  }
  return sets.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const serversOf = ({ backends, names }: SetEntry): readonly Server[] =>
  backends.map((backend, i) => ({ backend, name: names?.[i] ?? serverName(backend) }));

function nameOf(table: Table<RouteRecord>, id: string): string {
  const service = table.get(`service:${id}`);
  if (service?.kind === 'service') return service.name;
  return table.has(setKey(id)) ? id.replace(/^[^:]*:\//, '').replace(/[^A-Za-z0-9.-]/g, '_') : id;
}

const statusOf: Readonly<Record<Backend['state'], string>> = { up: 'UP', draining: 'MAINT', down: 'DOWN' };
const counted = ['scur', 'stot', 'bin', 'bout', 'hrsp_1xx', 'hrsp_2xx', 'hrsp_3xx', 'hrsp_4xx', 'hrsp_5xx'] as const;

function rowsOf({ name, servers }: ServedSet, sums: Sums): readonly Row[] {
  const taken = new Set<number>();
  const rows = servers.map(({ backend, name: svname }): Row => {
    const count = (column: string): number => sums.get(`${backend.key} ${column}`) ?? 0;
    const numbers = Object.fromEntries(counted.map((column) => [column, count(column)]));
    const up = backend.state === 'up' ? 1 : 0;
    const status = statusOf[backend.state];
    const sid = serverId(svname, taken);
    return { pxname: name, svname, qcur: 0, ...numbers, status, weight: 1, act: up, rate: 0, sid };
  });
  const sum = (column: string): number => rows.reduce((total, row) => total + Number(row[column] ?? 0), 0);
  const totals = Object.fromEntries(counted.map((column) => [column, sum(column)]));
  const act = sum('act');
  const all = { pxname: name, qcur: 0, ...totals, rate: 0 };
  return [
    { ...all, svname: 'FRONTEND', status: 'OPEN' },
    ...rows,
    { ...all, svname: 'BACKEND', status: act > 0 ? 'UP' : 'DOWN', weight: act, act },
  ];
}

/** `backend column` to number, over all processes. */
type Sums = ReadonlyMap<string, number>;

const columnOfMetric: Readonly<Record<string, string>> = {
  isthmus_router_backend_active: 'scur',
  isthmus_router_backend_tries_total: 'stot',
  isthmus_router_backend_request_bytes_total: 'bin',
  isthmus_router_backend_answer_bytes_total: 'bout',
  isthmus_router_backend_answers_total: 'hrsp_',
};

function sumsOf(readings: Readings): Sums {
  const sums = new Map<string, number>();
  for (const { name, values } of readings.flat()) {
    const column = columnOfMetric[name];
    if (column === undefined) continue;
    for (const { labels, value } of values) {
      const key = `${labels['backend'] ?? ''} ${column}${column === 'hrsp_' ? String(labels['class'] ?? '') : ''}`;
      sums.set(key, (sums.get(key) ?? 0) + value);
    }
  }
  return sums;
}

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char] ?? char);
