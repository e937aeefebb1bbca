// The codec against two others (dns-packet, dns2), and against bytes that nobody should send.

import t from 'tap';
import fc from 'fast-check';
import dnsPacket from 'dns-packet';
import dns2 from 'dns2';
import { seededRandom } from '../../../src/runtime/index.ts';
import {
  decodeMessage,
  encodeMessage,
  layoutOf,
  parseQuery,
  rrType,
  type Message,
  type ResourceRecord,
} from '../../../dns/wire/index.ts';

const record = (name: string, rdata: ResourceRecord['rdata'], ttl = 60): ResourceRecord => ({
  name,
  class: 1,
  ttl,
  rdata,
});

const message: Message = {
  id: 4711,
  flags: 0x8580,
  question: { name: '_http._web._tcp.marathon.mesos.', type: rrType.SRV, class: 1 },
  answers: [
    record('_http._web._tcp.marathon.mesos.', {
      type: 'SRV',
      priority: 0,
      weight: 1,
      port: 31000,
      target: 'web-abcde-s0.marathon.mesos.',
    }),
    record('_http._web._tcp.marathon.mesos.', {
      type: 'SRV',
      priority: 0,
      weight: 1,
      port: 31001,
      target: 'web-fghij-s1.marathon.mesos.',
    }),
    record('alias.mesos.', { type: 'CNAME', target: 'web.marathon.mesos.' }),
    record('text.mesos.', { type: 'TXT', texts: ['one', 'two words'] }),
    record('1.0.0.10.in-addr.arpa.', { type: 'PTR', target: 'web.marathon.mesos.' }),
  ],
  authorities: [
    record('mesos.', { type: 'NS', target: 'ns1.mesos.' }),
    record('mesos.', {
      type: 'SOA',
      mname: 'ns1.mesos.',
      rname: 'root.ns1.mesos.',
      serial: 4_000_000_000,
      refresh: 60,
      retry: 600,
      expire: 86400,
      minimum: 5,
    }),
  ],
  additionals: [
    record('web-abcde-s0.marathon.mesos.', { type: 'A', address: '10.0.0.7' }),
    record('web-abcde-s0.marathon.mesos.', { type: 'AAAA', address: 'fd01:b::1:8000:2' }),
  ],
};

t.test('what we encode, we decode', async (t) => {
  const bytes = encodeMessage(message);
  t.strictSame(decodeMessage(bytes), message);
  t.ok(bytes.length < 450, `owner names are compressed (${bytes.length} octets)`);
});

t.test('dns-packet reads what we write', async (t) => {
  const decoded = dnsPacket.decode(encodeMessage(message));
  t.equal(decoded.id, 4711);
  t.equal(decoded.questions?.[0]?.name, '_http._web._tcp.marathon.mesos');
  t.match(decoded.answers, [
    {
      type: 'SRV',
      name: '_http._web._tcp.marathon.mesos',
      ttl: 60,
      data: { priority: 0, weight: 1, port: 31000, target: 'web-abcde-s0.marathon.mesos' },
    },
    { type: 'SRV', data: { port: 31001, target: 'web-fghij-s1.marathon.mesos' } },
    { type: 'CNAME', name: 'alias.mesos', data: 'web.marathon.mesos' },
    { type: 'TXT', name: 'text.mesos', data: [Buffer.from('one'), Buffer.from('two words')] },
    { type: 'PTR', data: 'web.marathon.mesos' },
  ]);
  t.match(decoded.authorities, [
    { type: 'NS', name: 'mesos', data: 'ns1.mesos' },
    {
      type: 'SOA',
      data: {
        mname: 'ns1.mesos',
        rname: 'root.ns1.mesos',
        serial: 4_000_000_000,
        refresh: 60,
        retry: 600,
        expire: 86400,
        minimum: 5,
      },
    },
  ]);
  t.match(decoded.additionals, [
    { type: 'A', data: '10.0.0.7' },
    { type: 'AAAA', data: 'fd01:b::1:8000:2' },
  ]);
});

t.test('we read what dns-packet writes', async (t) => {
  const bytes = dnsPacket.encode({
    type: 'response',
    id: 9,
    flags: dnsPacket.AUTHORITATIVE_ANSWER,
    questions: [{ type: 'A', name: 'Web.marathon.mesos' }],
    answers: [
      { type: 'A', name: 'web.marathon.mesos', ttl: 7, data: '10.1.2.3' },
      { type: 'MX', name: 'web.marathon.mesos', ttl: 7, data: { preference: 5, exchange: 'mail.mesos' } },
    ],
  });
  const decoded = decodeMessage(bytes);
  t.equal(decoded?.question.name, 'Web.marathon.mesos.', 'the case of the wire stays');
  t.match(decoded?.answers, [
    { name: 'web.marathon.mesos.', ttl: 7, rdata: { type: 'A', address: '10.1.2.3' } },
    { rdata: { type: 'other', number: rrType.MX } },
  ]);
});

t.test('dns2 reads what we write, and we read its queries', async (t) => {
  const { Packet } = dns2 as unknown as { Packet: Dns2Packet };
  const decoded = Packet.parse(
    encodeMessage({ ...message, answers: message.additionals, authorities: [], additionals: [] }),
  );
  t.equal(decoded.header.id, 4711);
  t.match(decoded.answers, [
    { name: 'web-abcde-s0.marathon.mesos', address: '10.0.0.7', ttl: 60 },
    { name: 'web-abcde-s0.marathon.mesos' },
  ]);
  const packet = new Packet();
  packet.header.id = 77;
  packet.header.rd = 1;
  packet.questions.push({ name: 'web.marathon.mesos', class: 1, type: 28 });
  const query = parseQuery(packet.toBuffer());
  t.match(query, { fault: 0, type: 28, class: 1, key: '\x03web\x08marathon\x05mesos\0', hasEdns: false });
});

interface Dns2Packet {
  new (): { header: { id: number; rd: number }; questions: object[]; toBuffer(): Buffer };
  parse(bytes: Buffer): { header: { id: number }; answers: object[] };
}

t.test('a limit leaves out whole records and says so', async (t) => {
  const bytes = encodeMessage(message, 200);
  t.ok(bytes.length <= 200);
  const decoded = decodeMessage(bytes);
  t.ok((decoded?.answers.length ?? 0) < message.answers.length);
  t.ok(((decoded?.flags ?? 0) & 0x0200) !== 0, 'TC');
  const onlyAdditionals = encodeMessage(message, encodeMessage({ ...message, additionals: [] }).length);
  t.notOk((onlyAdditionals.readUInt16BE(2) & 0x0200) !== 0, 'additionals may go without TC');
});

t.test('mutated messages never make a reader throw', async (t) => {
  const random = seededRandom(5);
  const original = encodeMessage(message);
  let readable = 0;
  for (let i = 0; i < 4000; i++) {
    const bytes = Buffer.from(original);
    for (let j = 0; j < 1 + Math.floor(random() * 4); j++)
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    const cut = random() < 0.3 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes;
    if (decodeMessage(cut) !== null) readable++;
    bytes[2] = 0;
    parseQuery(bytes);
    layoutOf(cut);
  }
  t.ok(readable > 100 && readable < 4000, `some are readable, some are not (${readable})`);
});

t.test('random bytes never make a reader throw', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
      const bytes = Buffer.from(octets);
      decodeMessage(bytes);
      layoutOf(bytes);
      const query = parseQuery(bytes);
      return query.questionEnd >= 12 && query.questionEnd <= Math.max(12, bytes.length);
    }),
    { numRuns: 3000 },
  );
  t.pass('it held for every case');
});
