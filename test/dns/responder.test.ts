// Replies from the zone: data, denials, rotation, size, EDNS and what is wrong with packets. dns-packet reads them.

import t from 'tap';
import fc from 'fast-check';
import { taskId, type Task } from '../../src/cluster/index.ts';
import { createZonePlane } from '../../dns/zone-plane.ts';
import { arbitraryHistory } from '../cluster/arbitrary-events.ts';
import { askZone, queryOf, readReply } from './questions.ts';
import {
  dropTask,
  liveZone,
  putTask,
  sampleMasters,
  samplePort,
  sampleTask,
  workedExample,
  type LiveZone,
} from './samples.ts';

const instance = (n: number, changes: Partial<Task> = {}): Task =>
  sampleTask({
    id: taskId(`web.${n}`),
    discoveryName: 'web',
    agentIp: `10.0.0.${n}`,
    agentIps: [`10.0.0.${n}`],
    ports: [samplePort({ name: 'http', hostPort: 31000 + n })],
    ...changes,
  });

const withInstances = (count: number): LiveZone =>
  liveZone({}, ...Array.from({ length: count }, (_, i) => putTask(instance(i + 1))), {
    type: 'masters',
    masters: sampleMasters,
  });

t.test('an address', async (t) => {
  const { ask } = askZone(liveZone({}, putTask(workedExample())).index);
  const reply = ask('app.sub.group.marathon.mesos', 'A');
  t.match(reply, { id: 4711, rcode: 'NOERROR', aa: true, ra: true, tc: false });
  t.strictSame(reply.answers, ['app.sub.group.marathon.mesos A 9.0.1.2']);
  t.strictSame(reply.authorities, []);
});

t.test('the name is spelled as the question spelled it', async (t) => {
  const { ask } = askZone(withInstances(1).index);
  const reply = ask('wEb.MARATHON.mEsos', 'A');
  t.equal(reply.question, 'wEb.MARATHON.mEsos');
  t.strictSame(reply.answers, ['wEb.MARATHON.mEsos A 10.0.0.1']);
});

t.test('SRV brings the addresses of its targets', async (t) => {
  const { ask } = askZone(withInstances(2).index);
  const reply = ask('_http._web._tcp.marathon.mesos', 'SRV', { edns: 1232 });
  const targets = reply.answers.map((line) => line.split(' ').at(-1));
  t.equal(new Set(targets).size, 2);
  t.strictSame(
    [...reply.additionals].sort(),
    targets
      .map(
        (target) =>
          `${target} A 10.0.0.${reply.answers.find((line) => line.endsWith(String(target)))?.includes('31001') ? 1 : 2}`,
      )
      .sort(),
  );
});

t.test('each instance comes first in its turn, its neighbours and their addresses follow', async (t) => {
  const zone = withInstances(5);
  const firsts = new Set<string>();
  for (let turn = 0; turn < 5; turn++) {
    const { ask } = askZone(zone.index, () => turn);
    for (const type of ['A', 'SRV'] as const) {
      const reply = ask(type === 'A' ? 'web.marathon.mesos' : '_web._tcp.marathon.mesos', type, { edns: 1232 });
      t.equal(reply.answers.length, 5);
      t.equal(new Set(reply.answers).size, 5);
      firsts.add(reply.answers[0] ?? '');
      if (type === 'A') continue;
      const owners = reply.additionals.map((line) => line.split(' ')[0]);
      t.strictSame(
        [...owners].sort(),
        reply.answers.map((line) => line.split(' ').at(-1)).sort(),
        'pointers follow the turn',
      );
    }
  }
  t.equal(firsts.size, 10);
});

t.test('answers that point to a name follow its address', async (t) => {
  const zone = withInstances(1);
  const { ask } = askZone(zone.index);
  const addresses = (): string =>
    ask('_web._tcp.marathon.mesos', 'SRV')
      .additionals.map((line) => line.split(' ').at(-1))
      .join();
  t.equal(addresses(), '10.0.0.1');
  zone.feed(putTask(instance(1, { agentIp: '10.9.9.9', agentIps: ['10.9.9.9'] })));
  t.equal(addresses(), '10.9.9.9');
});

t.test('denials', async (t) => {
  const { ask } = askZone(withInstances(1).index);
  const soa = 'mesos SOA ns1.mesos root.ns1.mesos 5';
  const cases = [
    ['nothing.marathon.mesos', 'A', 'NXDOMAIN'],
    ['nothing.marathon.mesos', 'SRV', 'NXDOMAIN'],
    ['web.marathon.mesos', 'AAAA', 'NOERROR'],
    ['web.marathon.mesos', 'SRV', 'NOERROR'],
    ['web.marathon.mesos', 'TXT', 'NOERROR'],
    ['marathon.mesos', 'A', 'NOERROR'],
    ['_tcp.marathon.mesos', 'SRV', 'NOERROR'],
    ['mesos', 'A', 'NOERROR'],
  ] as const;
  for (const [name, type, rcode] of cases) {
    const reply = ask(name, type);
    t.match(reply, { rcode, aa: true, answers: [], authorities: [soa] }, `${name} ${type}`);
  }
});

