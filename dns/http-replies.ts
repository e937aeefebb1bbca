// Mesos-DNS's HTTP API as data (specs/dns.md §5): what each path answers, computed from the zone view. No I/O, no secrets.

import type { Snapshot, Task } from '../src/cluster/index.ts';
import { keyOfName, lowerCase, nameOfKey } from './wire/index.ts';
import { rdataText, recordOf, type ZoneRecord, type ZoneRr, type ZoneView } from './zone/index.ts';
import { mesosZone } from './zones.ts';

export interface DnsHttpSource {
  readonly view: ZoneView;
  readonly snapshot: Snapshot;
  /** Version of the daemon. */
  readonly version: string;
  readonly domain: string;
  readonly ttlSeconds: number;
  readonly soaMname: string;
  readonly soaRname: string;
  /** False: `/v1/enumerate` and `/v1/axfr` do not exist. */
  readonly enumerationOn: boolean;
  /** What `/v1/config` shows; the caller leaves credentials out. */
  readonly configuration: Readonly<Record<string, unknown>>;
  /** Seconds since 1970 of the last change. */
  readonly serial: () => number;
}

export interface HttpReply {
  readonly status: number;
  /** Sent as pretty-printed JSON; null: no body. */
  readonly body: unknown;
  /** Instead of `body`: plain text. */
  readonly text?: string;
}

const notFound: HttpReply = { status: 404, body: null };
const ok = (body: unknown): HttpReply => ({ status: 200, body });

/** The reply to a GET of `path` (without query string). `accept` is the header's value, '' if there is none. */
export function dnsHttpReply(path: string, accept: string, source: DnsHttpSource): HttpReply {
  const reply = replyOf(path, source);
  // What is not there is not there in any form.
  return reply.status === 404 || acceptsJson(accept) ? reply : { status: 406, body: null };
}

function replyOf(path: string, source: DnsHttpSource): HttpReply {
  const [, version, resource, argument, rest, ...more] = path.split('/');
  if (version !== 'v1' || more.length > 0) return notFound;
  if (rest !== undefined) {
    const isPorts = resource === 'hosts' && rest === 'ports';
    return isPorts ? { status: 501, body: null, text: 'To be implemented...' } : notFound;
  }
  if (argument !== undefined) return argument === '' ? notFound : lookup(resource, argument, source);
  switch (resource) {
    case 'version':
      return ok({ Service: 'Mesos-DNS', Version: source.version, URL: 'https://github.com/mesosphere/mesos-dns' });
    case 'config':
      return ok(source.configuration);
    case 'enumerate':
      return source.enumerationOn ? ok(enumerate(source)) : notFound;
    case 'axfr':
      return source.enumerationOn ? ok(transfer(source)) : notFound;
    default:
      return notFound;
  }
}

function acceptsJson(accept: string): boolean {
  const types = accept.split(',').map((part) => (part.split(';')[0] ?? '').trim().toLowerCase());
  return accept.trim() === '' || types.some((type) => type === 'application/json' || type === '*/*');
}

