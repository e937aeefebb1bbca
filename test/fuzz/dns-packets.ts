// DNS packets to start from, and what every answer must be: decoded whole by another's codec, with our id, no longer than allowed.

import dnsPacket, { type Packet, type RecordType } from 'dns-packet';
import { Finding } from './fuzz-run.ts';

const names = [
  'app-0.marathon.mesos',
  '_app-0._tcp.marathon.mesos',
  'aPp-0.MARATHON.mesos',
  'leader.mesos',
  'mesos',
  'nosuch.marathon.mesos',
  'marathon.mesos',
  'app-0.*.marathon.mesos',
  'app-0.marathon.autoip.dcos.thisdcos.directory',
  'app-0.marathon.mesos.thisdcos.directory',
  'ready.spartan',
  '1.0.0.10.in-addr.arpa',
  `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(50)}.mesos`,
];
const types = ['A', 'AAAA', 'SRV', 'SOA', 'NS', 'ANY', 'TXT', 'PTR', 'CNAME', 'AXFR', 'IXFR', 'DS', 'HTTPS'];

/** Questions of many kinds, and messages that are none. */
export function dnsSeeds(): readonly Buffer[] {
  const seeds = names.flatMap((name, i) =>
    types.map((type, k) => encode({ questions: [question(name, type)] }, i * types.length + k)),
  );
  for (const [i, size] of [0, 512, 1232, 4096, 65535].entries()) {
    const option = { code: 10, data: Buffer.from('0123456789abcdef', 'hex') };
    const opt = { type: 'OPT', name: '.', udpPayloadSize: size, flags: 0x8000, options: [option] };
    seeds.push(encode({ questions: [question(names[i] as string, 'A')], additionals: [opt] as never }, 1000 + i));
    seeds.push(
      encode({ questions: [question('_app-0._tcp.marathon.mesos', 'SRV')], additionals: [opt] as never }, 2000 + i),
    );
  }
  const answer = { name: 'app-0.marathon.mesos', type: 'A' as const, ttl: 1, data: '192.0.2.1' };
  seeds.push(encode({ questions: names.slice(0, 3).map((name) => question(name, 'A')) }, 3000));
  seeds.push(encode({ type: 'response', questions: [question('app-0.marathon.mesos', 'A')], answers: [answer] }, 3001));
  seeds.push(encode({ questions: [question('mesos', 'SOA')], authorities: [answer] }, 3002));
  seeds.push(Buffer.alloc(0), Buffer.alloc(12), Buffer.alloc(512, 0xc0));
  return seeds;
}

export const question = (name: string, type: string): { name: string; type: RecordType } => ({
  name,
  type: type as RecordType,
});

export const encode = (packet: Packet, id: number): Buffer =>
  dnsPacket.encode({ type: 'query', id, flags: dnsPacket.RECURSION_DESIRED, ...packet });

/** What a reply may be: by the protocol, or as the references have it. */
export interface Rules {
  readonly transport: 'udp' | 'tcp';
  readonly strict: boolean;
}

const mostPlain = 512;
const mostEdns = 1232;
const mostReference = 4096;
const mostTcp = 65_535;

/** Throws a Finding where `reply` is no answer to give to `query`. */
export function checkReply(query: Buffer, reply: Buffer, rules: Rules): void {
  const fail = (what: string): never => {
    throw new Finding(`${what}; reply ${reply.toString('hex').slice(0, 2000)}`, query);
  };
  if (reply.length < 12) fail('a reply without a header');
  if (query.length < 2 || reply.readUInt16BE(0) !== query.readUInt16BE(0)) fail('a reply with another id');
  if ((reply.readUInt8(2) & 0x80) === 0) fail('a reply that is a query');
  if (((reply.readUInt8(2) ^ query.readUInt8(2)) & 0x79) !== 0) fail('a reply with another opcode or RD');
  checkForm(query, reply);
  checkQuestion(query, reply, fail);
  const most = mostOctets(query, rules);
  if (reply.length > most) fail(`${reply.length} octets over ${rules.transport}, more than ${most}`);
  if (rules.transport === 'tcp' && (reply.readUInt8(2) & 0x02) !== 0) fail('cut over TCP');
}

/** The question as it was asked, or none where it could not be read. */
function checkQuestion(query: Buffer, reply: Buffer, fail: (what: string) => never): void {
  const count = reply.readUInt16BE(4);
  if (count === 0) return;
  if (count > 1) fail(`${count} questions`);
  codec.question.decode(reply, 12);
  const end = 12 + codec.question.decode.bytes;
  if (!reply.subarray(12, end).equals(query.subarray(12, end))) fail('another question');
}

/** What the types of dns-packet leave out. */
const codec = dnsPacket as unknown as {
  readonly question: { readonly decode: ((bytes: Buffer, at: number) => unknown) & { readonly bytes: number } };
};

function mostOctets(query: Buffer, { transport, strict }: Rules): number {
  if (transport === 'tcp') return mostTcp;
  const size = ednsSize(query);
  if (size === null) return mostPlain;
  return Math.min(strict ? mostEdns : mostReference, Math.max(mostPlain, size));
}

/** The UDP size of the query's OPT as another's codec reads it, null without one; what that cannot read may have one of any size. */
function ednsSize(query: Buffer): number | null {
  try {
    const { answers = [], authorities = [], additionals = [] } = dnsPacket.decode(query);
    const opt = [...answers, ...authorities, ...additionals].find(({ type }) => type === 'OPT');
    return opt?.type === 'OPT' ? opt.udpPayloadSize : null;
  } catch {
    return mostTcp;
  }
}

/** Decodes to the last octet. */
export function checkForm(query: Buffer, reply: Buffer): void {
  try {
    dnsPacket.decode(reply);
  } catch (error) {
    throw new Finding(`a reply that cannot be decoded: ${String(error)}; ${reply.toString('hex')}`, query);
  }
  const used = dnsPacket.decode.bytes;
  if (used !== reply.length) throw new Finding(`${reply.length - used} octets behind the reply's end`, query);
}
