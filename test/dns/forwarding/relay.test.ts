// Replies of upstreams on their way to a client: cut at records, aged, with EDNS of our own, whatever octets they are made of.

import t from 'tap';
import dnsPacket, { type Answer, type OptAnswer } from 'dns-packet';
import fc from 'fast-check';
import { relay } from '../../../dns/forwarding/relay.ts';
import { layoutOf, parseQuery } from '../../../dns/wire/index.ts';
import { queryOf, readReply } from '../questions.ts';

const name = 'www.example.com';
const opt: OptAnswer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 4000,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};
const a = (data: string): Answer => ({ type: 'A', name, ttl: 100, data });

function reply(answers: readonly Answer[], additionals: readonly Answer[] = []): Buffer {
  return dnsPacket.encode({
    type: 'response',
    id: 1,
    flags: dnsPacket.RECURSION_AVAILABLE,
    questions: [{ name, type: 'A' }],
    answers: [...answers],
    authorities: [{ type: 'NS', name: 'example.com', ttl: 50, data: 'ns.example.com' }],
    additionals: [...additionals],
  });
}

function relayed(bytes: Buffer, ageSeconds: number, limit: number, edns?: number): ReturnType<typeof readReply> {
  const layout = layoutOf(bytes);
  if (layout === null) throw new Error('unreadable');
  const query = parseQuery(queryOf(name, 'A', edns === undefined ? {} : { edns }));
  return readReply(relay({ bytes, layout, ageSeconds }, query, limit));
}

t.test('time that a reply was kept is taken from its lifetime', async (t) => {
  const { bytes } = relayed(reply([a('192.0.2.1')]), 40, 512);
  t.match(dnsPacket.decode(bytes), { answers: [{ ttl: 60 }], authorities: [{ ttl: 10 }] });
  t.match(dnsPacket.decode(relayed(reply([a('192.0.2.1')]), 400, 512).bytes), { answers: [{ ttl: 0 }] });
});

t.test('the upstream’s OPT never reaches the client', async (t) => {
  const last = reply([a('192.0.2.1')], [a('192.0.2.9'), opt]);
  t.match(relayed(last, 10, 512), { opt: undefined, additionals: [`${name} A 192.0.2.9`] });
  t.match(relayed(last, 10, 1232, 1400), { opt: { udpPayloadSize: 1232 }, additionals: [`${name} A 192.0.2.9`] });
  const between = reply([a('192.0.2.1')], [opt, a('192.0.2.9')]);
  t.match(relayed(between, 0, 512), { opt: undefined, additionals: [], answers: [`${name} A 192.0.2.1`], tc: false });
});

t.test('additionals go silently, answers with TC', async (t) => {
  const many = reply(
    Array.from({ length: 10 }, (_, i) => a(`192.0.2.${i}`)),
    Array.from({ length: 20 }, (_, i) => a(`198.51.100.${i}`)),
  );
  const some = relayed(many, 0, 512);
  t.equal(some.tc, false);
  t.equal(some.answers.length, 10);
  t.ok(some.additionals.length < 20);
  const few = relayed(many, 0, 200);
  t.equal(few.tc, true);
  t.ok(few.answers.length > 2 && few.answers.length < 10);
  t.strictSame([few.authorities, few.additionals], [[], []]);
});

t.test('whatever the octets, the result is the client’s and fits', async (t) => {
  const original = reply([a('192.0.2.1'), a('192.0.2.2')], [a('192.0.2.9'), opt]);
  const query = parseQuery(queryOf(name, 'A', { edns: 1232, id: 99 }));
  let relayedCount = 0;
  const changes = fc.array(fc.tuple(fc.integer({ min: 6, max: original.length - 1 }), fc.nat(255)), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(changes, fc.integer({ min: 60, max: 300 }), (mutations, limit) => {
      const bytes = Buffer.from(original);
      for (const [at, octet] of mutations) bytes[at] = octet;
      const layout = layoutOf(bytes);
      if (layout === null || layout.questionEnd !== query.questionEnd) return;
      relayedCount++;
      const out = relay({ bytes, layout, ageSeconds: 3 }, query, limit);
      if (out.length > limit || out.readUInt16BE(0) !== 99 || layoutOf(out) === null)
        throw new Error(out.toString('hex'));
    }),
    { numRuns: 2000 },
  );
  t.ok(relayedCount > 200, `${relayedCount} were still readable`);
});