function lookup(resource: string | undefined, argument: string, source: DnsHttpSource): HttpReply {
  const asked = decoded(argument);
  if (asked === null || (resource !== 'hosts' && resource !== 'services')) return notFound;
  return ok(resource === 'hosts' ? addressesOf(asked, source) : servicesOf(asked, source));
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** The record of a name below the domain, however it is spelled; dcos-net's zones are not Mesos-DNS's. */
function recordNamed(name: string, { view, domain }: DnsHttpSource): ZoneRecord | undefined {
  const key = keyOfName(lowerCase(name));
  const full = key === null ? '' : nameOfKey(key);
  const text = full.endsWith(`.${mesosZone(domain)}`) ? view.table.get(full) : undefined;
  return text === undefined ? undefined : recordOf(full, text);
}

function addresses(record: ZoneRecord | undefined): readonly string[] {
  const of = (type: string): readonly string[] =>
    (record?.rrs ?? []).flatMap((rr) => (rr.type === type && 'address' in rr ? [rr.address] : []));
  return [...of('A'), ...of('AAAA')];
}

function addressesOf(name: string, source: DnsHttpSource): readonly object[] {
  const record = recordNamed(name, source);
  const found = addresses(record).map((ip) => ({ host: record?.name ?? '', ip }));
  return found.length === 0 ? [{ host: '', ip: '' }] : found;
}

/** Ports are text here, and `service` is what was asked (§5). */
function servicesOf(name: string, source: DnsHttpSource): readonly object[] {
  const found = (recordNamed(name, source)?.rrs ?? []).flatMap((rr) => {
    if (rr.type !== 'SRV') return [];
    const ips = addresses(recordNamed(rr.target, source));
    const firsts = [ips.find((ip) => !ip.includes(':')), ips.find((ip) => ip.includes(':'))];
    return firsts.flatMap((ip) =>
      ip === undefined ? [] : [{ service: name, host: rr.target, ip, port: String(rr.port) }],
    );
  });
  return found.length === 0 ? [{ service: '', host: '', ip: '', port: '' }] : found;
}

/** Text of a record's value as Mesos-DNS keeps it: an address, or `target:port`. */
const valueOf = (rr: ZoneRr): string => (rr.type === 'SRV' ? `${rr.target}:${rr.port}` : rdataText(rr));

function transfer(source: DnsHttpSource): object {
  const records = { As: {}, AAAAs: {}, SRVs: {} } satisfies Record<string, Record<string, string[]>>;
  const kinds: Readonly<Partial<Record<ZoneRr['type'], Record<string, string[]>>>> = {
    A: records.As,
    AAAA: records.AAAAs,
    SRV: records.SRVs,
  };
  for (const { name, rrs } of ownRecords(source)) {
    for (const rr of rrs) {
      const names = kinds[rr.type];
      if (names !== undefined) (names[name] ??= []).push(valueOf(rr));
    }
  }
  return {
    TTL: source.ttlSeconds,
    Serial: source.serial(),
    RefreshSeconds: 0,
    Mname: source.soaMname,
    Rname: source.soaRname,
    Domain: mesosZone(source.domain).slice(0, -1),
    Records: records,
  };
}

function ownRecords({ view, domain }: DnsHttpSource): readonly ZoneRecord[] {
  const suffix = `.${mesosZone(domain)}`;
  return [...view.table]
    .filter(([name]) => name.endsWith(suffix))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => recordOf(name, text));
}

interface EnumeratedTask {
  readonly name: string;
  readonly id: string;
  records: object[] | null;
}

/** Frameworks, their tasks, and of each record the first task that gives it. */
function enumerate(source: DnsHttpSource): object {
  const frameworks = new Map<string, { readonly name: string; readonly tasks: EnumeratedTask[] }>();
  const tasks = new Map<string, EnumeratedTask>();
  for (const task of source.snapshot.tasks.values()) {
    if (task.state !== 'TASK_RUNNING' || task.agentIp === null) continue;
    const listed: EnumeratedTask = { name: nameOf(task), id: task.id, records: null };
    tasks.set(task.key, listed);
    const framework = frameworks.get(task.frameworkId);
    if (framework === undefined) frameworks.set(task.frameworkId, { name: task.framework, tasks: [listed] });
    else framework.tasks.push(listed);
  }
  for (const { name, rrs } of ownRecords(source)) {
    const given = source.view.sourcesOf(name);
    rrs.forEach((rr, i) => {
      const task = tasks.get(given[i]?.sources[0] ?? '');
      if (task !== undefined) (task.records ??= []).push({ name, host: valueOf(rr), rtype: rr.type });
    });
  }
  return { frameworks: [...frameworks.values()] };
}

const nameOf = (task: Task): string =>
  task.discoveryName === null || task.discoveryName === '' ? task.name : task.discoveryName;
