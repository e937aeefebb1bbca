// The half of DNS's fuzzing that stays in this process: packets to the responder, and replies of upstreams that lie on their way to clients.

import fc from 'fast-check';
import dnsPacket, { type Answer } from 'dns-packet';
import { checkedLayout } from '../../dns/forwarding/checked-layout.ts';
import { relay } from '../../dns/forwarding/relay.ts';
import { parseQuery } from '../../dns/wire/index.ts';
import { taskId } from '../../src/cluster/index.ts';
import { seededRandom, type Random } from '../../src/runtime/index.ts';
import { askZone } from '../dns/questions.ts';
import { liveZone, putTask, sampleMasters, samplePort, sampleTask } from '../dns/samples.ts';
import { checkForm, checkReply, encode, question } from './dns-packets.ts';
import { Finding } from './fuzz-run.ts';
import { below, mutated } from './mutation.ts';

const instances = 60;
const mostStructured = 20_000;

type Progress = (part: string, done: number) => void;
type Feed = (packet: Buffer) => void;

/** Feeds one packet over UDP or TCP, and checks what comes back. */
function responderFeed(random: Random, strict: boolean): Feed {
  const tasks = Array.from({ length: instances }, (_, i) =>
    putTask(
      sampleTask({
        id: taskId(`app-0.${i}`),
        discoveryName: 'app-0',
        ports: [samplePort({ name: 'http', hostPort: 31_000 + i })],
        addresses: [{ ip: `9.0.0.${i}`, network: 'dcos' }],
      }),
    ),
  );
  const zone = liveZone({ ipSources: ['netinfo'] }, { type: 'masters', masters: sampleMasters }, ...tasks);
  const { responder } = askZone(zone.index, (answers) => below(random, answers), strict);
  return (packet) => {
    const transport = random() < 0.5 ? 'udp' : 'tcp';
    const before = Buffer.from(packet);
    let reply: ReturnType<typeof responder.reply>;
    try {
      reply = responder.reply(packet, transport, '127.0.0.1');
    } catch (error) {
      throw new Finding(`the responder threw ${String(error)}`, before);
    }
    if (Buffer.isBuffer(reply)) checkReply(before, reply, { transport, strict });
  };
}

/** `count` mutated packets each to a responder with `strict` on and off, and structured ones of fast-check's making. */
export function fuzzResponder(seeds: readonly Buffer[], seed: number, count: number, progress: Progress): void {
  for (const strict of [true, false]) {
    const random = seededRandom(seed);
    const feed = responderFeed(random, strict);
    const part = strict ? 'responder' : 'responder as the references';
    for (let i = 0; i < count; i++) {
      feed(mutated(seeds, random, 4096));
      progress(part, i);
    }
    const numRuns = Math.min(count, mostStructured);
    fc.assert(fc.property(arbitraryPacket, feed), { seed, numRuns, endOnFailure: true });
  }
}

const label = fc.oneof(
  fc.constantFrom(
    'app-0',
    'marathon',
    'mesos',
    'slave',
    '_app-0',
    '_tcp',
    '_http',
    '*',
    'thisdcos',
    'directory',
    'zk',
    'arpa',
    'in-addr',
  ),
  fc.uint8Array({ minLength: 0, maxLength: 64 }),
);
const wireName = fc
  .array(label, { maxLength: 8 })
  .map((labels) =>
    Buffer.concat([
      ...labels.map((one) => Buffer.concat([Buffer.from([one.length & 0xff]), Buffer.from(one as string)])),
      Buffer.from([0]),
    ]),
  );
const word = fc.oneof(
  fc.constantFrom(0, 1, 2, 28, 33, 41, 250, 251, 252, 255, 0xffff),
  fc.integer({ min: 0, max: 0xffff }),
);
const option = fc
  .tuple(fc.constantFrom(3, 8, 10, 12, 65_001), fc.uint8Array({ maxLength: 48 }))
  .map(([code, data]) => Buffer.concat([words(code, data.length), data]));