t.test('the apex answers SOA and NS', async (t) => {
  const { ask } = askZone(liveZone({ listenAddresses: ['10.0.0.3'] }).index);
  t.strictSame(ask('mesos', 'SOA').answers, ['mesos SOA ns1.mesos root.ns1.mesos 5']);
  const ns = ask('mesos', 'NS');
  t.strictSame(ns.answers, ['mesos NS ns1.mesos']);
  t.strictSame(ns.additionals, ['ns1.mesos A 10.0.0.3']);
});

t.test('ANY gives everything, as the resolv.conf watchdog of DC/OS demands', async (t) => {
  const { ask } = askZone(liveZone().index);
  const reply = ask('ready.spartan', 'ANY');
  t.match(reply, { rcode: 'NOERROR', ra: false, answers: ['ready.spartan A 127.0.0.1'] });
});

t.test('stars between labels read as nothing', async (t) => {
  const { ask } = askZone(withInstances(1).index);
  t.strictSame(ask('web.*.marathon.mesos', 'A').answers, ['web.*.marathon.mesos A 10.0.0.1']);
  t.equal(ask('*.marathon.mesos', 'A').rcode, 'NXDOMAIN');
});

t.test('nothing is denied before a first table', async (t) => {
  const { index } = createZonePlane({
    domain: 'mesos',
    negativeTtlSeconds: 5,
    now: () => 0,
    zoneNames: { value: 0 },
    compiledNames: { value: 0 },
  });
  const { ask } = askZone(index);
  t.match(ask('web.marathon.mesos', 'A'), { rcode: 'SERVFAIL', aa: false });
  t.match(ask('mesos', 'SOA'), { rcode: 'SERVFAIL' });
});

t.test('names of others, and private names without a zone, are refused', async (t) => {
  const { ask } = askZone(liveZone().index);
  t.match(ask('example.com', 'A'), { rcode: 'REFUSED', aa: false });
  t.match(ask('foo.nosuchzone.thisdcos.directory', 'A'), { rcode: 'REFUSED', aa: false });
  t.match(ask('thisdcos.directory', 'A'), { rcode: 'REFUSED' });
  t.match(ask('amesos', 'A'), { rcode: 'REFUSED' }, 'a suffix counts on label boundaries');
});

t.test('replies fit what the client takes', async (t) => {
  const { ask } = askZone(withInstances(60).index);
  for (const edns of [undefined, 100, 512, 900, 1232, 4096]) {
    const limit = edns === undefined ? 512 : Math.min(1232, Math.max(512, edns));
    const options = edns === undefined ? {} : { edns };
    for (const [name, type] of [
      ['web.marathon.mesos', 'A'],
      ['_web._tcp.marathon.mesos', 'SRV'],
    ] as const) {
      const reply = ask(name, type, options);
      t.ok(reply.bytes.length <= limit, `${type} with ${edns}: ${reply.bytes.length} octets`);
      t.equal(reply.tc, reply.answers.length < 60, 'TC where something is missing');
      t.ok(reply.answers.length > 3);
      t.equal(reply.opt === undefined, edns === undefined);
    }
  }
  const whole = ask('_web._tcp.marathon.mesos', 'SRV', { transport: 'tcp' });
  t.match(whole, { tc: false });
  t.equal(whole.answers.length, 60);
  t.equal(whole.additionals.length, 60);
});

t.test('addresses of targets go before answers do', async (t) => {
  const { ask } = askZone(withInstances(8).index);
  const reply = ask('_web._tcp.marathon.mesos', 'SRV');
  t.match(reply, { tc: false, additionals: [] });
  t.equal(reply.answers.length, 8);
});

t.test('EDNS', async (t) => {
  const { ask } = askZone(withInstances(1).index);
  t.match(ask('web.marathon.mesos', 'A', { edns: 4096, dnssecOk: true }).opt, {
    udpPayloadSize: 1232,
    extendedRcode: 0,
    flags: 0x8000,
  });
  const newer = ask('web.marathon.mesos', 'A', { edns: 1232, ednsVersion: 1 });
  t.match(
    newer,
    { rcode: 'NOERROR', answers: [], opt: { extendedRcode: 1 } },
    'BADVERS is 16: 1 in the OPT, 0 in the header',
  );
  t.match(ask('nothing.mesos', 'A', { edns: 1232 }), { rcode: 'NXDOMAIN', opt: { udpPayloadSize: 1232 } });
});

