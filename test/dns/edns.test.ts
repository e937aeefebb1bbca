// What goes along with replies: cookies, extended errors, and how often one network gets the same one.

import dnsPacket from 'dns-packet';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { createCookies } from '../../dns/cookies.ts';
import { createRateLimiter } from '../../dns/rate-limit.ts';
import { createZonePlane } from '../../dns/zone-plane.ts';
import { parseQuery } from '../../dns/wire/index.ts';
import { compileCidrs, systemClock } from '../../src/runtime/index.ts';
import { askUdp, connectTcp, runDns } from './dns-server.ts';
import { askZone, queryOf, readReply } from './questions.ts';
import { liveZone, putTask, samplePort, sampleTask } from './samples.ts';

const zone = (): ReturnType<typeof liveZone> => liveZone({}, putTask(sampleTask({ hostPorts: [31000] })));

/** A query with EDNS options, put together by dns-packet. */
function withOptions(name: string, options: readonly { code: number; data: Buffer }[], size = 1232): Buffer {
  const query = queryOf(name, 'A', { edns: size });
  const packet = dnsPacket.decode(query);
  const opt = packet.additionals?.[0];
  if (opt?.type !== 'OPT') throw new Error('no OPT');
  return dnsPacket.encode({ ...packet, type: 'query', additionals: [{ ...opt, options: [...options] } as typeof opt] });
}

function optionsOf(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const opt = dnsPacket.decode(bytes).additionals?.find(({ type }) => type === 'OPT');
  const list = opt?.type === 'OPT' ? (opt.options as readonly { code: number; data: Buffer }[]) : [];
  return new Map(list.map(({ code, data }) => [code, data]));
}

t.test('a client with a cookie gets one of ours, and shows it', async (t) => {
  const { port } = await runDns(t, zone());
  const mine = Buffer.from('0123456789abcdef', 'hex');
  const first = await askUdp(port, withOptions('web.marathon.mesos', [{ code: 10, data: mine }]));
  const cookie = optionsOf(first.bytes).get(10) ?? Buffer.alloc(0);
  t.equal(cookie.length, 24);
  t.ok(cookie.subarray(0, 8).equals(mine), 'the client part comes back');
  t.strictSame(first.answers, ['web.marathon.mesos A 10.0.0.7']);
  const second = await askUdp(port, withOptions('web.marathon.mesos', [{ code: 10, data: cookie }]));
  t.ok(optionsOf(second.bytes).get(10)?.equals(cookie), 'a good one is kept');
  const other = await askUdp(port, withOptions('web.marathon.mesos', [{ code: 10, data: cookie }]), '127.0.0.9');
  t.notOk(optionsOf(other.bytes).get(10)?.equals(cookie), 'of another address it is none');
  const bad = await askUdp(port, withOptions('web.marathon.mesos', [{ code: 10, data: mine.subarray(0, 5) }]));
  t.equal(bad.rcode, 'FORMERR');
  const plain = await askUdp(port, queryOf('web.marathon.mesos', 'A', { edns: 1232 }));
  t.equal(optionsOf(plain.bytes).size, 0, 'who has none gets none');
});

t.test('cookies age, and other options are never sent back', async (t) => {
  let now = 1_800_000_000_000;
  const cookies = createCookies(Buffer.from('secret'), () => now);
  const read = (data: Buffer): { isKnown: boolean; option: Buffer } => {
    const verdict = cookies.read(
      parseQuery(
        withOptions('x.mesos', [
          { code: 3, data: Buffer.alloc(3) },
          { code: 10, data },
        ]),
      ),
      '10.0.0.1',
    );
    if (verdict === null || typeof verdict === 'number') throw new Error('no verdict');
    return verdict;
  };
  const cookie = read(Buffer.alloc(8, 7)).option.subarray(4);
  t.equal(read(cookie).isKnown, true);
  now += 1_900_000;
  t.match(read(cookie), { isKnown: true });
  t.notOk(read(cookie).option.subarray(4).equals(cookie), 'after half an hour there is a new one');
  now += 1_800_000;
  t.equal(read(cookie).isKnown, false, 'after an hour it is worth nothing');
  const forged = Buffer.from(cookie);
  forged[23] = (forged[23] as number) ^ 1;
  now -= 3_700_000;
  t.equal(read(forged).isKnown, false);
  const { responder } = askZone(zone().index);
  const reply = responder.reply(
    withOptions('web.marathon.mesos', [{ code: 3, data: Buffer.from('who') }]),
    'udp',
    '::1',
  );
  t.equal(optionsOf(reply as Buffer).size, 0);
});

t.test('extended errors say why', async (t) => {
  const errorOf = (bytes: Buffer): number => optionsOf(bytes).get(15)?.readUInt16BE(0) ?? -1;
  const cell = { value: 0 };
  const { index } = createZonePlane({
    domain: 'mesos',
    negativeTtlSeconds: 5,
    now: () => 0,
    zoneNames: cell,
    compiledNames: cell,
  });
  const early = askZone(index);
  const ask = (name: string): Buffer => early.ask(name, 'A', { edns: 1232 }).bytes;
  t.equal(errorOf(ask('web.marathon.mesos')), 14, 'not ready');
  t.equal(errorOf(ask('mesos.thisdcos.directory')), 14);
  t.equal(errorOf(ask('x.thisdcos.directory')), 20, 'not authoritative');
  t.equal(errorOf(early.ask('web.marathon.mesos', 'A').bytes), -1, 'without EDNS there is no place for it');
  const { port } = await runDns(t, zone(), {
    upstreams: ['127.0.0.1:9'],
    recursionFrom: ['127.0.0.1/32'],
    totalMs: 500,
  });
  const forward = queryOf('elsewhere.example', 'A', { edns: 1232 });
  t.equal(errorOf((await askUdp(port, forward, '127.0.0.2')).bytes), 18, 'prohibited');
  t.equal(errorOf((await askUdp(port, forward)).bytes), 23, 'network error');
  t.equal(errorOf((await askUdp(port, queryOf('web.marathon.mesos', 'A', { edns: 512 }))).bytes), -1, 'no error');
});

