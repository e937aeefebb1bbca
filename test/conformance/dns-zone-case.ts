// One row of expected-mesos-dns.json or expected-dcos-net.json: asked of a server, and compared with what it must answer.

import { canonicalAddress } from '../../dns/wire/index.ts';
import { ask, type SeenRecord, type SeenReply, type Server, type Transport } from './dns-asking.ts';
import { rowsOf } from './dns-outcome.ts';
import { strictRows, type KnownZones } from './dns-strict.ts';

type Row = Readonly<Record<string, unknown>>;

export interface ZoneCase {
  readonly id: string;
  readonly fixture: string;
  readonly config: Row;
  readonly qname: string;
  readonly qtype: string;
  readonly row: Row;
}

/** What a row may say; anything else is not understood. */
const known = new Set(
  [
    'id fixture config qname qtype rcode answers derived_from basis note',
    'authority authority_soa additional answer_owner flags ttl aa section transport ordered_prefix order_property',
  ]
    .join(' ')
    .split(' '),
);

/** The row as a case; a text says why it cannot be read. */
export function zoneCaseOf(row: Row): ZoneCase | string {
  const { id, fixture, config, qname, qtype, rcode } = row;
  const strange = Object.keys(row).filter((key) => !known.has(key));
  if (strange.length > 0) return `has ${strange.join(', ')}, which the runner does not know`;
  if (typeof id !== 'string' || typeof qname !== 'string' || typeof qtype !== 'string' || typeof rcode !== 'string')
    return 'lacks one of id, qname, qtype, rcode';
  if (typeof fixture !== 'string' || typeof config !== 'object' || config === null) return 'lacks fixture or config';
  if (!Array.isArray(row['answers'])) return 'has no answers';
  return { id, fixture, config: config as Row, qname, qtype, row };
}

/** Every difference between the case and what a server with `strict` on says: where several answers are right, from the nearest. */
export async function compareStrict(server: Server, one: ZoneCase, zones: KnownZones): Promise<readonly string[]> {
  const all: (readonly string[])[] = [];
  for (const row of strictRows(one, zones)) {
    const differences = await compareCase(server, { ...one, row }, true);
    if (differences.length === 0) return [];
    all.push(differences);
  }
  return all.sort((a, b) => a.length - b.length)[0]?.map((line) => `strict: ${line}`) ?? [];
}

/** Every difference between the row and what the server says, over each transport that the row asks for. */
export async function compareCase(
  server: Server,
  { qname, qtype, row }: ZoneCase,
  strict = false,
): Promise<readonly string[]> {
  const plan = transportsOf(row['transport']);
  if (typeof plan === 'string') return [plan];
  const differences: string[] = [];
  for (const { transport, times } of plan) {
    for (const reply of await ask(server, { name: qname, type: qtype }, transport, times)) {
      const found = [...compareReply(row, reply, transport), ...(strict ? compareDenial(reply) : [])];
      differences.push(...found.map((line) => `${transport}: ${line}`));
    }
  }
  if (row['order_property'] !== undefined && differences.length === 0)
    differences.push(...(await compareOrders(server, qname, qtype, String(row['order_property']))));
  return differences;
}

function transportsOf(text: unknown): readonly { readonly transport: Transport; readonly times: number }[] | string {
  const both = [
    { transport: 'udp', times: 1 },
    { transport: 'tcp', times: 1 },
  ] as const;
  if (text === undefined || text === 'udp answer must carry TC, tcp answer complete') return both;
  const plain = /^(udp|tcp)(?: x(\d+) on one connection)?$/.exec(String(text));
  if (plain === null) return `transport "${String(text)}" is not understood`;
  return [{ transport: plain[1] as Transport, times: Number(plain[2] ?? 1) }];
}

function compareReply(row: Row, reply: SeenReply, transport: Transport): readonly string[] {
  const mustCut = transport === 'udp' && String(row['transport'] ?? '').startsWith('udp answer must carry TC');
  const isCut = transport === 'udp' && reply.tc;
  const differences = [
    ...compareValue('rcode', row['rcode'], reply.rcode),
    ...compareFlags(row, reply, isCut),
    ...compareOwner(row, reply),
    ...compareAuthority(row, reply),
  ];
  if (mustCut && !reply.tc) differences.push('TC is not set');
  const wanted = rowsOf(row['answers'], 'answers');
  // A reply that says it was cut holds a part; the whole is asked for over TCP.
  if (isCut) differences.push(...strangers('answers', wanted, reply.answers));
  else differences.push(...compareRecords('answers', wanted, reply.answers), ...comparePrefix(row, wanted, reply));
  if (!isCut && row['additional'] !== undefined)
    differences.push(...compareRecords('additional', rowsOf(row['additional'], 'additional'), reply.additional));
  const ttl = row['ttl'];
  const others = reply.answers.filter((record) => record['ttl'] !== ttl);
  if (ttl !== undefined && others.length > 0)
    differences.push(`TTL is ${String(others[0]?.['ttl'])}, not ${String(ttl)}`);
  return differences;
}