t.test('packets that are wrong in themselves', async (t) => {
  const { responder } = askZone(withInstances(1).index);
  const reply = (change: (bytes: Buffer) => void): string => {
    const bytes = queryOf('web.marathon.mesos', 'A');
    change(bytes);
    const answered = responder.reply(bytes, 'udp', '127.0.0.1');
    return Buffer.isBuffer(answered) ? readReply(answered).rcode : 'none';
  };
  t.equal(
    reply((bytes) => bytes.writeUInt8(0x80, 2)),
    'none',
    'a reply',
  );
  t.equal(
    reply((bytes) => bytes.writeUInt8(0x28, 2)),
    'NOTIMP',
    'an update',
  );
  t.equal(
    reply((bytes) => bytes.writeUInt16BE(2, 4)),
    'FORMERR',
    'two questions',
  );
  t.equal(
    reply((bytes) => bytes.writeUInt16BE(0, 4)),
    'FORMERR',
    'no question',
  );
  t.equal(
    reply((bytes) => bytes.writeUInt16BE(3, bytes.length - 2)),
    'REFUSED',
    'class CHAOS',
  );
  t.equal(
    reply((bytes) => bytes.writeUInt8(0xff, 12)),
    'FORMERR',
    'a reserved label type',
  );
  t.equal(responder.reply(queryOf('mesos', 'AXFR'), 'tcp', '127.0.0.1') instanceof Buffer, true);
});