t.test('ANY gets one kind of records, except where the watchdog looks', async (t) => {
  const many = liveZone(
    {},
    putTask(
      sampleTask({
        addresses: [
          { ip: '9.0.1.2', network: null },
          { ip: 'fd01::2', network: null },
        ],
      }),
    ),
  );
  const { ask } = askZone(many.index);
  t.strictSame(ask('web.marathon.mesos', 'ANY').answers, ['web.marathon.mesos A 9.0.1.2']);
  t.strictSame(ask('ready.spartan', 'ANY').answers, ['ready.spartan A 127.0.0.1']);
  t.equal(ask('spartan', 'ANY').answers.length, 2, 'SOA and NS');
  t.equal(askZone(many.index, () => 0, false).ask('web.marathon.mesos', 'ANY').answers.length, 2, 'not strict: all');
});

t.test('equal answers are limited by network, over UDP, unless a cookie is shown', async (t) => {
  const rateLimit = { perSecond: 3, slip: 2, exempt: ['127.0.9.0/24'] };
  const { port, metrics } = await runDns(t, zone(), {
    rateLimit,
    clock: { ...systemClock, monotonic: () => 5_000 },
  });
  const ask = async (from: string): Promise<boolean> =>
    (await askUdp(port, queryOf('web.marathon.mesos', 'A'), from)).tc;
  t.strictSame([await ask('127.0.1.1'), await ask('127.0.1.2'), await ask('127.0.1.3')], [false, false, false]);
  const silent = createSocket('udp4');
  t.teardown(() => void silent.close());
  silent.on('message', () => t.fail('every other answer above the limit is dropped'));
  silent.bind(0, '127.0.1.4');
  await once(silent, 'listening');
  silent.send(queryOf('web.marathon.mesos', 'A'), port, '127.0.0.1');
  t.equal(await ask('127.0.1.5'), true, 'and every other is cut');
  t.equal(await ask('127.0.2.1'), false, 'another network');
  for (let i = 0; i < 5; i++) t.equal(await ask('127.0.9.1'), false, 'exempt');
  const tcp = await connectTcp(t, port);
  for (let i = 0; i < 5; i++) {
    tcp.send(queryOf('web.marathon.mesos', 'A'));
    t.equal((await tcp.next()).answers.length, 1);
  }
  const mine = { code: 10, data: Buffer.alloc(8, 1) };
  const cookie = optionsOf((await askUdp(port, withOptions('ready.spartan', [mine]))).bytes).get(10) ?? Buffer.alloc(0);
  for (let i = 0; i < 5; i++) {
    const reply = await askUdp(port, withOptions('web.marathon.mesos', [{ code: 10, data: cookie }]));
    t.equal(reply.answers.length, 1, 'known by its cookie');
  }
  const limited = metrics.read().find(({ name }) => name === 'isthmus_dns_rate_limited_total')?.values;
  t.strictSame(
    limited?.map(({ labels, value }) => `${labels['action']} ${value}`),
    ['truncate 1', 'drop 1'],
  );
});

t.test('networks and seconds of the limit', async (t) => {
  let now = 0;
  const { matcher } = compileCidrs([]);
  const limiter = createRateLimiter({ perSecond: 1, slip: 0, exempt: matcher }, () => now);
  const judge = (client: string, name = 'a.mesos', code = 0): string =>
    limiter.judge(parseQuery(queryOf(name, 'A')), code, client);
  t.equal(judge('fd01:c:0:ff00::1'), 'send');
  t.equal(judge('fd01:c:0:ff99::1'), 'drop', 'one /56');
  t.equal(judge('fd01:c:0:fe00::1'), 'send');
  t.equal(judge('fd01:c::1'), 'send');
  t.equal(judge('10.0.0.1', 'b.mesos', 3), 'send');
  t.equal(judge('10.0.0.2', 'c.mesos', 3), 'drop', 'denials of all names are equal');
  now = 1000;
  t.equal(judge('10.0.0.2', 'c.mesos', 3), 'send');
});

t.test('a reply with options stays within the size that the client gave', async (t) => {
  const tasks = Array.from({ length: 60 }, (_, i) =>
    putTask(
      sampleTask({ id: `w.${i}` as never, agentIp: `10.0.1.${i}`, agentIps: [`10.0.1.${i}`], ports: [samplePort()] }),
    ),
  );
  const { port } = await runDns(t, liveZone({}, ...tasks));
  const reply = await askUdp(port, withOptions('web.marathon.mesos', [{ code: 10, data: Buffer.alloc(8) }], 512));
  t.ok(reply.bytes.length <= 512);
  t.equal(reply.tc, true);
  t.equal(optionsOf(reply.bytes).get(10)?.length, 24);
  t.ok(readReply(reply.bytes).answers.length > 10);
});