/** A denial may be remembered for a few seconds only (specs/dns.md §8.2.1). */
const mostDenialSeconds = 5;

function compareDenial({ answers, authority }: SeenReply): readonly string[] {
  const soa = answers.length > 0 ? undefined : authority.find(({ type }) => type === 'SOA');
  const seconds = Math.min(Number(soa?.['ttl'] ?? 0), Number(soa?.['minimum'] ?? 0));
  return seconds > mostDenialSeconds ? [`the denial holds for ${seconds} s`] : [];
}

function compareValue(what: string, wanted: unknown, found: unknown): readonly string[] {
  return wanted === undefined || wanted === found ? [] : [`${what} is ${String(found)}, not ${String(wanted)}`];
}

function compareFlags(row: Row, reply: SeenReply, isCut: boolean): readonly string[] {
  const flags = { ...((row['flags'] ?? {}) as Row), ...(row['aa'] === undefined ? {} : { aa: row['aa'] }) };
  return Object.entries(flags).flatMap(([flag, wanted]) => {
    if (flag !== 'aa' && flag !== 'ra' && flag !== 'tc') return [`flag ${flag} is not understood`];
    return flag === 'tc' && isCut ? [] : compareValue(flag, wanted, reply[flag]);
  });
}

function compareOwner(row: Row, reply: SeenReply): readonly string[] {
  if (row['answer_owner'] === undefined) return [];
  const wanted = undotted(String(row['answer_owner']));
  const other = reply.answers.find((record) => record['name'] !== wanted);
  return other === undefined ? [] : [`an answer's owner is ${String(other['name'])}, not ${wanted}`];
}

function compareAuthority(row: Row, reply: SeenReply): readonly string[] {
  if (row['authority'] !== undefined)
    return compareRecords('authority', rowsOf(row['authority'], 'authority'), reply.authority);
  const hasSoa = reply.authority.some((record) => record['type'] === 'SOA');
  return compareValue('SOA in authority', row['authority_soa'], hasSoa);
}

/** Both ways: nothing missing, nothing too much. The order does not count. */
function compareRecords(what: string, wanted: readonly Row[], found: readonly SeenRecord[]): readonly string[] {
  const missing = wanted.filter((record) => !found.some((other) => isSame(record, other)));
  const differences = missing.map((record) => `${what}: ${JSON.stringify(record)} is missing`);
  differences.push(...strangers(what, wanted, found));
  if (differences.length === 0 && wanted.length !== found.length)
    differences.push(`${what}: ${found.length} records, not ${wanted.length}`);
  return differences;
}

function strangers(what: string, wanted: readonly Row[], found: readonly SeenRecord[]): readonly string[] {
  return found
    .filter((record) => !wanted.some((other) => isSame(other, record)))
    .map((record) => `${what}: ${JSON.stringify(record)} should not be there`);
}

function comparePrefix(row: Row, wanted: readonly Row[], reply: SeenReply): readonly string[] {
  const prefix = wanted.slice(0, Number(row['ordered_prefix'] ?? 0));
  return prefix.flatMap((record, i) => {
    const found = reply.answers[i];
    return found !== undefined && isSame(record, found) ? [] : [`answer ${i + 1} is not ${JSON.stringify(record)}`];
  });
}

/** Whether a record has every field that the case gives. */
function isSame(wanted: Row, found: SeenRecord): boolean {
  return Object.entries(wanted).every(([field, value]) => {
    if (value === 'any') return field in found;
    const other = found[field];
    if (typeof value !== 'string') return value === other;
    if (field === 'address') return (canonicalAddress(value) ?? value) === other;
    return undotted(value) === (typeof other === 'string' ? undotted(other) : other);
  });
}

const undotted = (name: string): string => name.replace(/\.$/, '');

/** `over N queries more than M distinct orders` or `exactly one order in N queries`; over TCP, where nothing is cut. */
async function compareOrders(server: Server, name: string, type: string, property: string): Promise<readonly string[]> {
  const many = /over (\d+) queries more than (\d+) distinct orders/.exec(property);
  const one = /exactly one order in (\d+) queries/.exec(property);
  if (many === null && one === null) return [`order_property "${property}" is not understood`];
  const replies = await ask(server, { name, type }, 'tcp', Number((many ?? one)?.[1]));
  const orders = replies.map(({ answers }) => answers.map((record) => record['address'] ?? record['target']).join());
  const distinct = new Set(orders).size;
  if (many !== null) return distinct > Number(many[2]) ? [] : [`${distinct} distinct orders; ${property}`];
  return distinct === 1 ? [] : [`${distinct} distinct orders; ${property}`];
}