t.test('any packet gets a reply of its id, or none', async (t) => {
  const { responder } = askZone(withInstances(3).index);
  const query = queryOf('_web._tcp.marathon.mesos', 'SRV', { edns: 1232 });
  const mutation = fc.array(fc.tuple(fc.nat(query.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(mutation, fc.nat(query.length), (changes, length) => {
      const bytes = Buffer.from(query.subarray(0, Math.max(length, 2)));
      for (const [at, octet] of changes) if (at < bytes.length) bytes[at] = octet;
      const reply = responder.reply(bytes, 'udp', '127.0.0.1');
      if (reply === null) return bytes.length < 12 || ((bytes[2] ?? 0) & 0x80) !== 0;
      return (
        Buffer.isBuffer(reply) && reply.readUInt16BE(0) === bytes.readUInt16BE(0) && ((reply[2] ?? 0) & 0x80) !== 0
      );
    }),
    { numRuns: 3000 },
  );
  t.pass('it held for every case');
});

t.test('a plane that followed each change answers as one that got the table at last', async (t) => {
  fc.assert(
    fc.property(arbitraryHistory, (events) => {
      const followed = liveZone();
      for (const event of events) followed.feed(event);
      const fresh = liveZone({}, ...events);
      const [one, two] = [askZone(followed.index), askZone(fresh.index)];
      const names = [
        ...followed.view.table.keys(),
        'nothing.mesos.',
        '_tcp.marathon.mesos.',
        'marathon.mesos.',
        'kafka.slave.mesos.',
      ];
      for (const name of names) {
        for (const type of ['A', 'SRV', 'AAAA'] as const) {
          const [a, b] = [one.ask(name.slice(0, -1), type), two.ask(name.slice(0, -1), type)];
          const same =
            a.rcode === b.rcode &&
            String(a.answers) === String(b.answers) &&
            String(a.additionals) === String(b.additionals);
          if (!same)
            throw new Error(`${name} ${type}: ${a.rcode} ${a.answers.join()} | ${b.rcode} ${b.answers.join()}`);
        }
      }
    }),
    { seed: 3, numRuns: 60 },
  );
  t.pass('it held for every case');
});

t.test('Mesos-DNS as it answered', async (t) => {
  const { ask } = askZone(withInstances(1).index, () => 0, false);
  t.match(ask('nothing.mesos', 'SRV'), { rcode: 'NOERROR', answers: [], authorities: [] });
  t.match(ask('nothing.mesos', 'SOA'), {
    rcode: 'NOERROR',
    answers: [],
    authorities: ['nothing.mesos SOA ns1.mesos root.ns1.mesos 60'],
  });
  t.match(ask('marathon.mesos', 'A'), { rcode: 'NXDOMAIN' }, 'empty non-terminals are unknown');
  t.match(ask('web.marathon.mesos', 'ANY'), {
    answers: ['web.marathon.mesos A 10.0.0.1'],
    authorities: ['web.marathon.mesos SOA ns1.mesos root.ns1.mesos 60', 'web.marathon.mesos NS ns1.mesos'],
  });
  t.match(ask('web.marathon.mesos', 'A'), { answers: ['web.marathon.mesos A 10.0.0.1'], authorities: [] });
});

t.test('the references in what they hold for others, refuse and spell', async (t) => {
  const zone = withInstances(2);
  const { ask } = askZone(zone.index, () => 1, false);
  for (const name of ['web.marathon.mesos', 'nothing.mesos', 'mesos'])
    t.match(ask(name, 'DS'), { rcode: 'REFUSED', aa: false }, 'passed on, here to nobody');
  for (const name of ['ns.spartan', 'nothing.spartan'])
    t.match(ask(name, 'RRSIG'), { rcode: 'REFUSED', aa: false, authorities: [] });
  const name = 'WEB.Marathon.agentip.dcos.thisdcos.directory';
  const spelled = ask(name, 'A', { edns: 1232 });
  t.equal(spelled.question, name);
  t.strictSame(
    spelled.answers,
    ['10.0.0.2', '10.0.0.1'].map((ip) => `${name.toLowerCase()} A ${ip}`),
  );
  t.match(spelled.opt, { udpPayloadSize: 1232 });
  t.equal(ask(name, 'A').opt, undefined);
  t.match(ask('Spartan', 'SOA'), { rcode: 'NOERROR', answers: [/^Spartan SOA/] });
  t.match(ask('NS.spartan', 'TXT'), { rcode: 'NOERROR', answers: [], authorities: [/SOA/] });
  const strict = askZone(zone.index);
  t.match(strict.ask('web.marathon.mesos', 'DS'), { rcode: 'NOERROR', aa: true });
  t.match(strict.ask('ns.spartan', 'RRSIG'), { rcode: 'NOERROR', aa: true });
});

t.test('queries are counted by known types and codes', async (t) => {
  const { ask, metrics, responder } = askZone(withInstances(1).index);
  ask('web.marathon.mesos', 'A');
  ask('web.marathon.mesos', 'A');
  ask('nothing.mesos', 'SRV');
  const strange = queryOf('web.marathon.mesos', 'A');
  strange.writeUInt16BE(4444, strange.length - 4);
  void responder.reply(strange, 'udp', '127.0.0.1');
  const values = metrics.read()[0]?.values.map(({ labels, value }) => `${labels['type']} ${labels['rcode']} ${value}`);
  t.strictSame(values, ['A NOERROR 2', 'SRV NXDOMAIN 1', 'other NOERROR 1']);
});

t.test('a task that is gone is gone', async (t) => {
  const zone = withInstances(1);
  const { ask } = askZone(zone.index);
  t.equal(ask('web.marathon.mesos', 'A').answers.length, 1);
  zone.feed(dropTask(instance(1)));
  t.equal(ask('web.marathon.mesos', 'A').rcode, 'NXDOMAIN');
  t.equal(ask('marathon.mesos', 'A').rcode, 'NXDOMAIN', 'and so are the names above that it alone held');
});

t.test('reverse names of the cluster are answered, others passed on or denied', async (t) => {
  const { ask } = askZone(withInstances(1).index, () => 0);
  const zone = liveZone({}, putTask(workedExample()));
  const reverse = askZone(zone.index);
  t.strictSame(reverse.ask('2.1.0.9.in-addr.arpa', 'PTR').answers, [
    '2.1.0.9.in-addr.arpa PTR app-sub-group-u3no4-s0.marathon.mesos',
  ]);
  t.match(reverse.ask('2.1.0.9.in-addr.arpa', 'A'), { rcode: 'NOERROR', answers: [] });
  t.match(reverse.ask('3.1.0.9.in-addr.arpa', 'PTR'), { rcode: 'REFUSED' }, 'not ours: whoever comes next');
  t.match(reverse.ask('1.0.9.in-addr.arpa', 'PTR'), { rcode: 'REFUSED' }, 'above ours');
  t.match(reverse.ask('in-addr.arpa', 'SOA'), { rcode: 'REFUSED' });
  const denied = ask('9.9.0.10.in-addr.arpa', 'PTR');
  t.match(denied, { rcode: 'NXDOMAIN', answers: [] });
  t.match(denied.authorities, [/^10\.in-addr\.arpa SOA localhost nobody\.invalid /]);
  t.match(ask('1.0.20.172.in-addr.arpa', 'PTR'), { rcode: 'NXDOMAIN' });
  t.match(ask('1.0.32.172.in-addr.arpa', 'PTR'), { rcode: 'REFUSED' });
  t.match(ask('10.in-addr.arpa', 'PTR'), { rcode: 'NOERROR' });
});
