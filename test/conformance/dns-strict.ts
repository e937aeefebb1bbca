// What a row's answer becomes with `strict` on: by rule from the reference's answer, so that rows may be of any name and type. Where a
// note names the strict answer's code, the note decides.

import type { ZoneCase } from './dns-zone-case.ts';

type Row = Readonly<Record<string, unknown>>;

/** What is known of the server's zones. */
export interface KnownZones {
  /** Apexes, lower case and without the dot at their end. */
  readonly apexes: readonly string[];
  /** Whether a name (likewise) has records, or names below it that do. */
  has(name: string): boolean;
}

/** How the case is answered with `strict` on: any of these, each in a row's form. */
export function strictRows({ row, qname, qtype }: ZoneCase, zones: KnownZones): readonly Row[] {
  const name = qname.toLowerCase().replace(/\.$/, '');
  const apex = apexOf(name, zones.apexes);
  const isAnswered = row['rcode'] === 'NOERROR' || row['rcode'] === 'NXDOMAIN';
  if (apex === null || !isAnswered) return [row];
  const answers = row['answers'] as readonly Row[];
  if (qtype === 'ANY' && !name.endsWith('.spartan')) return anyRows(row, name, apex, zones);
  // SOA and NS belong into the answer at the apex, and nowhere else.
  if ((qtype === 'SOA' || qtype === 'NS') && name === apex) return [apexRow(row, qtype, apex)];
  if (answers.length === 0) return [denialRow(row, name, apex, zones)];
  return [row['answer_owner'] === undefined ? row : { ...row, answer_owner: qname }];
}

const zonesOfDcos = ['dcos', 'l4lb', 'mesos'].map((zone) => `${zone}.thisdcos.directory`);
const otherSpellings = [
  'dclb.thisdcos.directory',
  'dclb.thisdcos.global',
  'l4lb.thisdcos.global',
  'dcos.thisdcos.global',
];

/** The zones of a server under a case's configuration that holds records under `names`. */
export function knownZones(config: Row, names: readonly string[]): KnownZones {
  const domain = String(config['domain'] ?? 'mesos').toLowerCase();
  const given = Object.keys((config['zones'] ?? {}) as object);
  const there = new Set(names.flatMap(withParents));
  return {
    apexes: [domain, ...zonesOfDcos, ...otherSpellings, 'zk', 'spartan', 'localhost', ...given],
    has: (name) => there.has(heldName(name, domain)),
  };
}

function withParents(name: string): readonly string[] {
  const labels = name.split('.');
  return labels.map((_, i) => labels.slice(i).join('.'));
}

/** The name under which a listing shows it (specs/dns.md §6.3, §6.6). */
const heldName = (name: string, domain: string): string =>
  name
    .replace(/\.thisdcos\.global$|\.[a-z0-9]+\.dcos\.directory$/, '.thisdcos.directory')
    .replace(/\bdclb\.thisdcos\.directory$/, 'l4lb.thisdcos.directory')
    .replace(/\.mesos\.thisdcos\.directory$/, `.${domain}`);

function apexOf(name: string, apexes: readonly string[]): string | null {
  const holding = apexes.filter((apex) => name === apex || name.endsWith(`.${apex}`));
  return holding.sort((a, b) => b.length - a.length)[0] ?? null;
}

/** RFC 8482: records of one kind, whichever. */
function anyRows(row: Row, name: string, apex: string, zones: KnownZones): readonly Row[] {
  if (name === apex) return ['SOA', 'NS'].map((type) => apexRow(row, type, apex));
  const answers = row['answers'] as readonly Row[];
  if (answers.length === 0) return [denialRow(row, name, apex, zones)];
  const types = new Set(answers.map(({ type }) => type));
  const { additional: _additional, ...rest } = plain(row);
  return [...types].map((type) => ({
    ...rest,
    answers: answers.filter((record) => record['type'] === type),
    authority: [],
  }));
}

function apexRow(row: Row, type: string, apex: string): Row {
  const { additional: _additional, ttl: _ttl, ...rest } = plain(row);
  // dcos-net has its own in the answer already: they say what is in them.
  const given = (row['answers'] as readonly Row[]).filter((record) => record['type'] === type);
  // Serials follow the changes, so that secondaries can.
  const fixed = given.map((record) => ('serial' in record ? { ...record, serial: 'any' } : record));
  const answers = fixed.length > 0 ? fixed : [{ type, name: apex }];
  return { ...rest, rcode: 'NOERROR', answers, answer_owner: apex, authority: [] };
}

/** NODATA or NXDOMAIN (RFC 8020: a name with names below it is there), with the zone's SOA. */
function denialRow(row: Row, name: string, apex: string, zones: KnownZones): Row {
  const isThere = name === apex || zones.has(name) || zones.has(name.replaceAll('.*', ''));
  const rcode = codeOfNote(row) ?? (isThere ? 'NOERROR' : 'NXDOMAIN');
  return { ...plain(row), rcode, answers: [], authority: [{ type: 'SOA', name: apex }] };
}

/** The row without what its authority section was in the reference. */
function plain(row: Row): Row {
  const { authority: _authority, authority_soa: _soa, answer_owner: _owner, section: _section, ...rest } = row;
  return rest;
}

/** `strict: NOERROR`, `with strict on it is NODATA` and the like. */
function codeOfNote(row: Row): string | null {
  const codes = 'NOERROR|NODATA|NXDOMAIN|REFUSED|SERVFAIL|FORMERR|NOTIMP';
  const found = new RegExp(`\\bstrict\\b(?![^.;]*\\boff\\b)[^.;]*?\\b(${codes})\\b`, 'i').exec(
    String(row['note'] ?? ''),
  );
  const code = found?.[1]?.toUpperCase();
  return code === undefined ? null : code === 'NODATA' ? 'NOERROR' : code;
}
