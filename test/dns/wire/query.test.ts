// What the server reads of a query, EDNS included, and which packets are no queries.

import t from 'tap';
import dnsPacket, { type OptAnswer } from 'dns-packet';
import { notAQuery, parseQuery, rcode } from '../../../dns/wire/index.ts';

const opt: OptAnswer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 4096,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0x8000,
  flag_do: true,
  options: [],
};
const question = { type: 'A', name: 'wEb.Mesos' } as const;

t.test('a plain query', async (t) => {
  const bytes = dnsPacket.encode({ type: 'query', id: 1, questions: [question] });
  t.match(parseQuery(bytes), {
    fault: 0,
    key: '\x03web\x05mesos\0',
    questionEnd: bytes.length,
    type: 1,
    class: 1,
    hasEdns: false,
    udpSize: 0,
  });
});

t.test('EDNS is read', async (t) => {
  const bytes = dnsPacket.encode({ type: 'query', id: 1, questions: [question], additionals: [opt] });
  t.match(parseQuery(bytes), { fault: 0, hasEdns: true, udpSize: 4096, ednsVersion: 0, dnssecOk: true });
});

t.test('two OPT records are a fault', async (t) => {
  const bytes = dnsPacket.encode({ type: 'query', id: 1, questions: [question], additionals: [opt, opt] });
  t.equal(parseQuery(bytes).fault, rcode.formErr);
});

t.test('replies and stumps are no queries', async (t) => {
  t.equal(parseQuery(Buffer.alloc(11)).fault, notAQuery);
  t.equal(parseQuery(dnsPacket.encode({ type: 'response', id: 1, questions: [question] })).fault, notAQuery);
});

t.test('malformed queries', async (t) => {
  const whole = dnsPacket.encode({ type: 'query', id: 1, questions: [question] });
  t.equal(parseQuery(dnsPacket.encode({ type: 'query', id: 1, questions: [] })).fault, rcode.formErr, 'no question');
  for (let length = 12; length < whole.length; length++) {
    t.equal(parseQuery(whole.subarray(0, length)).fault, rcode.formErr, `cut to ${length} octets`);
  }
  const pointing = Buffer.from(whole);
  pointing[12] = 0xc0;
  t.equal(parseQuery(pointing).fault, rcode.formErr, 'a pointer in the question');
  const counting = Buffer.from(whole);
  counting.writeUInt16BE(0xffff, 10);
  t.equal(parseQuery(counting).fault, rcode.formErr, 'records that are not there');
});
