// dcos-net's REST API for names as data (specs/dns.md §6.11): what each path answers, computed from the zone's table. No I/O.

import type { Table } from '../src/ports/index.ts';
import { heldKey, renamedRr, renamingOf, type Renaming } from './renaming.ts';
import { keyOfName, lowerCase, nameOfKey } from './wire/index.ts';
import { rrsOf, type RecordText, type ZoneRr } from './zone/index.ts';
import { dcosZones } from './zones.ts';
import type { HttpReply } from './http-replies.ts';

export interface DcosReplySource {
  readonly table: Table<RecordText>;
  /** Version of the daemon. */
  readonly version: string;
  /** Under which dcos-net knows Mesos-DNS's names; its own zone of that name is a copy (§6.3). */
  readonly copy: Renaming | undefined;
}

const zoneSuffixes = Object.values(dcosZones).map((zone) => `.${zone}`);
const ok = (body: unknown): HttpReply => ({ status: 200, body });

/** The reply to a GET of `path` (without query string); null: no path of names. */
export function dcosNameReply(path: string, source: DcosReplySource): HttpReply | null {
  const [, version, resource = '', argument, ...more] = path.split('/');
  if (version !== 'v1' || more.length > 0) return null;
  if (argument === undefined) return wholeReply(resource, source);
  const asked = decoded(argument);
  if (asked === null || (resource !== 'hosts' && resource !== 'services')) return null;
  const rrs = recordsOf(asked, source);
  return ok(resource === 'hosts' ? hosts(asked, rrs) : services(asked, rrs, source));
}

function wholeReply(resource: string, source: DcosReplySource): HttpReply | null {
  switch (resource) {
    case 'version':
      return ok({ Service: 'dcos-dns', Version: source.version });
    case 'config':
    case 'enumerate':
      return { status: 501, body: null };
    case 'records':
      return ok(allRecords(source));
    default:
      return null;
  }
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** Records of a name in a zone of dcos-net's; none for a name with its trailing dot, nor for Mesos-DNS's own zone. */
function recordsOf(name: string, { table, copy }: DcosReplySource): readonly ZoneRr[] {
  const key = name.endsWith('.') ? null : keyOfName(lowerCase(name));
  if (key === null) return [];
  if (copy !== undefined && renamingOf([copy], key) !== undefined) {
    return rrsAt(table, nameOfKey(heldKey(copy, key))).map((rr) => renamedRr(rr, copy));
  }
  const full = nameOfKey(key);
  return isDcosName(full) ? rrsAt(table, full) : [];
}

function rrsAt(table: Table<RecordText>, name: string): readonly ZoneRr[] {
  const text = table.get(name);
  return text === undefined ? [] : rrsOf(text);
}

const isDcosName = (name: string): boolean => zoneSuffixes.some((suffix) => `.${name}`.endsWith(suffix));

const hosts = (host: string, rrs: readonly ZoneRr[]): readonly object[] =>
  rrs.flatMap((rr) => (rr.type === 'A' ? [{ host, ip: rr.address }] : []));

/** Ports are numbers here, unlike Mesos-DNS's; `ip` is there where the target has one. */
function services(service: string, rrs: readonly ZoneRr[], source: DcosReplySource): readonly object[] {
  return rrs.flatMap((rr) => {
    if (rr.type !== 'SRV') return [];
    const ip = recordsOf(withoutDot(rr.target), source).find((target) => target.type === 'A');
    const entry = { service, host: withoutDot(rr.target), port: rr.port };
    return [ip === undefined ? entry : { ...entry, ip: ip.address }];
  });
}

function allRecords({ table, copy }: DcosReplySource): readonly object[] {
  const listed: object[] = [];
  for (const [name, text] of table) {
    const isCopied = copy !== undefined && name.endsWith(`.${copy.to}`);
    if (!isCopied && !isDcosName(name)) continue;
    const shown = withoutDot(isCopied ? name.slice(0, -copy.to.length) + copy.from : name);
    for (const held of rrsOf(text)) {
      const rr = isCopied ? renamedRr(held, copy) : held;
      const host = valueOf(rr);
      if (host !== null) listed.push({ name: shown, host, rtype: rr.type });
    }
  }
  return listed;
}

function valueOf(rr: ZoneRr): string | null {
  if (rr.type === 'A' || rr.type === 'AAAA') return rr.address;
  return rr.type === 'SRV' ? `${withoutDot(rr.target)}:${rr.port}` : null;
}

const withoutDot = (name: string): string => name.replace(/\.$/, '');