const opt = fc.tuple(word, word, word, fc.array(option, { maxLength: 4 })).map(([size, high, low, options]) => {
  const data = Buffer.concat(options);
  return Buffer.concat([Buffer.from([0]), words(41, size, high, low, data.length), data]);
});

/** Headers, questions and OPTs that each are nearly right. */
const arbitraryPacket = fc
  .tuple(
    word,
    word,
    fc.constantFrom(0, 1, 1, 1, 1, 2),
    wireName,
    word,
    fc.constantFrom(1, 1, 1, 3, 255),
    fc.array(opt, { maxLength: 2 }),
  )
  .map(([id, flags, questions, name, type, kind, opts]) =>
    Buffer.concat([words(id, flags & 0x7fff, questions, 0, 0, opts.length), name, words(type, kind), ...opts]),
  );

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, i) => bytes.writeUInt16BE(value, i * 2));
  return bytes;
}

/** Replies of an upstream, mutated behind their question: what passes our check must be well-formed for the client, and fit. */
export function fuzzUpstreams(seed: number, count: number, progress: Progress): void {
  const random = seededRandom(seed);
  const name = 'www.example.com';
  const query = encode({ questions: [question(name, 'A')] }, 77);
  const asked = parseQuery(encode({ questions: [question(name, 'A')], additionals: [{ ...emptyOpt }] as never }, 77));
  const end = query.length;
  const replies = upstreamReplies(name);
  const tails = replies.map((reply) => reply.subarray(end));
  for (let i = 0; i < count; i++) {
    const head = (replies[below(random, replies.length)] as Buffer).subarray(0, end);
    const bytes = Buffer.concat([head, mutated(tails, random, 4096)]);
    if (random() < 0.3) bytes.writeUInt16BE(below(random, 12), 6 + 2 * below(random, 3));
    const layout = checkedLayout(bytes);
    if (layout !== null && layout.records.every(({ type }) => knownTypes.has(type))) {
      const limit = [512, 1232, 65_535][below(random, 3)] as number;
      const out = relay({ bytes, layout, ageSeconds: below(random, 100) }, asked, limit);
      if (out.length > limit) throw new Finding(`${out.length} octets relayed, more than ${limit}`, bytes);
      checkForm(bytes, out);
    }
    progress('replies of upstreams', i);
  }
}

/** Of which both codecs say what they hold. */
const knownTypes = new Set([1, 2, 5, 6, 12, 15, 16, 28, 33, 41]);
const emptyOpt = { type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] };

function upstreamReplies(name: string): readonly Buffer[] {
  const head = { name, ttl: 300 };
  const all: readonly Answer[][] = [
    Array.from({ length: 30 }, (_, i) => ({ ...head, type: 'A' as const, data: `192.0.2.${i}` })),
    [
      { ...head, type: 'CNAME', data: 'edge.example.net' },
      { name: 'edge.example.net', ttl: 20, type: 'AAAA', data: '2001:db8::1' },
    ],
    [{ ...head, type: 'SRV', data: { priority: 1, weight: 2, port: 80, target: 'a.example.com' } }],
    [
      { ...head, type: 'MX', data: { preference: 10, exchange: 'mail.example.com' } },
      { ...head, type: 'TXT', data: ['one', 'two'] },
    ],
    [
      { ...head, type: 'NS', data: 'ns1.example.com' },
      { ...head, type: 'PTR', data: 'x.example.com' },
    ],
  ];
  const soa = {
    mname: 'ns1.example.com',
    rname: 'root.example.com',
    serial: 1,
    refresh: 2,
    retry: 3,
    expire: 4,
    minimum: 5,
  };
  return all.map((answers, i) =>
    dnsPacket.encode({
      type: 'response',
      id: 77,
      flags: dnsPacket.RECURSION_AVAILABLE,
      questions: [question(name, 'A')],
      answers,
      authorities: i % 2 === 0 ? [{ name: 'example.com', type: 'SOA', ttl: 60, data: soa }] : [],
      additionals: [{ ...emptyOpt }] as never,
    }),
  );
}
